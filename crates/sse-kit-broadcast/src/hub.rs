//! The handle that apps hold.

use std::sync::Arc;

use sse_kit_event::{Audience, ConnectionId, Event, EventId, Topic, Topics};

use crate::backfill::Backfill;
use crate::builder::HubBuilder;
use crate::connection::Connection;
use crate::counters::Stats;
use crate::drain::Drain;
use crate::ending::{CloseReason, Goodbye};
use crate::entry::Entry;
use crate::hub_state::HubState;
use crate::node::Node;
use crate::presence::PresenceWatch;
use crate::publish::Publish;
use crate::publish_error::{PublishError, SendError};
use crate::publisher::{PublishOptions, Publisher};
use crate::receipt::Receipt;
use crate::subscribe::SubscriptionBuilder;
use crate::tap::Tap;

/// Publishes events to all who subscribe to their topic. Cheap to clone; all clones are one.
///
/// When the last clone is dropped, all subscriptions end.
#[derive(Clone, Debug)]
pub struct Hub {
    owner: Arc<Owner>,
}

/// Ends the streams when the last handle goes; subscriptions hold on to the node, not to this.
#[derive(Debug)]
struct Owner {
    publisher: Publisher,
    backfill: Arc<Backfill>,
}

impl Owner {
    fn shut_down(&self, goodbye: Option<Goodbye>) {
        self.publisher.node.shut_down(goodbye);
        // Without the lock of the state: the log's own comes before it.
        self.publisher.log.close();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shut_down(None);
    }
}

impl Hub {
    /// A hub with the default settings, in the memory of this process.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime; [`HubBuilder::build`] returns an error instead.
    #[expect(clippy::new_without_default, reason = "it needs a runtime, which a default must not")]
    pub fn new() -> Self {
        Self::builder().build().expect("the defaults are right, within a Tokio runtime")
    }

