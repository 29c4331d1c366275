//! The kit: from an event of the app to every page that shows it.

mod change;
mod emitted;
mod pipeline;
mod run_to_end;
mod stats;
mod turn;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use sse_kit_broadcast::{ConnectionId, Hub};
use sse_kit_dispatch::{
    Callback, CallbackReturn, Dispatcher, DomainEvent, EventData, HandlerId, IntoDomainEvent,
};
use sse_kit_event::{Audience, EventId, IdempotencyKey, Topic};
use sse_kit_htmx::MessageFormat;
use sse_kit_update::{ElementUpdater, PageUpdates};
use tokio::sync::RwLock;

pub use change::{Change, IntoChange};
pub use emitted::{ChangeError, EmitError, EmitErrorKind, Emitted};
use pipeline::{Outgoing, Pipeline};
pub use stats::KitStats;
use turn::{Shared, Turn};

/// Dispatcher, updater and hub behind one `emit`, and optionally the state of the app.
///
/// An event that is emitted goes to its handlers, becomes updates of the page, and is published as one
/// message. Cheap to clone; all clones share their handlers and their state. The settings
/// ([`message_format`](Self::message_format), [`topic`](Self::topic),
/// [`on_handler_failure`](Self::on_handler_failure), [`on_unhandled`](Self::on_unhandled)) are those of
/// one value: a clone takes them along, and a kit that was cloned before keeps its own. So set them
/// before the first clone.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_kit::htmx::{Html, Update};
/// use sse_kit::{BoxError, EventData, Hub, SseKit};
///
/// #[derive(Serialize, Deserialize)]
/// struct Counted {
///     count: u64,
/// }
///
/// impl EventData for Counted {
///     const TYPE: &'static str = "count:changed";
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let kit = SseKit::with_state(Hub::new(), 0_u64);
/// kit.on(|event: Counted| -> Result<_, BoxError> {
///     Ok(Update::fill("count".parse()?, &Html::text(event.count))?)
/// });
///
/// let page = kit.hub().subscribe(Counted::topic()).open()?;
/// kit.change(|count| {
///     *count += 1;
///     Counted { count: *count }
/// })
/// .await?;
///
/// // A page that shows 1, and resumes from this cursor, misses nothing and gets nothing twice.
/// let (count, cursor) = kit.read(|count| *count).await;
/// assert_eq!((count, cursor), (1, kit.hub().cursor()));
/// # Ok(()) }
/// ```
///
/// # What happens to failures
///
/// Nothing fails in silence. Each failure is logged once, with its causes, by the crate `tracing`: as an
/// error, or at the level debug when the hub has shut down. And it is an error of `emit` and `change`:
///
/// | what failed | the pages | unless |
/// |---|---|---|
/// | a handler fails, panics, or its data do not fit | get what the other handlers made | [`on_handler_failure`](Self::on_handler_failure) is [`OnFailure::Log`] |
/// | the event has no handler at all | get nothing | [`on_unhandled`](Self::on_unhandled) is [`OnFailure::Log`] |
/// | a filter, a transformer, a processor, the topic, the publish | get nothing | – |
/// | the log does not confirm the publish ([`EmitError::is_ambiguous`]) | may get it all the same | – |
pub struct SseKit<S = ()> {
    pipeline: Pipeline,
    state: Arc<RwLock<Shared<S>>>,
}

/// The consequence of a failure that does not keep an event from the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFailure {
    /// The failure is logged, and the emitting call returns an error.
    #[default]
    Fail,
    /// The failure is logged.
    Log,
}

impl SseKit {
    /// Makes a kit without state that publishes through `hub`, for pages of htmx 4, each event to the
    /// topic with the name of its full type.
    pub fn new(hub: Hub) -> Self {
        Self::with_state(hub, ())
    }
}

