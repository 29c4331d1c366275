//! The registry that apps hold.

use std::mem;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use sse_kit_dispatch::{
    Callback, CallbackReturn, DomainEvent, EventData, EventType, Handler, HandlerId, Handlers,
    Pattern,
};
use sse_kit_event::{TextError, TopicPattern};
use sse_kit_htmx::Updates;
use tracing::Instrument;

use crate::page_updates::PageUpdates;
use crate::registry::Registry;
use crate::updated::{UpdateError, Updated};

/// Makes updates of the page from events.
///
/// An event goes through the preprocessors, then to the handlers whose pattern matches its full type.
/// Their updates go through the postprocessors. Handlers may be registered and cleared at any time:
/// an update sees those that were registered when it began.
///
/// Every callback may return its value, a `Result` of it with any error, or a future of either: see
/// [`PageUpdates`]. Cheap to clone; all clones share their handlers. See the [crate](crate) for an example.
///
/// ```
/// use serde::Deserialize;
/// use serde_json::json;
/// use sse_kit_dispatch::DomainEvent;
/// use sse_kit_htmx::{ElementId, Html, Update};
/// use sse_kit_update::ElementUpdater;
///
/// #[derive(Deserialize)]
/// struct Job {
///     id: u64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let updater = ElementUpdater::new();
/// updater.on("job:*", |job: Job| {
///     Update::fill(ElementId::from_static("last"), &Html::text(job.id))
/// })?;
/// let updated = updater.update(DomainEvent::new("job:done", &json!({ "id": 17 }))?).await?;
/// assert_eq!(updated.updates.len(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ElementUpdater {
    registry: Arc<Mutex<Arc<Registry>>>,
}

