//! The inspector: who may see it, what it shows, what it does, and what it keeps.

mod abuse;
mod actions;
mod bounds;
mod live;
mod site;
mod texts;
mod viewing;

use sse_kit_inspector::{
    AccessPolicy, ClientInfo, Inspector, InspectorBody, InspectorBuildError, InspectorBuilder,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    InspectorBuildError,
    ClientInfo,
    Inspector,
    InspectorBody,
    InspectorBuilder,
    AccessPolicy,
);

type TestResult = Result<(), Box<dyn std::error::Error>>;
