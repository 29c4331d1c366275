//! The stages of a dispatch.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::Instrument;

use crate::callback::{BoxError, CallbackError};
use crate::dispatched::{Dispatched, Ending};
use crate::event::{DomainEvent, DomainEventError};
use crate::event_type::EventType;
use crate::middleware::{Claims, Next};
use crate::namespace::Namespace;
use crate::registry::Registry;

/// The most dispatches that may stand within one another. A handler that dispatches what leads back
/// to itself would otherwise end the process, when the stack is full.
const MAX_DEPTH: usize = 32;

/// The most middleware that nested dispatches may go through together. Each takes a frame of the
/// stack, and 640 of them fill 2 MiB in a debug build.
const MAX_NESTED_MIDDLEWARE: usize = 400;

tokio::task_local! {
    static DEPTH: Depth;
}

/// The dispatches that a dispatch stands within.
#[derive(Clone, Copy, Default)]
struct Depth {
    dispatches: usize,
    middleware: usize,
}

/// Sends an event through all that is registered, and its outcome to `then`.
pub(crate) async fn dispatch<T, E, R>(
    registry: Arc<Registry>,
    event: DomainEvent,
    then: impl FnOnce(Dispatched) -> R,
) -> Result<Result<T, E>, DispatchError>
where
    R: Future<Output = Result<T, E>>,
{
    let outer = DEPTH.try_with(|depth| *depth).unwrap_or_default();
    let inner = Depth {
        dispatches: outer.dispatches + 1,
        middleware: outer.middleware + registry.middleware.len(),
    };
    let is_nested = outer.dispatches > 0;
    if outer.dispatches == MAX_DEPTH || (is_nested && inner.middleware > MAX_NESTED_MIDDLEWARE) {
        return Err(DispatchError::TooDeep { dispatches: outer.dispatches });
    }
    let claimed = Claimed(Claims::new());
    let outcome = async {
        let dispatched = run_within_span(registry, event, &claimed.0).await?;
        Ok(then(dispatched).await)
    };
    let outcome = DEPTH.scope(inner, outcome).await;
    if let Ok(Ok(_)) = outcome {
        claimed.0.succeed();
    }
    outcome
}

/// The keys that a dispatch has claimed. They are free again when it fails or is dropped.
struct Claimed(Claims);

impl Drop for Claimed {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// Does the same as [`run`], within a span if somebody records it.
///
/// In a box, and not in the frame of its caller: dispatches may nest, and each takes of the stack.
fn run_within_span(
    registry: Arc<Registry>,
    event: DomainEvent,
    claims: &Claims,
) -> BoxFuture<'_, Result<Dispatched, DispatchError>> {
    let span = tracing::debug_span!("sse.dispatch", event_type = %event.full_type());
    let run = run(registry, event, claims);
    if span.is_disabled() { Box::pin(run) } else { Box::pin(run.instrument(span)) }
}

async fn run(
    registry: Arc<Registry>,
    event: DomainEvent,
    claims: &Claims,
) -> Result<Dispatched, DispatchError> {
    registry.check_namespace(&event)?;
    let event = Arc::new(event);
    for (filter, callback) in registry.filters.iter().enumerate() {
        match callback.call(Arc::clone(&event)).await {
            Ok(true) => {}
            Ok(false) => return Ok(Dispatched::new(event, Ending::Filtered { filter })),
            Err(source) => return Err(DispatchError::Filter { filter, source }),
        }
    }
    let mut event = Arc::unwrap_or_clone(event);
    for (transformer, callback) in registry.transformers.iter().enumerate() {
        let transformed = callback.call(event).await;
        event = transformed.map_err(|source| DispatchError::Transformer { transformer, source })?;
    }
    Next::new(registry, claims.clone()).run(event).await
}

/// The end of the way: the handlers, one after another.
pub(crate) async fn handle(
    registry: Arc<Registry>,
    event: Arc<DomainEvent>,
) -> Result<Dispatched, DispatchError> {
    // Transformers and middleware may have changed it.
    registry.check_namespace(&event)?;
    let called = registry.handlers.call(&event).await;
    let dispatched = Dispatched::new(event, Ending::Handled);
    Ok(Dispatched { results: called.results, errors: called.errors, ..dispatched })
}

/// The reason why an event did not come to its handlers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// The event could not be made.
    #[error(transparent)]
    Event(#[from] DomainEventError),
    /// Namespaces are enforced, and that of the event is not registered.
    #[error("the namespace `{namespace}` is not registered")]
    UnknownNamespace {
        /// The namespace of the event.
        namespace: Namespace,
    },
    /// A filter failed.
    #[error("the filter at index {filter} failed")]
    Filter {
        /// The index of the filter, in order of registration, from 0.
        filter: usize,
        /// The cause.
        source: CallbackError,
    },
    /// A transformer failed.
    #[error("the transformer at index {transformer} failed")]
    Transformer {
        /// The index of the transformer, in order of registration, from 0.
        transformer: usize,
        /// The cause.
        source: CallbackError,
    },
    /// A middleware failed; see [`DispatchError::middleware`].
    #[error("a middleware failed")]
    Middleware(#[source] CallbackError),
    /// The handlers took longer than [`Timeout`](crate::middleware::Timeout) allows.
    #[error("the event was not handled within {after:?}")]
    TimedOut {
        /// The time that the event was given.
        after: Duration,
    },
    /// An event with the same key is being handled, and was not done in time; see
    /// [`Deduplicate::wait`](crate::middleware::Deduplicate::wait).
    #[error("an event with the same key is being handled, and was not done within {waited:?}")]
    InFlight {
        /// The time that the event has waited.
        waited: Duration,
    },
    /// There are more events of the type than [`RateLimit`](crate::middleware::RateLimit) allows.
    #[error("too many events of the type `{event_type}`; the next in {retry_after:?}")]
    RateLimited {
        /// The full type of the event.
        event_type: EventType,
        /// The time until there is room for one again, if none comes before it.
        retry_after: Duration,
    },
    /// Handlers dispatch events that lead back to themselves.
    #[error("{dispatches} dispatches stand within one another")]
    TooDeep {
        /// The number of dispatches.
        dispatches: usize,
    },
}

impl DispatchError {
    /// Returns the error for a middleware that does not let an event pass because of `error`.
    pub fn middleware(error: impl Into<BoxError>) -> Self {
        Self::Middleware(CallbackError::Returned(error.into()))
    }
}
