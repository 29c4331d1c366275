//! The outcome of an update.

use sse_kit_dispatch::{CallbackError, EventType, HandlerError};
use sse_kit_htmx::Updates;

/// The outcome of an update.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "the errors of handlers are in it"]
pub struct Updated {
    /// The changes of the page, in the order of the handlers.
    pub updates: Updates,
    /// The failures of handlers, in the order in which they were called. They are logged already.
    /// The updates of the others are in `updates`.
    pub errors: Vec<HandlerError>,
    /// The number of handlers that were called, the fallback included.
    pub handlers: usize,
}

/// The reason why an event came to no updates at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// A preprocessor failed.
    #[error("the preprocessor at index {index} failed on `{event_type}`")]
    Preprocess {
        /// The index of the preprocessor, in order of registration, from 0.
        index: usize,
        /// The full type of the event.
        event_type: EventType,
        /// The cause.
        source: CallbackError,
    },
    /// A postprocessor failed.
    #[error("the postprocessor at index {index} failed on `{event_type}`")]
    Postprocess {
        /// The index of the postprocessor, in order of registration, from 0.
        index: usize,
        /// The full type of the event.
        event_type: EventType,
        /// The cause.
        source: CallbackError,
        /// The outcome of the handlers before that: their failures and their number. The updates are lost.
        updated: Box<Updated>,
    },
}
