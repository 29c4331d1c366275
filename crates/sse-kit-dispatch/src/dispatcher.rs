//! The handle that all else begins with.

use std::convert::Infallible;
use std::future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sse_kit_event::TextError;

use crate::callback::{Callback, CallbackReturn};
use crate::dispatch::{DispatchError, dispatch};
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::event_data::{EventData, IntoDomainEvent};
use crate::event_type::EventType;
use crate::handler::Handler;
use crate::handlers::HandlerId;
use crate::middleware::{FnMiddleware, Middleware, Next};
use crate::namespace::Namespace;
use crate::pattern::Pattern;
use crate::registry::Registry;

/// A router of events: it takes events, and calls the handlers that they are for.
///
/// Cheap to clone; all clones share their handlers. See the [crate's docs](crate) for the way of an
/// event. Everything can be registered and cleared at any time, also while events are dispatched: a
/// dispatch sees what was registered when it began, and no change after that.
///
/// Every callback may return its value, a `Result` of it with any error, or a future of either: see
/// [`IntoOutput`](crate::IntoOutput).
#[derive(Clone, Debug, Default)]
pub struct Dispatcher {
    /// Held for a moment only, and never while user code runs. A change is made in place when no
    /// dispatch looks at the registry, and else in a copy.
    registry: Arc<Mutex<Arc<Registry>>>,
}

impl Dispatcher {
    /// Makes a dispatcher with nothing registered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `handler` for events whose full type the pattern matches.
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no pattern.
    pub fn on<P, R, K>(
        &self,
        pattern: P,
        handler: impl Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static,
    ) -> Result<HandlerId, TextError>
    where
        P: TryInto<Pattern, Error: Into<TextError>>,
        R: CallbackReturn<Value, K>,
    {
        self.register(pattern, Handler::new(handler))
    }

