//! The handle of an app.

use std::sync::Arc;

use sse_kit_event::{Audience, ConnectionId, Event, EventId, Topic, Topics};

use crate::backfill::Backfill;
use crate::builder::HubBuilder;
use crate::connection::Connection;
use crate::connection_watch::ConnectionWatch;
use crate::counters::Stats;
use crate::drain::Drain;
use crate::ending::{CloseReason, Goodbye};
use crate::entry::Entry;
use crate::hub_state::HubState;
use crate::log_status::{LogHealth, LogStats};
use crate::node::Node;
use crate::presence::PresenceWatch;
use crate::presence_by_key::PresenceByKey;
use crate::publish::Publish;
use crate::publish_error::{PublishError, SendError};
use crate::publisher::{PublishOptions, Publisher};
use crate::receipt::Receipt;
use crate::subscribe::SubscriptionBuilder;
use crate::tap::Tap;
use crate::topic_stats::{TopicPage, TopicStats};

/// The handle for publishing events and subscribing to topics. Cloning is cheap; all clones are the
/// same hub.
///
/// When the last clone is dropped, all subscriptions end.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::{Event, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::builder().history(200).build()?;
/// let news: Topic = "news".parse()?;
/// let receipt = hub.publish(&news, Event::new("It rains.")).await?;
/// assert_eq!(receipt.receivers, 0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    owner: Arc<Owner>,
}

/// The owner of a hub: dropping it ends the streams. Subscriptions keep the node alive, not the
/// owner.
#[derive(Debug)]
struct Owner {
    publisher: Publisher,
    backfill: Arc<Backfill>,
}

impl Owner {
    fn shut_down(&self, goodbye: Option<Goodbye>) {
        self.publisher.node.shut_down(goodbye);
        // Not under the lock of the state: the log's own lock comes before it.
        self.publisher.log.close();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shut_down(None);
    }
}

impl Hub {
    /// Creates a hub with the default settings and a log in memory.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime; [`HubBuilder::build`] returns an error instead.
    #[expect(clippy::new_without_default, reason = "it needs a runtime, which a default must not")]
    pub fn new() -> Self {
        Self::builder().build().expect("the defaults are right, within a Tokio runtime")
    }

