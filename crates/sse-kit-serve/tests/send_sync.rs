//! All public types can be sent to and shared with other threads.
#![cfg(unix)]

use sse_kit_serve::{
    ListenAddress, ListenError, Listener, RequestBody, RequestBodyError, ServeStats, ServeStatus,
    Server,
};
use sse_kit_test_support::assert_send_and_sync;

assert_send_and_sync!(
    ListenAddress,
    ListenError,
    Listener,
    RequestBody,
    RequestBodyError,
    ServeStats,
    ServeStatus,
    Server,
);

#[cfg(feature = "tls")]
assert_send_and_sync!(sse_kit_serve::Tls, sse_kit_serve::TlsError);
