//! What axum has to know of [`SseKit`]: where its hub is, and what its errors are to a client.

use axum_core::extract::FromRef;
use sse_kit_axum::{Error, ErrorKind};
use sse_kit_broadcast::Hub;

use crate::kit::{ChangeError, EmitError, SseKit};

/// An app whose state is a kit has its hub.
impl<S: Send + Sync + 'static> FromRef<SseKit<S>> for Hub {
    fn from_ref(kit: &SseKit<S>) -> Self {
        kit.hub().clone()
    }
}

/// Status 503 when the hub has shut down, and otherwise 500.
impl From<EmitError> for Error {
    fn from(error: EmitError) -> Self {
        let kind = if error.is_shutdown() { ErrorKind::Unavailable } else { ErrorKind::Internal };
        Self::new(kind).caused_by(error)
    }
}

/// As of an [`EmitError`]: the state has changed, and pages were not told.
impl<V> From<ChangeError<V>> for Error {
    fn from(error: ChangeError<V>) -> Self {
        EmitError::from(error).into()
    }
}