impl<S: Send + Sync + 'static> SseKit<S> {
    /// Makes a kit that holds the state that pages show: see [`SseKit::change`] and [`SseKit::read`].
    pub fn with_state(hub: Hub, state: S) -> Self {
        let state = Arc::new(RwLock::new(Shared::new(state)));
        Self { pipeline: Pipeline::new(hub), state }
    }

    /// Sets the htmx of the pages, by a [`Dialect`](crate::htmx::Dialect), or by
    /// [`MessageFormat::Both`].
    pub fn message_format(mut self, format: impl Into<MessageFormat>) -> Self {
        self.pipeline.format = format.into();
        self
    }

    /// Sets the function that chooses the topic of an event, as the event is after transformers and
    /// middleware. It may fail with any error.
    pub fn topic<R, K>(
        mut self,
        topic: impl Fn(Arc<DomainEvent>) -> R + Send + Sync + 'static,
    ) -> Self
    where
        R: CallbackReturn<Topic, K>,
    {
        self.pipeline.topic = Some(Callback::new(topic));
        self
    }

    /// Sets whether handlers that fail are an error of `emit` and `change`. Default:
    /// [`OnFailure::Fail`].
    pub fn on_handler_failure(mut self, on_failure: OnFailure) -> Self {
        self.pipeline.on_handler_failure = on_failure;
        self
    }

    /// Sets whether an event is an error that no handler of the dispatcher and none of the updater
    /// takes. Default: [`OnFailure::Fail`], as such an event has a wrong type, or its handler was
    /// forgotten.
    pub fn on_unhandled(mut self, on_failure: OnFailure) -> Self {
        self.pipeline.on_unhandled = on_failure;
        self
    }

    /// Makes updates of the pages from events of one type. Patterns and priorities are the
    /// [`updater`](Self::updater)'s.
    pub fn on<E, R, K>(&self, handler: impl Fn(E) -> R + Send + Sync + 'static) -> HandlerId
    where
        E: EventData + DeserializeOwned,
        R: CallbackReturn<PageUpdates, K>,
    {
        self.updater().on_event(handler)
    }

    /// Returns the dispatcher, to register handlers, filters, transformers and middleware.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.pipeline.dispatcher
    }

    /// Returns the updater, to register what an event changes on the page.
    pub fn updater(&self) -> &ElementUpdater {
        &self.pipeline.updater
    }

    /// Returns the statistics of the kit; those of its hub are [`Hub::stats`].
    pub fn stats(&self) -> KitStats {
        self.pipeline.counters.snapshot()
    }

    /// Returns the hub, to subscribe, and to publish what the kit does not, such as events with a name.
    pub fn hub(&self) -> &Hub {
        &self.pipeline.hub
    }

    /// Sends an event all the way, and returns what came of it.
    ///
    /// Events that are emitted one after another come to the pages in that order. An event that a
    /// filter or a middleware stops changes no page.
    ///
    /// # Errors
    ///
    /// [`EmitError`] when the event did not reach the pages, when one of its handlers failed, and when
    /// it has none. See [above](Self#what-happens-to-failures).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, some handlers may have run, and the message may
    /// or may not be published.
    pub async fn emit(&self, event: impl IntoDomainEvent) -> Result<Emitted, EmitError> {
        self.pipeline.emit(Outgoing::new(event)).await
    }

    /// Emits an event to this topic, these topics or everyone, whatever [`SseKit::topic`] would choose.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::emit`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::emit`].
    pub async fn emit_to(
        &self,
        audience: impl Into<Audience>,
        event: impl IntoDomainEvent,
    ) -> Result<Emitted, EmitError> {
        self.pipeline.emit(Outgoing::new(event).to(audience)).await
    }

    /// Emits an event as [`SseKit::emit`] does, and publishes its message under an idempotency key. So an
    /// emit that failed may be tried again, also when it is not known whether the message was published:
    /// see [`EmitError::is_ambiguous`].
    ///
    /// The handlers run again each time. They must make the same message; another one is
    /// [`PublishError::KeyReused`](sse_kit_broadcast::PublishError::KeyReused). The hub knows the key for
    /// the topic of the event.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::emit`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::emit`].
    pub async fn emit_once(
        &self,
        key: IdempotencyKey,
        event: impl IntoDomainEvent,
    ) -> Result<Emitted, EmitError> {
        self.pipeline.emit(Outgoing::new(event).once(key)).await
    }

    /// Leaves out these connections, such as that of the page that caused an event and has its answer
    /// already. See [`Hub::except`].
    pub fn except(&self, connections: impl IntoIterator<Item = ConnectionId>) -> Except<'_, S> {
        Except { kit: self, connections: connections.into_iter().collect() }
    }

    /// Changes the state, and emits what happened by it.
    ///
    /// `change` runs under the lock of the state, and returns [what it emits](IntoChange): an event,
    /// several, none, or a [`Change`] that has a value too. The lock is kept until all of it is
    /// published. So events come to the pages in the order in which the state changed, and
    /// [`SseKit::read`] sees both or neither. The app needs no lock of its own.
    ///
    /// When `change` returns an `Err`, nothing is emitted. The state is as `change` left it, so decide
    /// first and change then. The same holds for a panic.
    ///
    /// The handlers of the events run under the lock. A slow handler, such as one that sends mail, must
    /// spawn a task: otherwise all other changes and pages wait for it. A handler may read and change the state
    /// too: its change joins this one, its events follow, and the call returns before they are emitted. At
    /// most 1,000 changes may join. A *task* that a handler spawns and waits for is not recognised, and
    /// waits forever.
    ///
    /// The lock is kept while the log works on its answers as well. Each log has a bound for that, such as
    /// the `append_deadline` of logs in files (10 s by default) and in Redis (3 s); a change that emits
    /// several events may wait that long for each. So a log that hangs makes other changes and pages
    /// late, and stops them no longer than its bound.
    ///
    /// A handler may change another kit too. When handlers of a kit A change a kit B, and handlers of B
    /// change A, two changes that begin at the same time wait for each other forever: each has one lock,
    /// and waits for the other. Let changes go in one direction, or put both states into one kit.
    ///
    /// # Errors
    ///
    /// [`ChangeError`] holds the value of the change: the state has changed, but at least one event did
    /// not come through in full. The events after it are emitted all the same. Pages that are loaded from
    /// now on are right.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped while it waits for the lock, nothing has happened. When it is dropped
    /// after that, a task emits the events to the end, in order, while the lock is kept. It needs the
    /// Tokio runtime in which the future was polled.
    pub async fn change<C, K>(
        &self,
        change: impl FnOnce(&mut S) -> C,
    ) -> Result<C::Value, ChangeError<C::Value>>
    where
        C: IntoChange<K>,
    {
        Turn::take(&self.state, &self.pipeline, Vec::new(), change).await
    }

    /// Reads the state, and returns what `read` made of it with the cursor of the same moment.
    ///
    /// A page that is rendered from the value, and whose stream resumes from the cursor, misses no change
    /// and gets none twice. Readers do not wait for each other, but for the change that is being
    /// emitted.
    ///
    /// With a log that several nodes share, the state of each node is its own: the promise holds for the
    /// changes of this kit.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn read<R>(&self, read: impl FnOnce(&S) -> R) -> (R, EventId) {
        turn::read(&self.state, self.hub(), read).await
    }
}

