//! All public types can be sent to and shared with other threads.

use sse_kit_test::{
    DomChange, GapHandling, Published, Recorder, Scenario, TestBody, TestClient, TestPage,
    TestResponse, TestStream,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    DomChange,
    GapHandling,
    Published,
    Recorder,
    Scenario,
    TestBody,
    TestClient,
    TestPage,
    TestResponse,
    TestStream,
);