impl ElementUpdater {
    /// Makes an updater without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes updates of the events of one type, which the type of their data says.
    pub fn on_event<E, R, K>(&self, handler: impl Fn(E) -> R + Send + Sync + 'static) -> HandlerId
    where
        E: EventData + DeserializeOwned,
        R: CallbackReturn<PageUpdates, K>,
    {
        let pattern = Pattern::Exact(EventType::of::<E>());
        self.change(|registry| registry.handlers.insert(pattern, Handler::typed(handler)))
    }

    /// Makes updates of the events whose full type the pattern matches, from their data as a `D`;
    /// `serde_json::Value` takes any.
    ///
    /// When the data do not fit the type, the handler is not called and fails with
    /// [`CallbackError::Data`](sse_kit_dispatch::CallbackError::Data).
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no pattern.
    pub fn on<P, D, R, K>(
        &self,
        pattern: P,
        handler: impl Fn(D) -> R + Send + Sync + 'static,
    ) -> Result<HandlerId, TextError>
    where
        P: TryInto<Pattern, Error: Into<TextError>>,
        D: DeserializeOwned,
        R: CallbackReturn<PageUpdates, K>,
    {
        self.register(pattern, Handler::typed(handler))
    }

    /// Registers a handler that was made before, such as one with a priority.
    ///
    /// # Errors
    ///
    /// [`TextError`] when this is no pattern.
    pub fn register<P>(
        &self,
        pattern: P,
        handler: Handler<PageUpdates>,
    ) -> Result<HandlerId, TextError>
    where
        P: TryInto<Pattern, Error: Into<TextError>>,
    {
        let pattern = pattern.try_into().map_err(Into::into)?;
        Ok(self.change(|registry| registry.handlers.insert(pattern, handler)))
    }

    /// Makes updates of events that have no handler. A second fallback replaces the first.
    pub fn fallback<R, K>(&self, handler: impl Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static)
    where
        R: CallbackReturn<PageUpdates, K>,
    {
        let mut fallback = Handlers::default();
        fallback.insert(TopicPattern::all().into(), Handler::new(handler));
        // Returned, so that the one before is dropped when the lock is free again.
        let _before = self.change(|registry| mem::replace(&mut registry.fallback, fallback));
    }

    /// Lets `preprocessor` change each event before the handlers see it. Preprocessors run in order of
    /// registration. When one fails, the event comes to nothing: [`UpdateError::Preprocess`].
    pub fn preprocess<R, K>(&self, preprocessor: impl Fn(DomainEvent) -> R + Send + Sync + 'static)
    where
        R: CallbackReturn<DomainEvent, K>,
    {
        self.change(|registry| registry.preprocessors.push(Callback::new(preprocessor)));
    }

    /// Lets `postprocessor` change what the handlers of an event made, all together. Postprocessors run
    /// in order of registration, and not at all when nothing was made. When one fails, the event comes
    /// to nothing: [`UpdateError::Postprocess`].
    pub fn postprocess<R, K>(&self, postprocessor: impl Fn(Updates) -> R + Send + Sync + 'static)
    where
        R: CallbackReturn<PageUpdates, K>,
    {
        self.change(|registry| registry.postprocessors.push(Callback::new(postprocessor)));
    }

    /// Returns the patterns that have a handler, in alphabetical order.
    pub fn patterns(&self) -> Vec<Pattern> {
        self.snapshot().handlers.patterns()
    }

    /// Removes one handler. Returns `false` when it is not registered.
    pub fn remove(&self, handler: &HandlerId) -> bool {
        self.change(|registry| registry.handlers.remove(handler)).is_some()
    }

    /// Removes the handlers of a pattern, and no others that it matches. Returns their number.
    pub fn clear(&self, pattern: &Pattern) -> usize {
        self.change(|registry| registry.handlers.clear(pattern)).len()
    }

    /// Removes all handlers. The fallback and the processors stay.
    pub fn clear_all(&self) {
        // Returned, so that they are dropped when the lock is free again.
        let _cleared = self.change(|registry| mem::take(&mut registry.handlers));
    }

    /// Makes the updates of an event: none when it has no handler.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] when a pre- or postprocessor fails. A handler that fails is logged and reported
    /// in [`Updated::errors`], and what the others made is not lost.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the handler that runs is dropped where it waits, and what the others
    /// made is lost.
    pub async fn update(&self, event: impl Into<Arc<DomainEvent>>) -> Result<Updated, UpdateError> {
        let event = event.into();
        let span = tracing::debug_span!("sse.update", event_type = %event.full_type());
        let registry = self.snapshot();
        if span.is_disabled() {
            return registry.update(event).await;
        }
        Box::pin(registry.update(event)).instrument(span).await
    }

    fn snapshot(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.lock())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(Arc::make_mut(&mut self.registry.lock()))
    }
}

impl Registry {
    async fn update(&self, event: Arc<DomainEvent>) -> Result<Updated, UpdateError> {
        let event = preprocess(self, event).await?;

        let mut called = self.handlers.call(&event).await;
        if called.results.is_empty() && called.errors.is_empty() {
            called = self.fallback.call(&event).await;
        }
        let mut updated = Updated {
            handlers: called.results.len() + called.errors.len(),
            errors: called.errors,
            ..Updated::default()
        };
        called.results.into_iter().for_each(|made| updated.updates.extend(made.value.0));

        postprocess(self, &event, updated).await
    }
}

async fn preprocess(
    registry: &Registry,
    event: Arc<DomainEvent>,
) -> Result<Arc<DomainEvent>, UpdateError> {
    if registry.preprocessors.is_empty() {
        return Ok(event);
    }
    let event_type = event.full_type().clone();
    let mut event = Arc::unwrap_or_clone(event);
    for (index, preprocessor) in registry.preprocessors.iter().enumerate() {
        event = preprocessor.call(event).await.map_err(|source| {
            let event_type = event_type.clone();
            UpdateError::Preprocess { index, event_type, source }
        })?;
    }
    Ok(Arc::new(event))
}

async fn postprocess(
    registry: &Registry,
    event: &DomainEvent,
    mut updated: Updated,
) -> Result<Updated, UpdateError> {
    for (index, postprocessor) in registry.postprocessors.iter().enumerate() {
        if updated.updates.is_empty() {
            break;
        }
        match postprocessor.call(mem::take(&mut updated.updates)).await {
            Ok(changes) => updated.updates = changes.0,
            Err(source) => {
                let (event_type, updated) = (event.full_type().clone(), Box::new(updated));
                return Err(UpdateError::Postprocess { index, event_type, source, updated });
            }
        }
    }
    Ok(updated)
}
