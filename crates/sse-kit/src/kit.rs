//! From what has happened to every page that shows it.

use std::fmt;
use std::sync::Arc;

use sse_kit_broadcast::{ConnectionId, Hub, PublishError, Receipt};
use sse_kit_dispatch::{DispatchError, Dispatched, Dispatcher, DomainEvent, Ending, EventType};
use sse_kit_event::{Topic, TopicError};
use sse_kit_htmx::{MessageFormat, UpdatesError};
use sse_kit_update::{ElementUpdater, UpdateError, Updated, message};

/// Dispatcher, updater and hub, one after another: an event that is emitted goes to its
/// handlers, becomes updates of the page, and is published as one message.
///
/// Cheap to clone; all clones are one.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_kit::htmx::{Html, Update};
/// use sse_kit::{Hub, DomainEvent, SseKit};
///
/// #[derive(Serialize, Deserialize)]
/// struct Progress {
///     percent: u8,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kit = SseKit::new(Hub::new());
/// kit.dispatcher().on("job:**", |event| println!("{event:?}"))?;
/// kit.updater().on("job:progress", |progress: Progress| {
///     Ok(Update::fill("percent".parse()?, &Html::text(progress.percent))?)
/// });
///
/// let page = kit.hub().subscribe("job:progress".parse::<sse_kit::event::Topic>()?).open()?;
/// let emitted = kit.emit(DomainEvent::new("job:progress", &Progress { percent: 40 })?).await?;
/// assert_eq!(emitted.updated.updates.len(), 1);
/// assert_eq!(emitted.receipt.map(|receipt| receipt.receivers), Some(1));
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct SseKit {
    hub: Hub,
    dispatcher: Dispatcher,
    updater: ElementUpdater,
    shape: MessageFormat,
    topic: Arc<TopicOf>,
}

type TopicOf = dyn Fn(&DomainEvent) -> Result<Topic, TopicError> + Send + Sync;

impl SseKit {
    /// Publishes through this hub, for pages of htmx 4, each event to the topic that its
    /// full type names.
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            dispatcher: Dispatcher::new(),
            updater: ElementUpdater::new(),
            shape: MessageFormat::default(),
            topic: Arc::new(|event| Topic::new(event.full_type().as_str())),
        }
    }

    /// Says which htmx the pages have, by a [`Dialect`](crate::htmx::Dialect), or by
    /// [`MessageFormat::Both`].
    pub fn message_format(self, shape: impl Into<MessageFormat>) -> Self {
        Self { shape: shape.into(), ..self }
    }

    /// Says which topic an event is published to, as it is after transformers and middleware.
    pub fn topic(
        self,
        topic: impl Fn(&DomainEvent) -> Result<Topic, TopicError> + Send + Sync + 'static,
    ) -> Self {
        Self { topic: Arc::new(topic), ..self }
    }

    /// Where handlers, filters, transformers and middleware are registered.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.dispatcher
    }

    /// Where it is registered what an event changes on the page.
    pub fn updater(&self) -> &ElementUpdater {
        &self.updater
    }

    /// Where pages subscribe.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Sends an event all the way, and tells what came of it.
    ///
    /// Events that are emitted one after another come to the pages in that order. An event that a
    /// filter or a middleware stops changes no page.
    ///
    /// # Errors
    ///
    /// [`EmitError`] when the event did not reach the pages. A handler that fails is no error here:
    /// it is in [`Emitted`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, some handlers may have run, and the message may
    /// or may not be published.
    pub async fn emit(&self, event: DomainEvent) -> Result<Emitted, EmitError> {
        self.emit_except(event, &[]).await
    }

    /// As [`SseKit::emit`], but not to the pages of these connections, such as the one that caused the
    /// event.
    ///
    /// # Errors
    ///
    /// As [`SseKit::emit`], whose cancel safety holds here too.
    pub async fn emit_except(
        &self,
        event: DomainEvent,
        except: &[ConnectionId],
    ) -> Result<Emitted, EmitError> {
        let event_type = event.full_type().clone();
        let fail = |source: EmitFailure| EmitError { event_type, source, dispatched: None };
        let dispatched =
            self.dispatcher.dispatch(event).await.map_err(|error| fail(error.into()))?;
        if dispatched.ending != Ending::Handled {
            return Ok(Emitted { dispatched, updated: Updated::default(), receipt: None });
        }
        match self.update_pages(&dispatched.event, except).await {
            Ok((updated, receipt)) => Ok(Emitted { dispatched, updated, receipt }),
            Err(source) => Err(EmitError {
                event_type: dispatched.event.full_type().clone(),
                source,
                dispatched: Some(Box::new(dispatched)),
            }),
        }
    }

    async fn update_pages(
        &self,
        event: &DomainEvent,
        except: &[ConnectionId],
    ) -> Result<(Updated, Option<Receipt>), EmitFailure> {
        let updated = self.updater.update(event.full_type().as_str(), event.data()).await?;
        let Some(message) = message(&updated.updates, self.shape)? else {
            return Ok((updated, None));
        };
        let topic = (self.topic)(event)?;
        let hub = self.hub.except(except.iter().cloned());
        let receipt = hub.publish(&topic, message).await?;
        Ok((updated, Some(receipt)))
    }
}

impl fmt::Debug for SseKit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseKit")
            .field("dispatcher", &self.dispatcher)
            .field("updater", &self.updater)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// What came of an event.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the errors of handlers are in it"]
pub struct Emitted {
    /// What the dispatcher's handlers returned, and how they failed.
    pub dispatched: Dispatched,
    /// What changes on the pages, and how the updater's handlers failed.
    pub updated: Updated,
    /// The id of the message, and to how many connections it was handed; none when nothing changes.
    pub receipt: Option<Receipt>,
}

impl Emitted {
    /// All errors of handlers, the dispatcher's first.
    pub fn errors(&self) -> impl Iterator<Item = &(dyn std::error::Error + Send + Sync + 'static)> {
        let dispatched = self.dispatched.errors.iter().map(|error| error as _);
        dispatched.chain(self.updated.errors.iter().map(|error| error as _))
    }
}

/// An event did not reach the pages.
#[derive(Debug, thiserror::Error)]
#[error("`{event_type}` did not reach the pages")]
#[non_exhaustive]
pub struct EmitError {
    /// The full type of the event.
    pub event_type: EventType,
    /// Where it failed.
    pub source: EmitFailure,
    /// What its handlers did before that, if it came to them.
    pub dispatched: Option<Box<Dispatched>>,
}

/// Where an event failed on its way to the pages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmitFailure {
    /// It did not come to its handlers.
    #[error(transparent)]
    Dispatch(#[from] DispatchError),
    /// No updates came of it.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// The pages' htmx cannot make the updates.
    #[error(transparent)]
    Message(#[from] UpdatesError),
    /// It names no topic.
    #[error("there is no topic for it")]
    Topic(#[from] TopicError),
    /// The message was not published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}
