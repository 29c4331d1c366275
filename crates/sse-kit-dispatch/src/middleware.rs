//! What stands around the handlers, and some that is ready made.
//!
//! A middleware gets the event and [`Next`], which is all that comes after it. It may hand on
//! another event, act on what comes back, call `next` again, or not at all. Those that are added
//! first stand outermost. A function is made one by
//! [`Dispatcher::middleware_fn`](crate::Dispatcher::middleware_fn); a type implements
//! [`Middleware`].

mod deduplicate;
mod rate_limit;
mod timeout;
mod trace;

use std::fmt;
use std::sync::Arc;

use crate::dispatch::{DispatchError, handle};
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::registry::Registry;
use crate::step::{BoxFuture, catch_panic};

pub use deduplicate::Deduplicate;
pub use rate_limit::RateLimit;
pub use timeout::Timeout;
pub use trace::Trace;

/// What stands around the handlers.
///
/// ```
/// use std::sync::Arc;
/// use sse_kit_dispatch::middleware::{Middleware, Next};
/// use sse_kit_dispatch::{BoxFuture, DispatchError, Dispatched, Dispatcher, DomainEvent};
///
/// struct Quiet;
///
/// impl Middleware for Quiet {
///     fn call(
///         &self,
///         event: Arc<DomainEvent>,
///         next: Next,
///     ) -> BoxFuture<Result<Dispatched, DispatchError>> {
///         match event.priority() {
///             ..0 => Box::pin(async { Ok(Dispatched::stopped(event, "quiet")) }),
///             _ => next.run(event),
///         }
///     }
/// }
///
/// Dispatcher::new().middleware(Quiet);
/// ```
pub trait Middleware: Send + Sync + 'static {
    /// Does its part, and lets `next` do the rest.
    ///
    /// The future cannot borrow from `self`: what it needs is cloned before. A panic is an error of
    /// the dispatch.
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<Result<Dispatched, DispatchError>>;
}

/// What comes after a middleware: the next one, and the handlers in the end.
#[derive(Clone)]
pub struct Next {
    registry: Arc<Registry>,
    position: usize,
}

impl Next {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, position: 0 }
    }

    /// Runs it, with this event or another; it may be run again.
    pub fn run(
        &self,
        event: impl Into<Arc<DomainEvent>>,
    ) -> BoxFuture<Result<Dispatched, DispatchError>> {
        let (event, registry) = (event.into(), Arc::clone(&self.registry));
        let Some(middleware) = registry.middleware.get(self.position).cloned() else {
            return Box::pin(handle(registry, event));
        };
        let next = Self { registry, position: self.position + 1 };
        Box::pin(async move {
            let call = catch_panic(|| middleware.call(event, next)).await;
            call.unwrap_or_else(|panic| Err(DispatchError::Middleware(panic)))
        })
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let middleware = self.registry.middleware.len() - self.position;
        f.debug_struct("Next").field("middleware", &middleware).finish_non_exhaustive()
    }
}

/// A function as a middleware.
pub(crate) struct FnMiddleware<F>(pub(crate) F);

impl<F, R> Middleware for FnMiddleware<F>
where
    F: Fn(Arc<DomainEvent>, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Dispatched, DispatchError>> + Send + 'static,
{
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<Result<Dispatched, DispatchError>> {
        Box::pin((self.0)(event, next))
    }
}
