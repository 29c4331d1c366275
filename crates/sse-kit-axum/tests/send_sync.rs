//! The types that may be moved between threads, and shared by them.

use sse_kit_axum::{Error, ErrorKind, Live, LiveRequest};

fn send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn public_types_are_send_and_sync() {
    send_and_sync::<Live>();
    send_and_sync::<LiveRequest>();
    send_and_sync::<Error>();
    send_and_sync::<ErrorKind>();
}
