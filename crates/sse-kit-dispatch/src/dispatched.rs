//! What became of an event.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::failure::Failure;
use crate::pattern::Pattern;

/// What became of an event.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the errors of handlers are in it"]
pub struct Dispatched {
    /// The event as it was handled: after transformers and middleware.
    pub event: Arc<DomainEvent>,
    /// How far it came.
    pub ending: Ending,
    /// What handlers returned, in the order in which they were called.
    pub results: Vec<HandlerResult>,
    /// How handlers failed, in the order in which they were called.
    pub errors: Vec<HandlerError>,
}

impl Dispatched {
    /// What a middleware returns that does not let an event pass; `by` says which it is. Results
    /// may be added.
    pub fn stopped(event: Arc<DomainEvent>, by: impl Into<Cow<'static, str>>) -> Self {
        Self::new(event, Ending::Stopped { by: by.into() })
    }

    pub(crate) fn new(event: Arc<DomainEvent>, ending: Ending) -> Self {
        Self { event, ending, results: Vec::new(), errors: Vec::new() }
    }
}

/// How far an event came.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// To its handlers, if there are any.
    Handled,
    /// A filter said no.
    Filtered {
        /// Which one, in order of registration, from 0.
        filter: usize,
    },
    /// A middleware did not let it pass.
    Stopped {
        /// What the middleware calls itself.
        by: Cow<'static, str>,
    },
}

/// What a handler returned.
#[derive(Clone, Debug, PartialEq)]
pub struct HandlerResult {
    /// The pattern that it is registered for.
    pub pattern: Pattern,
    /// What it returned; `null` is nothing.
    pub value: Value,
}

/// How a handler failed.
#[derive(Debug, thiserror::Error)]
#[error("the handler for `{pattern}` failed on `{event_type}`")]
#[non_exhaustive]
pub struct HandlerError {
    /// The pattern that it is registered for.
    pub pattern: Pattern,
    /// The full type of the event.
    pub event_type: EventType,
    /// What went wrong.
    pub source: Failure,
}