    /// Returns a builder for a hub.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    pub(crate) fn with_parts(publisher: Publisher, backfill: Arc<Backfill>) -> Self {
        Self { owner: Arc::new(Owner { publisher, backfill }) }
    }

    /// Publishes an event to a topic, to several topics, or to everyone. Returns its id and the
    /// number of connections that receive it.
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
    /// It never waits for subscribers, only for broadcast hooks and for the log; the memory log
    /// does not make it wait. Events that are published one after another keep their order.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the event was not published; nothing is delivered then. If the error
    /// [is ambiguous](PublishError::is_ambiguous), the event may still be delivered.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the event may or may not be published.
    pub fn publish(
        &self,
        audience: impl Into<Audience>,
        event: Event,
    ) -> impl Future<Output = Result<Receipt, PublishError>> + Send {
        self.owner.publisher.publish(audience.into(), event, PublishOptions::default())
    }

    /// Publishes an event to every connection, independent of its topics.
    ///
    /// # Errors
    ///
    /// The same as [`Hub::publish`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Hub::publish`].
    pub async fn broadcast(&self, event: Event) -> Result<Receipt, PublishError> {
        self.publish(Audience::Everyone, event).await
    }

    /// Excludes connections, such as the one that caused the event, from a publish.
    ///
    /// Connections are excluded by id. A client that reconnects with a new random id counts as
    /// another connection and resumes with the events that it was excluded from, as far as history
    /// has them. To avoid that, give the client a stable id: render the page with
    /// [`ConnectionId::random`] in its connect URL, read it in the stream's handler, and pass it to
    /// [`SubscriptionBuilder::id`].
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

    /// Publishes only if the audience has no event newer than `newest`. With several writers, this
    /// keeps an older state from being published after a newer one.
    ///
    /// A writer takes the [cursor](Self::cursor), reads the state, and publishes with that cursor.
    /// On [`PublishError::Conflict`] it reads the state again.
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

    /// Sends a direct message to one connection. It has no id and is in no history, and it does not
    /// wait for published events that are still on their way to that connection.
    ///
    /// # Errors
    ///
    /// [`SendError`] if the connection is not open, if its queue is full, or if the event has a
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

    /// Starts building a subscription to topics and patterns; see [`SubscriptionBuilder`].
    pub fn subscribe(&self, topics: impl Into<Topics>) -> SubscriptionBuilder {
        SubscriptionBuilder::new(
            Arc::clone(self.node()),
            Arc::clone(&self.owner.backfill),
            topics.into(),
        )
    }

    /// Returns the position of the log: the id of the newest event.
    ///
    /// Take it **before** reading the state that a page shows, and let the page resume from it.
    /// Every later change is then on the stream, and nothing is lost.
    pub fn cursor(&self) -> EventId {
        self.node().state.lock().position
    }

    /// Returns the newest `limit` events of a topic in history, oldest first, as they were sent.
    pub fn history(&self, topic: &Topic, limit: usize) -> Vec<Arc<Entry>> {
        self.node().state.lock().newest_entries(&topic.into(), limit)
    }

    /// Returns the newest `limit` events for everyone in history, oldest first.
    pub fn broadcast_history(&self, limit: usize) -> Vec<Arc<Entry>> {
        self.node().state.lock().newest_entries(&Audience::Everyone, limit)
    }

    /// Returns the number of open connections.
    pub fn connection_count(&self) -> usize {
        self.node().state.lock().connections.len()
    }

    /// Returns the open connections in no particular order.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.node().state.lock().connections.values().cloned().collect()
    }

    /// Visits the open connections, a few hundred at a time, and yields in between. Publishers do
    /// not wait for it, while [`Hub::connections`] keeps them waiting until it has collected all.
    ///
    /// A connection that opens or closes meanwhile may be left out. One may be visited twice if
    /// another one closes.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, the remaining connections are not visited.
    pub async fn for_each_connection(&self, mut visit: impl FnMut(&Arc<Connection>)) {
        let everyone = self.node().state.lock().interests.everyone();
        for shard in &self.node().shards {
            let mut end = usize::MAX;
            while end > 0 {
                let batch;
                (batch, end) = shard.batch_before(everyone, end);
                batch.iter().for_each(&mut visit);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Returns a page of the topics that begin with `prefix` and have subscribers by name or a
    /// history, in alphabetical order. It examines at most `limit` topics after the topic `after`, or
    /// from the first one; continue after [`TopicPage::next`]. Topics that are idle are examined and
    /// left out, so a page may have fewer topics although there are more.
    ///
    /// It holds the lock that publishers need, so ask for a few hundred at a time. It matches no
    /// patterns: subscribers by pattern are counted by [`Hub::topic`].
    pub fn topics(&self, prefix: &str, after: Option<&Topic>, limit: usize) -> TopicPage {
        self.node().state.lock().topics(prefix, after, limit)
    }

    /// Returns the statistics of a topic; `None` if it has neither subscribers by name nor a history.
    ///
    /// It matches the topic against the patterns with its prefix, under the lock that publishers need.
    pub fn topic(&self, topic: &Topic) -> Option<TopicStats> {
        self.node().state.lock().topic(topic)
    }

    /// Watches the connections from now on: when one opens or closes, and when one gets a gap.
    pub fn watch_connections(&self) -> ConnectionWatch {
        self.node().watchers.watch()
    }

    /// Returns the open connection with this id.
    pub fn connection(&self, id: &ConnectionId) -> Option<Arc<Connection>> {
        self.node().state.lock().connections.get(id).cloned()
    }

    /// Ends a connection after its queued items. Returns `false` if it is not open.
    pub fn disconnect(&self, id: &ConnectionId) -> bool {
        self.end(id, None)
    }

    /// Ends a connection as [`Hub::disconnect`] does, and sends the client a goodbye: not to
    /// reconnect, such as when it lost access to its topics, or to reconnect.
    pub fn dismiss(&self, id: &ConnectionId, goodbye: Goodbye) -> bool {
        self.end(id, Some(goodbye))
    }

    fn end(&self, id: &ConnectionId, goodbye: Option<Goodbye>) -> bool {
        let Some(connection) = self.connection(id) else { return false };
        connection.queue.lock().end(CloseReason::Disconnected, goodbye);
        self.node().leave(&connection);
        true
    }

    /// Returns the connections that subscribe to a topic now, by name or by pattern. A person with
    /// three tabs counts as three connections.
    pub fn presence(&self, topic: &Topic) -> Vec<Arc<Connection>> {
        let mut state = self.node().state.lock();
        self.members(&mut state, topic)
    }

    /// Returns the connections that subscribe to a topic now, and watches for changes from then on.
    pub fn watch_presence(&self, topic: &Topic) -> PresenceWatch {
        let mut state = self.node().state.lock();
        let changes = state.watched.watch(topic);
        PresenceWatch { present: self.members(&mut state, topic), changes }
    }

    /// Counts the connections on any of these topics by a key, such as the user that the app has
    /// attached as [metadata](SubscriptionBuilder::metadata), so that a person with three tabs is
    /// one key. Connections without a key do not count; one on several of the topics counts once.
    ///
    /// The cost of a change is proportional to the number of connections on the topics.
    pub fn presence_by_key<K: Ord + Clone>(
        &self,
        topics: impl IntoIterator<Item = Topic>,
        key: impl Fn(&Connection) -> Option<K> + Send + Sync + 'static,
    ) -> PresenceByKey<K> {
        PresenceByKey::new(self.node(), topics.into_iter().collect(), Box::new(key))
    }

    /// Returns a tap, which reads everything that is published from now on.
    pub fn tap(&self) -> Tap {
        let state = self.node().state.lock();
        Tap::new(self.node().ring.new_receiver(), state.closed)
    }

    /// Returns current sizes and counters.
    pub fn stats(&self) -> Stats {
        self.node().stats()
    }

    /// Starts a shutdown in batches, so that clients do not reconnect to another node all at once.
    /// From now on subscribing fails; publishing still works and reaches the remaining connections.
    /// [`Hub::shut_down`] completes the shutdown.
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

    /// Shuts down: every subscription that is still read receives everything published before, then
    /// the goodbye, and ends. From now on publishing and subscribing fail. Further calls do
    /// nothing.
    pub fn shut_down(&self, goodbye: Goodbye) {
        self.owner.shut_down(Some(goodbye));
    }

    /// Waits until the log has written what was published before the shutdown, and has released its
    /// resources. Call it last, after [`Hub::shut_down`]; otherwise it may wait without an end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the log completes its work anyway, as long as the process runs.
    pub async fn log_closed(&self) {
        self.owner.publisher.log.closed().await;
    }

    /// Returns whether the log works. Streams stay open while it does not, so a node whose log is
    /// down need not be taken out of service.
    pub fn log_health(&self) -> LogHealth {
        self.owner.publisher.log.health()
    }

    /// Returns the counters of the log on this node.
    pub fn log_stats(&self) -> LogStats {
        self.owner.publisher.log.stats()
    }

    /// Returns `true` after a shutdown.
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
