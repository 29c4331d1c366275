//! Middleware around the handlers: the trait, and some that are ready made.
//!
//! A middleware gets the event and [`Next`], which stands for everything after it. It may pass on
//! another event, act on the outcome, call `next` again, or not call it at all. The first that is
//! added stands outermost. [`Dispatcher::middleware_fn`](crate::Dispatcher::middleware_fn) makes one
//! of a function; a type implements [`Middleware`].

mod deduplicate;
mod dispatch_log;
mod rate_limit;
mod timeout;

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;

use crate::callback::catch_panic;
use crate::dispatch::{DispatchError, handle};
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::registry::Registry;

pub(crate) use deduplicate::Claims;
pub use deduplicate::Deduplicate;
pub use dispatch_log::DispatchLog;
pub use rate_limit::RateLimit;
pub use timeout::Timeout;

/// A layer around the handlers.
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
///     ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
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
    /// Handles an event, and lets `next` do the rest.
    ///
    /// The future cannot borrow from `self`, so clone what it needs. A panic is an error of the
    /// dispatch.
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>>;
}

/// The rest of an event's way after a middleware: the next middleware, and the handlers in the end.
#[derive(Clone)]
pub struct Next {
    registry: Arc<Registry>,
    position: usize,
    claims: Claims,
}

impl Next {
    pub(crate) fn new(registry: Arc<Registry>, claims: Claims) -> Self {
        Self { registry, position: 0, claims }
    }

    /// Returns the keys that the dispatch has claimed.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Runs the rest of the way, with this event or another. It may be run again.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the callback that runs is dropped where it waits, and later ones do
    /// not run.
    pub fn run(
        &self,
        event: impl Into<Arc<DomainEvent>>,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        let (event, registry) = (event.into(), Arc::clone(&self.registry));
        let Some(middleware) = registry.middleware.get(self.position).cloned() else {
            return Box::pin(handle(registry, event));
        };
        let next = Self { registry, position: self.position + 1, claims: self.claims.clone() };
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

/// A middleware that is a function.
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
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        Box::pin((self.0)(event, next))
    }
}