/// A kit that leaves out some connections; see [`SseKit::except`].
#[derive(Debug)]
#[must_use = "nothing is emitted before `emit`, `emit_to` or `change` is called"]
pub struct Except<'a, S = ()> {
    kit: &'a SseKit<S>,
    connections: Vec<ConnectionId>,
}

impl<S: Send + Sync + 'static> Except<'_, S> {
    /// Emits an event as [`SseKit::emit`] does, but not to these connections.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::emit`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::emit`].
    pub async fn emit(self, event: impl IntoDomainEvent) -> Result<Emitted, EmitError> {
        self.kit.pipeline.emit(Outgoing::new(event).except(&self.connections)).await
    }

    /// Emits an event as [`SseKit::emit_once`] does, but not to these connections.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::emit`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::emit`].
    pub async fn emit_once(
        self,
        key: IdempotencyKey,
        event: impl IntoDomainEvent,
    ) -> Result<Emitted, EmitError> {
        self.kit.pipeline.emit(Outgoing::new(event).once(key).except(&self.connections)).await
    }

    /// Emits an event as [`SseKit::emit_to`] does, but not to these connections.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::emit`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::emit`].
    pub async fn emit_to(
        self,
        audience: impl Into<Audience>,
        event: impl IntoDomainEvent,
    ) -> Result<Emitted, EmitError> {
        let outgoing = Outgoing::new(event).to(audience).except(&self.connections);
        self.kit.pipeline.emit(outgoing).await
    }

    /// Changes the state as [`SseKit::change`] does, and leaves these connections out of all of its
    /// events.
    ///
    /// # Errors
    ///
    /// The same as [`SseKit::change`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`SseKit::change`].
    pub async fn change<C, K>(
        self,
        change: impl FnOnce(&mut S) -> C,
    ) -> Result<C::Value, ChangeError<C::Value>>
    where
        C: IntoChange<K>,
    {
        Turn::take(&self.kit.state, &self.kit.pipeline, self.connections, change).await
    }
}

impl<S> Clone for SseKit<S> {
    fn clone(&self) -> Self {
        Self { pipeline: self.pipeline.clone(), state: Arc::clone(&self.state) }
    }
}

impl<S> fmt::Debug for SseKit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SseKit").field(&self.pipeline).finish()
    }
}
