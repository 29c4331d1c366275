//! All public types can be sent to and shared with other threads.

use sse_kit_update::{Changes, ElementUpdater, UpdateError, Updated};

const fn is_send_and_sync<T: Send + Sync + 'static>() {}

const _: () = {
    is_send_and_sync::<Changes>();
    is_send_and_sync::<ElementUpdater>();
    is_send_and_sync::<UpdateError>();
    is_send_and_sync::<Updated>();
};
