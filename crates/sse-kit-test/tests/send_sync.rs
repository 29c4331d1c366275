//! The public types that can be sent to, or shared with, other threads. `Scenario` can be neither: its steps
//! are closures of one test.

use sse_kit_test::{
    DomChange, GapHandling, Published, Recorder, TestBody, TestClient, TestPage, TestResponse,
    TestStream,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(DomChange, GapHandling, Published, Recorder, TestClient, TestResponse);

/// A page and a stream belong to one task, which may move to another thread.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<TestBody>();
    is_send::<TestPage>();
    is_send::<TestStream>();
};
