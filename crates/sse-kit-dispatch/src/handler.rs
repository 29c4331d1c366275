//! A handler and its failure.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::callback::{Callback, CallbackError, CallbackReturn};
use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::pattern::Pattern;

/// A function that is called with an event and makes a `T`, and its priority among the others.
///
/// Most handlers are made by [`Dispatcher::on`](crate::Dispatcher::on) and its kin. This type is for
/// those with a priority:
///
/// ```
/// use sse_kit_dispatch::{Dispatcher, Handler};
///
/// let dispatcher = Dispatcher::new();
/// let audit = Handler::new(|event| println!("{}", event.full_type()));
/// dispatcher.register("**", audit.priority(100))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Handler<T = Value> {
    pub(crate) callback: Callback<Arc<DomainEvent>, T>,
    pub(crate) priority: i32,
}

impl<T: Send + 'static> Handler<T> {
    /// Makes a handler of a function of events.
    pub fn new<R, K>(handler: impl Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static) -> Self
    where
        R: CallbackReturn<T, K>,
    {
        Self { callback: Callback::new(handler), priority: 0 }
    }

    /// Makes a handler of a function of the data of events.
    ///
    /// When the data do not fit the type, the function is not called, and the handler fails with
    /// [`CallbackError::Data`]. A handler that needs the event too asks it for its data:
    /// [`DomainEvent::data_as`].
    pub fn typed<D, R, K>(handler: impl Fn(D) -> R + Send + Sync + 'static) -> Self
    where
        D: DeserializeOwned,
        R: CallbackReturn<T, K>,
    {
        Self { callback: Callback::typed(handler), priority: 0 }
    }

    /// Sets the priority. Handlers of a higher priority are called first, and those of the same
    /// priority in order of registration. Default: 0.
    pub fn priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }
}

impl<T> Clone for Handler<T> {
    fn clone(&self) -> Self {
        Self { callback: self.callback.clone(), priority: self.priority }
    }
}

/// The result of a handler.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HandlerResult<T = Value> {
    /// The pattern that the handler is registered for.
    pub pattern: Pattern,
    /// The value that the handler returned; `null` when it returned nothing.
    pub value: T,
}

/// The failure of a handler.
#[derive(Debug, thiserror::Error)]
#[error("handler {index} for `{pattern}` failed on `{event_type}`")]
#[non_exhaustive]
pub struct HandlerError {
    /// The pattern that the handler is registered for.
    pub pattern: Pattern,
    /// The position of the handler, from 0, among those that were called, in order.
    pub index: usize,
    /// The full type of the event.
    pub event_type: EventType,
    /// The cause.
    pub source: CallbackError,
}
