//! All public types can be sent to and shared with other threads.

use sse_kit_update::{ElementUpdater, PageUpdates, UpdateError, Updated};

fn is_send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn public_types_are_send_and_sync() {
    is_send_and_sync::<PageUpdates>();
    is_send_and_sync::<ElementUpdater>();
    is_send_and_sync::<UpdateError>();
    is_send_and_sync::<Updated>();
}
