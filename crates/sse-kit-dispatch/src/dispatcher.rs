//! The handle that all else begins with.

use std::future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::dispatch::{DispatchError, dispatch};
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::event_type::EventTypeError;
use crate::failure::BoxError;
use crate::handler::Handler;
use crate::handlers::{HandlerId, Registered};
use crate::middleware::{FnMiddleware, Middleware, Next};
use crate::namespace::Namespace;
use crate::outcome::IntoOutcome;
use crate::pattern::{Pattern, PatternError};
use crate::registry::Registry;
use crate::step::Step;

/// Takes events, and calls the handlers that they are for.
///
/// Cheap to clone, and all clones are one. See the [crate's docs](crate) for how an event goes its
/// way. Everything can be registered and cleared at any time, while events are dispatched too: a
/// dispatch sees what was registered when it began, and no change after that.
#[derive(Clone, Debug, Default)]
pub struct Dispatcher {
    /// Held for a moment only, and never while user code runs. A change is made in place when no
    /// dispatch looks at the registry, and else in a copy.
    registry: Arc<Mutex<Arc<Registry>>>,
}

impl Dispatcher {
    /// A dispatcher with nothing registered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls `handler` for events whose full type the pattern matches.
    ///
    /// # Errors
    ///
    /// [`PatternError`] when this is no pattern.
    pub fn on<P, F, T>(&self, pattern: P, handler: F) -> Result<HandlerId, PatternError>
    where
        P: TryInto<Pattern, Error: Into<PatternError>>,
        F: Fn(Arc<DomainEvent>) -> T + Send + Sync + 'static,
        T: IntoOutcome,
    {
        self.register(pattern, Handler::new(handler))
    }

