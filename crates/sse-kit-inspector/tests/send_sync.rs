//! All public types can be sent to and shared with other threads.

use sse_kit_inspector::{
    AccessPolicy, ClientInfo, Inspector, InspectorBody, InspectorBuildError, InspectorBuilder,
    ViewerName,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    AccessPolicy,
    InspectorBuildError,
    ClientInfo,
    Inspector,
    InspectorBody,
    InspectorBuilder,
    ViewerName
);

#[cfg(feature = "dispatch")]
assert_send_and_sync!(sse_kit_inspector::DispatchTrace);
