//! What came of an event.

use sse_kit_htmx::Updates;

use crate::failure::Failure;

/// What came of an event.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "the errors of handlers are in it"]
pub struct Updated {
    /// What the page is to change, in the order of the handlers.
    pub updates: Updates,
    /// How handlers failed, in the order in which they were called. What the others made is in
    /// `updates`.
    pub errors: Vec<HandlerError>,
}

/// How a handler failed.
#[derive(Debug, thiserror::Error)]
#[error("handler {number} of `{event_type}` failed")]
#[non_exhaustive]
pub struct HandlerError {
    /// The event's type.
    pub event_type: String,
    /// Which of its handlers, from 1, in the order in which they are called.
    pub number: usize,
    /// What went wrong.
    pub source: Failure,
}

/// Why an event came to no updates at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// A preprocessor did not let the event pass.
    #[error("preprocessor {number} failed on `{event_type}`")]
    Preprocess {
        /// Which one, from 1, in order of registration.
        number: usize,
        /// The event's type.
        event_type: String,
        /// What went wrong.
        source: Failure,
    },
    /// A postprocessor failed on what the handlers made.
    #[error("postprocessor {number} failed on `{event_type}`")]
    Postprocess {
        /// Which one, from 1, in order of registration.
        number: usize,
        /// The event's type.
        event_type: String,
        /// What went wrong.
        source: Failure,
        /// How handlers had failed before.
        handlers: Vec<HandlerError>,
    },
}
