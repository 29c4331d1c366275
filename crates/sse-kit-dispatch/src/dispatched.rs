//! The outcome of a dispatch.

use std::borrow::Cow;
use std::sync::Arc;

use crate::event::DomainEvent;
use crate::handler::{HandlerError, HandlerResult};

/// The outcome of a dispatch.
///
/// ```
/// use sse_kit_dispatch::{Dispatcher, DomainEvent, Ending};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dispatched = Dispatcher::new().dispatch(DomainEvent::new("job:done", &json!({}))?).await?;
/// assert_eq!(dispatched.ending, Ending::Handled);
/// assert!(dispatched.results.is_empty() && dispatched.errors.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the errors of handlers are in it"]
pub struct Dispatched {
    /// The event as it was handled: after transformers and middleware.
    pub event: Arc<DomainEvent>,
    /// The point that the event reached.
    pub ending: Ending,
    /// The results of handlers, in the order in which they were called.
    pub results: Vec<HandlerResult>,
    /// The failures of handlers, in the order in which they were called. They are logged already.
    pub errors: Vec<HandlerError>,
}

impl Dispatched {
    /// Returns the outcome for a middleware that does not let an event pass. `by` is the name of
    /// the middleware. Results may be added.
    pub fn stopped(event: Arc<DomainEvent>, by: impl Into<Cow<'static, str>>) -> Self {
        Self::new(event, Ending::Stopped { by: by.into() })
    }

    pub(crate) fn new(event: Arc<DomainEvent>, ending: Ending) -> Self {
        Self { event, ending, results: Vec::new(), errors: Vec::new() }
    }
}

/// The end of an event's way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The event came to its handlers, if it has any.
    Handled,
    /// A filter refused the event.
    Filtered {
        /// The index of the filter, in order of registration, from 0.
        filter: usize,
    },
    /// A middleware did not let the event pass.
    Stopped {
        /// The name of the middleware.
        by: Cow<'static, str>,
    },
}
