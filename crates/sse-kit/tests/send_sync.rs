//! All public types of the kit can be sent to and shared with other threads.
#![cfg(feature = "kit")]

use sse_kit::{
    Change, ChangeError, EmitError, EmitErrorKind, Emitted, Except, KitStats, OnFailure, Page,
    SseKit,
};

fn is_send_and_sync<T: Send + Sync>() {}

#[test]
fn public_types_are_send_and_sync() {
    is_send_and_sync::<Change>();
    is_send_and_sync::<ChangeError>();
    is_send_and_sync::<EmitError>();
    is_send_and_sync::<EmitErrorKind>();
    is_send_and_sync::<Emitted>();
    is_send_and_sync::<Except<'_>>();
    is_send_and_sync::<KitStats>();
    is_send_and_sync::<OnFailure>();
    is_send_and_sync::<Page>();
    is_send_and_sync::<SseKit>();
}