    /// Calls `handler` for the events of one type, which the type of its data says.
    ///
    /// See [`EventData`] for an example.
    pub fn on_event<E, R, K>(&self, handler: impl Fn(E) -> R + Send + Sync + 'static) -> HandlerId
    where
        E: EventData + DeserializeOwned,
        R: CallbackReturn<Value, K>,
    {
        let pattern = Pattern::Exact(EventType::of::<E>());
        self.change(|registry| registry.handlers.insert(pattern, Handler::typed(handler)))
    }

    /// Calls `handler` with the data of events whose full type the pattern matches. When the data do
    /// not fit its type, the handler is not called, and that is its error.
    ///
    /// ```
    /// use sse_kit_dispatch::{Dispatcher, DomainEvent};
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Progress {
    ///     percent: u8,
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let dispatcher = Dispatcher::new();
    /// dispatcher.on_typed("job:*", |progress: Progress| json!(progress.percent))?;
    ///
    /// let event = DomainEvent::new("job:progress", &json!({ "percent": "40" }))?;
    /// let error = &dispatcher.dispatch(event).await?.errors[0];
    /// assert_eq!(error.to_string(), "handler 0 for `job:*` failed on `job:progress`");
    /// assert_eq!(error.source.to_string(), "the data of `job:progress` do not fit at `percent`");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no pattern.
    pub fn on_typed<P, D, R, K>(
        &self,
        pattern: P,
        handler: impl Fn(D) -> R + Send + Sync + 'static,
    ) -> Result<HandlerId, TextError>
    where
        P: TryInto<Pattern, Error: Into<TextError>>,
        D: DeserializeOwned,
        R: CallbackReturn<Value, K>,
    {
        self.register(pattern, Handler::typed(handler))
    }

    /// Registers a handler that was made before, such as one with a priority.
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no pattern.
    pub fn register<P>(&self, pattern: P, handler: Handler) -> Result<HandlerId, TextError>
    where
        P: TryInto<Pattern, Error: Into<TextError>>,
    {
        let pattern = pattern.try_into().map_err(Into::into)?;
        Ok(self.change(|registry| registry.handlers.insert(pattern, handler)))
    }

    /// Removes one handler. Returns `false` when it is not registered.
    pub fn remove(&self, handler: &HandlerId) -> bool {
        self.change(|registry| registry.handlers.remove(handler)).is_some()
    }

    /// Removes the handlers of a pattern, and no others that it matches. Returns their number.
    pub fn clear(&self, pattern: &Pattern) -> usize {
        self.change(|registry| registry.handlers.clear(pattern)).len()
    }

    /// Removes all handlers; filters, transformers, middleware and namespaces stay.
    pub fn clear_all(&self) {
        drop(self.change(|registry| std::mem::take(&mut registry.handlers)));
    }

    /// Asks `filter` before an event is dispatched. When it returns `false`, the dispatch ends with
    /// [`Ending::Filtered`](crate::Ending::Filtered).
    ///
    /// Filters are asked in order of registration, before anything else. One that fails or panics
    /// ends the dispatch with an error.
    pub fn filter<R, K>(&self, filter: impl Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static)
    where
        R: CallbackReturn<bool, K>,
    {
        self.change(|registry| registry.filters.push(Callback::new(filter)));
    }

    /// Lets `transformer` change each event that the filters let pass.
    ///
    /// Transformers are called in order of registration, before the middleware. When one changes
    /// the type or the namespace, the handlers are those of the new full type. One that fails or
    /// panics ends the dispatch with an error.
    pub fn transform<R, K>(&self, transformer: impl Fn(DomainEvent) -> R + Send + Sync + 'static)
    where
        R: CallbackReturn<DomainEvent, K>,
    {
        self.change(|registry| registry.transformers.push(Callback::new(transformer)));
    }

    /// Adds a middleware around the handlers, inside the middleware that is there already.
    pub fn middleware(&self, middleware: impl Middleware) {
        let middleware = Arc::new(middleware);
        self.change(|registry| registry.middleware.push(middleware));
    }

    /// Adds a middleware that is a function, as [`Dispatcher::middleware`] does.
    ///
    /// A function that does not wait returns the future of [`Next::run`].
    ///
    /// ```
    /// use sse_kit_dispatch::Dispatcher;
    ///
    /// let dispatcher = Dispatcher::new();
    /// dispatcher.middleware_fn(|event, next| async move {
    ///     let once = next.run(event.clone()).await?;
    ///     if once.errors.is_empty() { Ok(once) } else { next.run(event).await }
    /// });
    /// dispatcher.middleware_fn(|event, next| next.run(event));
    /// ```
    pub fn middleware_fn<F, R>(&self, middleware: F)
    where
        F: Fn(Arc<DomainEvent>, Next) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Dispatched, DispatchError>> + Send + 'static,
    {
        self.middleware(FnMiddleware(middleware));
    }

    /// Registers a namespace; see [`Dispatcher::enforce_namespaces`].
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no namespace.
    pub fn register_namespace<N>(&self, namespace: N) -> Result<(), TextError>
    where
        N: TryInto<Namespace, Error: Into<TextError>>,
    {
        let namespace = namespace.try_into().map_err(Into::into)?;
        self.change(|registry| registry.namespaces.insert(namespace));
        Ok(())
    }

    /// Refuses events of a namespace that is not registered from now on: before the filters, and again
    /// before the handlers. An event without a namespace of its own counts as one of the namespace that
    /// its type begins with: `admin:delete` is refused unless `admin` is registered. Types of one
    /// segment are always taken.
    pub fn enforce_namespaces(&self) {
        self.change(|registry| registry.enforces_namespaces = true);
    }

    /// Sends an event through filters, transformers and middleware to its handlers, and returns what
    /// became of it.
    ///
    /// Handlers are called one after another. One that fails or panics is logged as an error and
    /// reported in [`Dispatched::errors`], and the others are called all the same. A handler may
    /// dispatch other events, and wait for them.
    ///
    /// # Errors
    ///
    /// [`DispatchError`] says what kept the event from its handlers.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the handler that runs is dropped where it waits, and those after
    /// it are not called.
    pub async fn dispatch(&self, event: impl IntoDomainEvent) -> Result<Dispatched, DispatchError> {
        let done = |dispatched| future::ready(Ok::<_, Infallible>(dispatched));
        let Ok(dispatched) = self.dispatch_then(event, done).await?;
        Ok(dispatched)
    }

    /// Sends an event as [`Dispatcher::dispatch`] does, and gives its outcome to `then`, which completes
    /// it: it stores a result, or publishes one. Returns what `then` returned.
    ///
    /// `then` runs after all middleware, as part of the dispatch. While it runs, events with the same
    /// key wait at [`Deduplicate`](crate::middleware::Deduplicate). When it fails, the next of them is
    /// handled, so a retry is not taken for an event that has come already.
    ///
    /// ```
    /// # use std::io;
    /// # use std::time::Duration;
    /// # use serde_json::json;
    /// # use sse_kit_dispatch::{Dispatcher, DomainEvent, middleware::Deduplicate};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let dispatcher = Dispatcher::new();
    /// dispatcher.middleware(Deduplicate::new(Duration::from_secs(60), |event| {
    ///     event.data().get("order").cloned()
    /// }));
    /// let event = DomainEvent::new("order:paid", &json!({ "order": 17 }))?;
    ///
    /// let full = async |_| Err::<(), _>(io::Error::from(io::ErrorKind::StorageFull));
    /// assert!(dispatcher.dispatch_then(event.clone(), full).await?.is_err());
    ///
    /// let ending = async |dispatched: sse_kit_dispatch::Dispatched| Ok::<_, io::Error>(dispatched.ending);
    /// let retried = dispatcher.dispatch_then(event, ending).await??;
    /// assert_eq!(retried, sse_kit_dispatch::Ending::Handled);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`DispatchError`] says what kept the event from its handlers; `then` is not called. The inner
    /// error is that of `then`.
    ///
    /// # Cancel safety
    ///
    /// As of [`Dispatcher::dispatch`]. `then` is dropped where it waits.
    pub async fn dispatch_then<T, E, R>(
        &self,
        event: impl IntoDomainEvent,
        then: impl FnOnce(Dispatched) -> R,
    ) -> Result<Result<T, E>, DispatchError>
    where
        R: Future<Output = Result<T, E>>,
    {
        let event = event.into_domain_event()?;
        let registry = Arc::clone(&self.registry.lock());
        dispatch(registry, event, then).await
    }

    /// Returns a weak reference, for handlers, filters and middleware that dispatch. A clone in there
    /// would keep the dispatcher alive, which keeps them alive.
    pub fn downgrade(&self) -> WeakDispatcher {
        WeakDispatcher { registry: Arc::downgrade(&self.registry) }
    }

    /// Changes the registry. The caller drops what `change` returns when the lock is free: a handler
    /// that is removed may own anything, a clone of the dispatcher included.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(Arc::make_mut(&mut self.registry.lock()))
    }
}

/// A weak reference to a [`Dispatcher`].
#[derive(Clone, Debug)]
pub struct WeakDispatcher {
    registry: Weak<Mutex<Arc<Registry>>>,
}

impl WeakDispatcher {
    /// Returns the dispatcher, or `None` when its last clone was dropped.
    pub fn upgrade(&self) -> Option<Dispatcher> {
        Some(Dispatcher { registry: self.registry.upgrade()? })
    }
}
