//! The inspector: who may see it, what it shows, what it does, and what it keeps.

mod actions;
mod bounds;
mod live;
mod site;
mod texts;
mod viewing;

use sse_kit_inspector::{
    BuildError, Described, Inspector, InspectorBody, InspectorBuilder, Viewers,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(BuildError, Described, Inspector, InspectorBody, InspectorBuilder, Viewers,);

type TestResult = Result<(), Box<dyn std::error::Error>>;