    /// Settings for a hub.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    pub(crate) fn with_parts(publisher: Publisher, backfill: Arc<Backfill>) -> Self {
        Self { owner: Arc::new(Owner { publisher, backfill }) }
    }

    /// Publishes an event to a topic, to several topics, or to everyone, and returns its id and how
    /// many connections it was handed to.
    ///
    /// ```
    /// # use sse_kit_broadcast::Hub;
    /// # use sse_kit_event::{Audience, Event, Topic};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let (room, user): (Topic, Topic) = ("rooms:1".parse()?, "users:17".parse()?);
    /// hub.publish(&room, Event::new("to the room")).await?;
    /// // One event with one id: a subscriber of both topics gets it once.
    /// hub.publish(Audience::several([room, user])?, Event::new("to both")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It never waits for a subscriber, only for broadcast hooks and for the log; the memory log
    /// does not make it wait. Events that are published one after another keep their order.
    ///
    /// # Errors
    ///
    /// [`PublishError`] says why the event is not in the log. Nothing is delivered then.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the event may or may not be published.
    pub async fn publish(
        &self,
        audience: impl Into<Audience>,
        event: Event,
    ) -> Result<Receipt, PublishError> {
        self.owner.publisher.publish(audience.into(), event, PublishOptions::default()).await
    }

    /// Publishes an event to every connection, whatever its topics.
    ///
    /// # Errors
    ///
    /// As [`Hub::publish`], whose cancel safety holds here too.
    pub async fn broadcast(&self, event: Event) -> Result<Receipt, PublishError> {
        self.publish(Audience::Everyone, event).await
    }

    /// Leaves out these connections, such as the one that caused the event.
    ///
    /// They are left out by their ids. A client that comes back with a random id is another one, and
    /// resumes with what it was left out of, as far as that is in history. Where that matters, give
    /// it an id that it keeps: a page is rendered with [`ConnectionId::random`] in its connect URL,
    /// and the handler of the stream reads it from there and passes it to [`SubscriptionBuilder::id`].
    ///
    /// ```
    /// # use sse_kit_broadcast::{Hub, PublishError};
    /// # use sse_kit_event::{Event, Topic};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let room: Topic = "rooms:1".parse()?;
    /// let sender = hub.subscribe(&room).open()?;
    /// let receipt = hub.except([sender.connection().id().clone()])
    ///     .publish(&room, Event::new("to the others"))
    ///     .await?;
    /// assert_eq!(receipt.receivers, 0);
    /// # Ok(()) }
    /// ```
    pub fn except(&self, connections: impl IntoIterator<Item = ConnectionId>) -> Publish<'_> {
        Publish::new(self).except(connections)
    }

    /// Publishes only if `newest` is still the newest event for the audience, or newer than that: so
    /// that of several writers none publishes an older state after a newer one.
    ///
    /// A writer takes the [cursor](Self::cursor), reads the state, and publishes with it. On
    /// [`PublishError::Conflict`] it reads the state again.
    ///
    /// ```
    /// # use sse_kit_broadcast::{Hub, PublishError};
    /// # use sse_kit_event::{Event, Topic};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let price: Topic = "price".parse()?;
    /// let read_at = hub.cursor();
    /// hub.publish(&price, Event::new("12")).await?; // another writer
    /// let late = hub.if_newest(read_at).publish(&price, Event::new("11")).await;
    /// assert!(matches!(late, Err(PublishError::Conflict { .. })));
    /// # Ok(()) }
    /// ```
    pub fn if_newest(&self, newest: EventId) -> Publish<'_> {
        Publish::new(self).if_newest(newest)
    }

    /// Sends an event to one connection alone. It has no id and is in no history, and it does not
    /// wait for published events that are still on their way to that connection.
    ///
    /// # Errors
    ///
    /// [`SendError`] when the connection is not there, its queue is full, or the event has a
    /// reserved name or an id.
    pub fn send_to(&self, connection: &ConnectionId, event: &Event) -> Result<(), SendError> {
        if event.name().is_some_and(sse_kit_event::EventName::is_control) {
            return Err(SendError::Reserved);
        }
        if event.id().is_some() {
            return Err(SendError::HasId);
        }
        let connection = self.connection(connection).ok_or(SendError::NotConnected)?;
        let mut queue = connection.queue.lock();
        if queue.is_ending() {
            return Err(SendError::NotConnected);
        }
        if !queue.offer_direct(event.encode().finish(None)) {
            return Err(SendError::QueueFull);
        }
        self.node().counters.sent_direct.add(1);
        Ok(())
    }

    /// Begins a subscription to topics and patterns; see [`SubscriptionBuilder`].
    pub fn subscribe(&self, topics: impl Into<Topics>) -> SubscriptionBuilder {
        SubscriptionBuilder::new(
            Arc::clone(self.node()),
            Arc::clone(&self.owner.backfill),
            topics.into(),
        )
    }

    /// The position of the log: the id of the newest event.
    ///
    /// Take it **before** reading the state that a page is to show, and let the page resume from
    /// it: then whatever changes in between is on the stream, and nothing is lost.
    pub fn cursor(&self) -> EventId {
        self.node().state.lock().position
    }

    /// The newest `limit` events of a topic that history still has, oldest first, as they were sent.
    pub fn history(&self, topic: &Topic, limit: usize) -> Vec<Arc<Entry>> {
        self.node().state.lock().newest_entries(&topic.into(), limit)
    }

    /// As [`Hub::history`], of what went to everybody.
    pub fn broadcast_history(&self, limit: usize) -> Vec<Arc<Entry>> {
        self.node().state.lock().newest_entries(&Audience::Everyone, limit)
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        self.node().state.lock().connections.len()
    }

    /// The open connections, in no order.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.node().state.lock().connections.values().cloned().collect()
    }

    /// The open connection with this id.
    pub fn connection(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.node().state.lock().connections.get(id).cloned()
    }

    /// Ends a connection, after what is queued for it; false when it is not there.
    pub fn disconnect(&self, id: &ConnectionId) -> bool {
        self.end(id, None)
    }

    /// As [`Hub::disconnect`], and tells the client why: to stay away, as when it may not
    /// see its topics any longer, or to come back.
    pub fn dismiss(&self, id: &ConnectionId, goodbye: Goodbye) -> bool {
        self.end(id, Some(goodbye))
    }

    fn end(&self, id: &ConnectionId, goodbye: Option<Goodbye>) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        connection.queue.lock().end(CloseReason::Disconnected, goodbye);
        self.node().leave(&connection);
        true
    }

    /// Who subscribes to a topic now, by pattern or by name. Somebody with three tabs is three
    /// connections.
    pub fn presence(&self, topic: &Topic) -> Vec<Arc<Connection>> {
        let mut state = self.node().state.lock();
        self.members(&mut state, topic)
    }

    /// Who subscribes to a topic now, and who comes and goes from then on.
    pub fn watch_presence(&self, topic: &Topic) -> PresenceWatch {
        let mut state = self.node().state.lock();
        let changes = state.watched.watch(topic);
        PresenceWatch { present: self.members(&mut state, topic), changes }
    }

    /// Reads everything that is published from now on.
    pub fn tap(&self) -> Tap {
        let state = self.node().state.lock();
        Tap::new(self.node().ring.new_receiver(), state.closed)
    }

    /// What it holds, and what has happened so far.
    pub fn stats(&self) -> Stats {
        self.node().stats()
    }

    /// Begins to shut down in portions, so that a great many clients do not come back elsewhere all
    /// at once. From now on subscribing fails; publishing does not, and reaches those who are still
    /// there. [`Hub::shut_down`] ends it.
    ///
    /// ```
    /// use sse_kit_broadcast::{Hub, Goodbye};
    /// # use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let hub = Hub::new();
    /// let goodbye = Goodbye::ComeBack { within: Duration::from_secs(5) };
    /// let mut drain = hub.drain();
    /// while drain.remaining() > 0 {
    ///     drain.end(100, goodbye);
    ///     tokio::time::sleep(Duration::from_millis(100)).await;
    /// }
    /// hub.shut_down(goodbye);
    /// # }
    /// ```
    pub fn drain(&self) -> Drain {
        Drain::new(self.node())
    }

    /// Shuts down: what was published before still reaches every subscription that takes it, then
    /// each gets the goodbye and ends. From now on publishing and subscribing fail. The second time
    /// nothing happens.
    pub fn shut_down(&self, goodbye: Goodbye) {
        self.owner.shut_down(Some(goodbye));
    }

    /// Whether it has shut down.
    pub fn is_shut_down(&self) -> bool {
        self.node().state.lock().closed
    }

    fn members(&self, state: &mut HubState, topic: &Topic) -> Vec<Arc<Connection>> {
        let (lists, _) = state.lists_for(&topic.into());
        self.node().shards.iter().flat_map(|shard| shard.members(&lists)).collect()
    }

    pub(crate) fn publisher(&self) -> &Publisher {
        &self.owner.publisher
    }

    fn node(&self) -> &Arc<Node> {
        &self.owner.publisher.node
    }
}