    /// As [`Dispatcher::on`], for a handler that waits.
    ///
    /// # Errors
    ///
    /// [`PatternError`] when this is no pattern.
    pub fn on_async<P, F, R>(&self, pattern: P, handler: F) -> Result<HandlerId, PatternError>
    where
        P: TryInto<Pattern, Error: Into<PatternError>>,
        F: Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.register(pattern, Handler::new_async(handler))
    }

    /// Calls `handler` with the data of events whose full type the pattern matches; where the data
    /// are not of its type, that is its error.
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
    /// dispatcher.on_typed("job:progress", |progress: Progress| json!(progress.percent))?;
    ///
    /// let event = DomainEvent::new("job:progress", &json!({ "percent": "40" }))?;
    /// let error = &dispatcher.dispatch(event).await?.errors[0];
    /// assert_eq!(error.to_string(), "the handler for `job:progress` failed on `job:progress`");
    /// assert_eq!(error.source.to_string(), "the data of `job:progress` do not fit at `percent`");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PatternError`] when this is no pattern.
    pub fn on_typed<P, D, F, T>(&self, pattern: P, handler: F) -> Result<HandlerId, PatternError>
    where
        P: TryInto<Pattern, Error: Into<PatternError>>,
        D: DeserializeOwned + 'static,
        F: Fn(D) -> T + Send + Sync + 'static,
        T: IntoOutcome,
    {
        self.register(pattern, Handler::typed(handler))
    }

    /// As [`Dispatcher::on_typed`], for a handler that waits.
    ///
    /// # Errors
    ///
    /// [`PatternError`] when this is no pattern.
    pub fn on_typed_async<P, D, F, R>(
        &self,
        pattern: P,
        handler: F,
    ) -> Result<HandlerId, PatternError>
    where
        P: TryInto<Pattern, Error: Into<PatternError>>,
        D: DeserializeOwned + 'static,
        F: Fn(D) -> R + Send + Sync + 'static,
        R: Future<Output: IntoOutcome> + Send + 'static,
    {
        self.register(pattern, Handler::typed_async(handler))
    }

    /// Registers a handler that was made before, such as one with a priority.
    ///
    /// # Errors
    ///
    /// [`PatternError`] when this is no pattern.
    pub fn register<P>(&self, pattern: P, handler: Handler) -> Result<HandlerId, PatternError>
    where
        P: TryInto<Pattern, Error: Into<PatternError>>,
    {
        let registered = Registered::new(pattern.try_into().map_err(Into::into)?, handler);
        let id = registered.id.clone();
        self.change(|registry| registry.handlers.insert(registered));
        Ok(id)
    }

    /// Removes one handler; false when it was removed before.
    pub fn remove(&self, handler: &HandlerId) -> bool {
        self.change(|registry| registry.handlers.remove(handler)).is_some()
    }

    /// Removes all handlers that are registered for this very pattern (not for what it matches),
    /// and returns how many there were.
    pub fn clear(&self, pattern: &Pattern) -> usize {
        self.change(|registry| registry.handlers.clear(pattern)).len()
    }

    /// Removes all handlers; filters, transformers, middleware and namespaces stay.
    pub fn clear_all(&self) {
        // Returned, so that it is dropped when the lock is free again.
        let _cleared = self.change(|registry| std::mem::take(&mut registry.handlers));
    }

    /// Asks `filter` before an event is dispatched: when it says no, nothing more is done.
    ///
    /// Filters are asked in order of registration, before anything else. One that fails or panics
    /// ends the dispatch with an error.
    pub fn filter<F>(&self, filter: F)
    where
        F: Fn(Arc<DomainEvent>) -> Result<bool, BoxError> + Send + Sync + 'static,
    {
        self.filter_async(move |event| future::ready(filter(event)));
    }

    /// As [`Dispatcher::filter`], for a filter that waits.
    pub fn filter_async<F, R>(&self, filter: F)
    where
        F: Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<bool, BoxError>> + Send + 'static,
    {
        self.change(|registry| registry.filters.push(Step::new(filter)));
    }

    /// Lets `transformer` change each event that the filters let pass.
    ///
    /// Transformers are called in order of registration, before the middleware. When one changes
    /// the type or the namespace, the handlers are those of the new full type. One that fails or
    /// panics ends the dispatch with an error.
    pub fn transform<F>(&self, transformer: F)
    where
        F: Fn(DomainEvent) -> Result<DomainEvent, BoxError> + Send + Sync + 'static,
    {
        self.transform_async(move |event| future::ready(transformer(event)));
    }

    /// As [`Dispatcher::transform`], for a transformer that waits.
    pub fn transform_async<F, R>(&self, transformer: F)
    where
        F: Fn(DomainEvent) -> R + Send + Sync + 'static,
        R: Future<Output = Result<DomainEvent, BoxError>> + Send + 'static,
    {
        self.change(|registry| registry.transformers.push(Step::new(transformer)));
    }

    /// Puts a middleware around the handlers, and within the middleware that is there already.
    pub fn middleware(&self, middleware: impl Middleware) {
        let middleware = Arc::new(middleware);
        self.change(|registry| registry.middleware.push(middleware));
    }

    /// As [`Dispatcher::middleware`], for a function.
    ///
    /// One that does not wait returns what [`Next::run`] gives it.
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

    /// Makes a namespace known; see [`Dispatcher::enforce_namespaces`].
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] when this is no namespace.
    pub fn register_namespace<N>(&self, namespace: N) -> Result<(), EventTypeError>
    where
        N: TryInto<Namespace, Error: Into<EventTypeError>>,
    {
        let namespace = namespace.try_into().map_err(Into::into)?;
        self.change(|registry| registry.namespaces.insert(namespace));
        Ok(())
    }

    /// From now on, refuses events of a namespace that is not registered: where they come in, and
    /// again before the handlers. Events without a namespace are always taken.
    pub fn enforce_namespaces(&self) {
        self.change(|registry| registry.enforces_namespaces = true);
    }

    /// Sends an event through filters, transformers and middleware to its handlers, and tells what
    /// became of it.
    ///
    /// Handlers are called one after another. One that fails or panics is reported in
    /// [`Dispatched::errors`], and the others are called all the same. A handler may dispatch other
    /// events, and wait for them.
    ///
    /// # Errors
    ///
    /// [`DispatchError`] says what kept the event from its handlers.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the handler that runs is dropped where it waits, and those after
    /// it are not called.
    pub async fn dispatch(&self, event: DomainEvent) -> Result<Dispatched, DispatchError> {
        let registry = Arc::clone(&self.registry.lock());
        dispatch(registry, event).await
    }

    /// A reference for handlers, filters and middleware that dispatch. A clone in there would keep
    /// the dispatcher alive, which keeps them alive.
    pub fn downgrade(&self) -> WeakDispatcher {
        WeakDispatcher { registry: Arc::downgrade(&self.registry) }
    }

    /// What `change` returns is dropped by the caller, when the lock is free: what is removed may
    /// own anything, a clone of the dispatcher included.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(Arc::make_mut(&mut self.registry.lock()))
    }
}

/// A [`Dispatcher`], as long as there is one.
#[derive(Clone, Debug)]
pub struct WeakDispatcher {
    registry: Weak<Mutex<Arc<Registry>>>,
}

impl WeakDispatcher {
    /// The dispatcher; none when its last clone was dropped.
    pub fn upgrade(&self) -> Option<Dispatcher> {
        Some(Dispatcher { registry: self.registry.upgrade()? })
    }
}
