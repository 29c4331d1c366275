//! From an event to what became of it.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatched::{Dispatched, Ending, HandlerError, HandlerResult};
use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::failure::{BoxError, Failure};
use crate::middleware::Next;
use crate::namespace::Namespace;
use crate::registry::Registry;

/// The most dispatches that may stand within one another. A handler that dispatches what leads back
/// to itself would otherwise end the process, when the stack is full.
const MAX_DEPTH: usize = 32;

tokio::task_local! {
    static DEPTH: usize;
}

/// Sends an event through all that is registered.
pub(crate) async fn dispatch(
    registry: Arc<Registry>,
    event: DomainEvent,
) -> Result<Dispatched, DispatchError> {
    let depth = DEPTH.try_with(|depth| *depth).unwrap_or(0);
    if depth == MAX_DEPTH {
        return Err(DispatchError::TooDeep { dispatches: depth });
    }
    DEPTH.scope(depth + 1, run(registry, event)).await
}

async fn run(registry: Arc<Registry>, event: DomainEvent) -> Result<Dispatched, DispatchError> {
    registry.check_namespace(&event)?;
    let event = Arc::new(event);
    for (filter, step) in registry.filters.iter().enumerate() {
        match step.run(Arc::clone(&event)).await {
            Ok(true) => {}
            Ok(false) => return Ok(Dispatched::new(event, Ending::Filtered { filter })),
            Err(source) => return Err(DispatchError::Filter { filter, source }),
        }
    }
    let mut event = Arc::unwrap_or_clone(event);
    for (transformer, step) in registry.transformers.iter().enumerate() {
        let transformed = step.run(event).await;
        event = transformed.map_err(|source| DispatchError::Transformer { transformer, source })?;
    }
    Next::new(registry).run(event).await
}

/// The end of the way: the handlers, one after another.
pub(crate) async fn handle(
    registry: Arc<Registry>,
    event: Arc<DomainEvent>,
) -> Result<Dispatched, DispatchError> {
    // Transformers and middleware may have changed it.
    registry.check_namespace(&event)?;
    let mut dispatched = Dispatched::new(Arc::clone(&event), Ending::Handled);
    for registered in registry.handlers.of(event.full_type()) {
        let pattern = registered.pattern().clone();
        match registered.handler.step.run(Arc::clone(&event)).await {
            Ok(value) => dispatched.results.push(HandlerResult { pattern, value }),
            Err(source) => {
                let event_type = event.full_type().clone();
                dispatched.errors.push(HandlerError { pattern, event_type, source });
            }
        }
    }
    Ok(dispatched)
}

/// Why an event did not come to its handlers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// Namespaces are enforced, and that of the event is not registered.
    #[error("the namespace `{namespace}` is not registered")]
    UnknownNamespace {
        /// That of the event.
        namespace: Namespace,
    },
    /// A filter failed.
    #[error("the filter at index {filter} failed")]
    Filter {
        /// Which one, in order of registration, from 0.
        filter: usize,
        /// What went wrong.
        source: Failure,
    },
    /// A transformer failed.
    #[error("the transformer at index {transformer} failed")]
    Transformer {
        /// Which one, in order of registration, from 0.
        transformer: usize,
        /// What went wrong.
        source: Failure,
    },
    /// A middleware failed; see [`DispatchError::middleware`].
    #[error("a middleware failed")]
    Middleware(#[source] Failure),
    /// It took longer than [`Timeout`](crate::middleware::Timeout) allows.
    #[error("it took longer than {after:?}")]
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// There are more events of the type than [`RateLimit`](crate::middleware::RateLimit) allows.
    #[error("too many events of the type `{event_type}`; the next in {retry_after:?}")]
    RateLimited {
        /// The full type of the event.
        event_type: EventType,
        /// When there is room for one again, if none comes before it.
        retry_after: Duration,
    },
    /// Handlers dispatch what leads back to themselves.
    #[error("{dispatches} dispatches stand within one another")]
    TooDeep {
        /// How many there are.
        dispatches: usize,
    },
}

impl DispatchError {
    /// For middleware of your own: it does not let an event pass because of `error`.
    pub fn middleware(error: impl Into<BoxError>) -> Self {
        Self::Middleware(Failure::Error(error.into()))
    }
}
