//! What is called when an event comes.

use std::fmt;
use std::future;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::DomainEvent;
use crate::failure::Failure;
use crate::outcome::IntoOutcome;
use crate::step::Step;

/// What is called when an event comes, and when, among the others that are.
///
/// Most are made by [`Dispatcher::on`](crate::Dispatcher::on) and its kin; this one is for those
/// that have a priority:
///
/// ```
/// use sse_kit_dispatch::{Dispatcher, Handler};
///
/// let dispatcher = Dispatcher::new();
/// let audit = Handler::new(|event| println!("{}", event.full_type()));
/// dispatcher.register("**", audit.priority(100))?;
/// # Ok::<(), sse_kit_dispatch::PatternError>(())
/// ```
#[derive(Clone)]
pub struct Handler {
    pub(crate) step: Step<Arc<DomainEvent>, Value>,
    pub(crate) priority: i32,
}

impl Handler {
    /// A handler that does not wait.
    pub fn new<F, T>(handler: F) -> Self
    where
        F: Fn(Arc<DomainEvent>) -> T + Send + Sync + 'static,
        T: IntoOutcome,
    {
        Self::from_step(Step::new(move |event| future::ready(handler(event).into_outcome())))
    }

    /// As [`Handler::new`], for a handler that waits.
    pub fn new_async<F, R>(handler: F) -> Self
    where
        F: Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        Self::from_step(Step::new(move |event| handler(event).map(IntoOutcome::into_outcome)))
    }

    /// A handler of data of a type. Where they do not fit, it fails with [`Failure::Data`], and is
    /// not called.
    ///
    /// A handler that wants the event too asks it for its data: [`DomainEvent::data_as`].
    pub fn typed<D, F, T>(handler: F) -> Self
    where
        D: DeserializeOwned + 'static,
        F: Fn(D) -> T + Send + Sync + 'static,
        T: IntoOutcome,
    {
        Self::typed_async(move |data| future::ready(handler(data).into_outcome()))
    }

    /// As [`Handler::typed`], for a handler that waits.
    pub fn typed_async<D, F, R>(handler: F) -> Self
    where
        D: DeserializeOwned + 'static,
        F: Fn(D) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        Self::from_step(Step::failing(move |event: Arc<DomainEvent>| {
            let handling = event.data_as().map(&handler);
            async move {
                let outcome = handling.map_err(Failure::Data)?.await;
                outcome.into_outcome().map_err(Failure::Error)
            }
        }))
    }

    /// The higher, the sooner; those of the same priority are called in order of registration.
    /// Default: 0.
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    fn from_step(step: Step<Arc<DomainEvent>, Value>) -> Self {
        Self { step, priority: 0 }
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler").field("priority", &self.priority).finish_non_exhaustive()
    }
}
