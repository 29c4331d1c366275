//! The registry that apps hold.

use std::future;
use std::sync::Arc;

use futures_util::TryFutureExt;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sse_kit_htmx::Updates;

use crate::failure::{BoxError, Failure};
use crate::handler::{self, Handler, Input};
use crate::into_updates::IntoUpdates;
use crate::registry::Registry;
use crate::step::Step;
use crate::updated::{HandlerError, UpdateError, Updated};

/// Makes updates of the page from events. Cheap to clone; all clones are one.
///
/// An event goes through the preprocessors, then to the handlers of its type, then what they made
/// goes through the postprocessors. Handlers may be registered and cleared while events are on
/// their way: each event sees them as they were when it began.
///
/// See the [crate](crate) for an example.
#[derive(Clone, Debug, Default)]
pub struct ElementUpdater {
    registry: Arc<Mutex<Arc<Registry>>>,
}

impl ElementUpdater {
    /// An updater without handlers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes updates of events of a type, from their data as a `D`; [`Value`] takes any.
    ///
    /// The type is the full one, as `job:progress`, and no pattern. Where the data are no `D` the
    /// handler fails with [`Failure::Data`], and is not called.
    pub fn on<D, T>(&self, event_type: &str, handler: impl Fn(D) -> T + Send + Sync + 'static)
    where
        D: DeserializeOwned,
        T: IntoUpdates,
    {
        self.register(event_type, Handler::new(handler));
    }

    /// As [`ElementUpdater::on`], for a handler that waits.
    pub fn on_async<D, R>(&self, event_type: &str, handler: impl Fn(D) -> R + Send + Sync + 'static)
    where
        D: DeserializeOwned,
        R: Future<Output: IntoUpdates> + Send + 'static,
    {
        self.register(event_type, Handler::new_async(handler));
    }

    /// Registers a handler that was made before, such as one with a priority.
    pub fn register(&self, event_type: &str, handler: Handler) {
        self.change(|registry| registry.add(event_type, handler));
    }

    /// Makes updates of events that have no handler. It is given their type too. A second one takes
    /// the place of the first.
    pub fn fallback<T: IntoUpdates>(
        &self,
        handler: impl Fn(&str, &Value) -> T + Send + Sync + 'static,
    ) {
        self.set_fallback(move |(event_type, data): Input| {
            future::ready(handler::finish(handler(&event_type, &data)))
        });
    }

    /// As [`ElementUpdater::fallback`], for a handler that waits.
    pub fn fallback_async<R>(
        &self,
        handler: impl Fn(Arc<str>, Arc<Value>) -> R + Send + Sync + 'static,
    ) where
        R: Future<Output: IntoUpdates> + Send + 'static,
    {
        self.set_fallback(move |(event_type, data): Input| {
            let making = handler(event_type, data);
            async move { handler::finish(making.await) }
        });
    }

    /// Gives `step` the type and the data of every event first; the handlers get what it returns as
    /// the data. Steps run in order of registration.
    ///
    /// When one fails, the event comes to nothing: [`UpdateError::Preprocess`].
    pub fn preprocess<F>(&self, step: F)
    where
        F: Fn(&str, &Value) -> Result<Value, BoxError> + Send + Sync + 'static,
    {
        self.preprocess_async(move |event_type, data| future::ready(step(&event_type, &data)));
    }

    /// As [`ElementUpdater::preprocess`], for a step that waits.
    pub fn preprocess_async<F, R>(&self, step: F)
    where
        F: Fn(Arc<str>, Arc<Value>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, BoxError>> + Send + 'static,
    {
        let step = move |(event_type, data): Input| step(event_type, data).map_err(Failure::Error);
        self.change(|registry| registry.preprocessors.push(Step::new(step)));
    }

    /// Gives `step` what the handlers of an event made, all together; its answer takes their place.
    /// Steps run in order of registration, and not at all where nothing was made.
    ///
    /// When one fails, the event comes to nothing: [`UpdateError::Postprocess`].
    pub fn postprocess<F>(&self, step: F)
    where
        F: Fn(Updates) -> Result<Updates, BoxError> + Send + Sync + 'static,
    {
        self.postprocess_async(move |updates| future::ready(step(updates)));
    }

    /// As [`ElementUpdater::postprocess`], for a step that waits.
    pub fn postprocess_async<F, R>(&self, step: F)
    where
        F: Fn(Updates) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Updates, BoxError>> + Send + 'static,
    {
        let step = move |updates| step(updates).map_err(Failure::Error);
        self.change(|registry| registry.postprocessors.push(Step::new(step)));
    }

    /// The types that have a handler, in alphabetical order.
    pub fn event_types(&self) -> Vec<String> {
        self.snapshot().event_types().map(str::to_owned).collect()
    }

    /// Removes the handlers of a type; false when there were none. The empty type is a type like
    /// any other, and not all of them.
    pub fn clear(&self, event_type: &str) -> bool {
        !self.change(|registry| registry.clear(event_type)).is_empty()
    }

    /// Removes the handlers of all types. The fallback and the processors stay.
    pub fn clear_all(&self) {
        // Returned, so that it is dropped when the lock is free again.
        let _cleared = self.change(Registry::clear_all);
    }

    /// What an event of this type and data changes on the page: nothing, where it has no handler.
    ///
    /// # Errors
    ///
    /// [`UpdateError`] when a pre- or postprocessor fails. A handler that fails is no error here:
    /// it stands in [`Updated::errors`], and what the others made is not lost.
    ///
    /// # Cancel safety
    ///
    /// Handlers that have run have run; their updates are lost when the future is dropped.
    pub async fn update(&self, event_type: &str, data: &Value) -> Result<Updated, UpdateError> {
        let registry = self.snapshot();
        let event_type: Arc<str> = event_type.into();
        let mut data = Arc::new(data.clone());
        for (number, step) in (1..).zip(&registry.preprocessors) {
            let processed = step.run((Arc::clone(&event_type), data)).await;
            data = Arc::new(processed.map_err(|source| UpdateError::Preprocess {
                number,
                event_type: event_type.to_string(),
                source,
            })?);
        }

        let mut updated = Updated::default();
        for (number, handler) in (1..).zip(registry.handlers_of(&event_type)) {
            match handler.step.run((Arc::clone(&event_type), Arc::clone(&data))).await {
                Ok(updates) => updated.updates.extend(updates),
                Err(source) => {
                    let event_type = event_type.to_string();
                    updated.errors.push(HandlerError { event_type, number, source });
                }
            }
        }

        for (number, step) in (1..).zip(&registry.postprocessors) {
            if updated.updates.is_empty() {
                break;
            }
            let updates = std::mem::take(&mut updated.updates);
            updated.updates = match step.run(updates).await {
                Ok(updates) => updates,
                Err(source) => {
                    let (event_type, handlers) = (event_type.to_string(), updated.errors);
                    return Err(UpdateError::Postprocess { number, event_type, source, handlers });
                }
            };
        }
        Ok(updated)
    }

    fn set_fallback<R>(&self, fallback: impl Fn(Input) -> R + Send + Sync + 'static)
    where
        R: Future<Output = Result<Updates, Failure>> + Send + 'static,
    {
        let fallback = Handler::from_step(Step::new(fallback));
        // Returned, so that the one before is dropped when the lock is free again.
        let _before = self.change(|registry| registry.fallback.replace(fallback));
    }

    fn snapshot(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.lock())
    }

    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(Arc::make_mut(&mut self.registry.lock()))
    }
}
