//! Opening a subscription.

use std::any::Any;
use std::collections::HashSet;
use std::mem;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{ConnectionId, EventId, LastEventId, RandomError, Topics};
use tokio::time::Instant;

use crate::backfill::{Backfill, BackfillRequest};
use crate::client_key::ClientKey;
use crate::connection::{Connection, Metadata};
use crate::lifecycle::Lifecycle;
use crate::lineage::Lineage;
use crate::node::Node;
use crate::opening::{Opening, Wanted};
use crate::pending_subscription::{MissingRange, PendingSubscription};
use crate::queue::Queue;
use crate::queue_limits::QueueLimits;
use crate::slow_consumer::SlowConsumer;
use crate::start::Start;
use crate::subscription::{Place, Subscription};
use crate::tracing_links::StreamSpan;

/// A builder for a subscription: see [`Hub::subscribe`](crate::Hub::subscribe).
#[derive(Debug)]
#[must_use = "nothing is subscribed to before `open` is called"]
pub struct SubscriptionBuilder {
    node: Arc<Node>,
    backfill: Arc<Backfill>,
    topics: Topics,
    id: Option<ConnectionId>,
    metadata: Metadata,
    resume: Option<LastEventId>,
    start: Start,
    policy: SlowConsumer,
    limits: QueueLimits,
    client: Option<ClientKey>,
}

impl SubscriptionBuilder {
    pub(crate) fn new(node: Arc<Node>, backfill: Arc<Backfill>, topics: Topics) -> Self {
        let limits = node.queue_limits;
        Self {
            node,
            backfill,
            topics,
            id: None,
            metadata: Metadata::default(),
            resume: None,
            start: Start::Now,
            policy: SlowConsumer::default(),
            limits,
            client: None,
        }
    }

    /// Sets the id of the connection, for direct messages and for excluding it from a publish.
    /// Default: a random id. An open connection with the same id ends.
    pub fn id(self, id: ConnectionId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Attaches a value to the connection, for hooks and presence, such as the user that it
    /// belongs to. [`Connection::metadata`](crate::Connection::metadata) returns it by its type.
    pub fn metadata(self, metadata: impl Any + Send + Sync) -> Self {
        Self { metadata: Metadata::new(metadata), ..self }
    }

    /// Starts after the last event that the client saw, instead of now.
    ///
    /// If later events are no longer available, or if the id is not one of this log or of its
    /// [lineage](crate::Lineage), the subscription starts with a [`Delivery::Gap`](crate::Delivery::Gap).
    pub fn resume(self, last_event_id: impl Into<Option<LastEventId>>) -> Self {
        Self { resume: last_event_id.into(), ..self }
    }

    /// Sets the starting point for a subscription that has nothing to [resume](Self::resume) from.
    /// Default: now.
    ///
    /// It causes no gap for events that history no longer holds. With [`Start::All`], a slow subscription gets
    /// one for events that history drops before it has read them. [`Start::Last`] and [`Start::PerKey`] search
    /// history in steps: what it drops meanwhile is left out, as for a subscription that begins a moment later.
    pub fn start(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// Sets the policy for the case that the subscriber is too slow.
    pub fn slow_consumer(self, policy: SlowConsumer) -> Self {
        Self { policy, ..self }
    }

    /// Sets the maximum number of events that wait for this connection, at least one. Default:
    /// [`HubBuilder::queue`](crate::HubBuilder::queue).
    pub fn queue(self, events: usize) -> Self {
        Self { limits: QueueLimits { events: events.max(1), ..self.limits }, ..self }
    }

    /// Returns the topics and patterns to subscribe to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Returns `true` if the subscription may start in the past: after the client's last event, or
    /// with events from history.
    pub fn resumes(&self) -> bool {
        self.resume.is_some() || self.start != Start::Now
    }

    /// Sets the client that owns the stream: its user, or its address. Streams of one client share
    /// the turns for a [backfill](Self::backfill). A stream without a key shares with no other
    /// stream, so a client with many streams gets a turn for each.
    pub fn client(self, client: impl Into<ClientKey>) -> Self {
        Self { client: Some(client.into()), ..self }
    }

    /// Opens the subscription and backfills from the log what this node's history no longer holds.
    /// It does nothing extra unless the subscription [resumes](Self::resume) and the log keeps more
    /// than history. A backfill reads at most 10,000 records (of all topics), and keeps at most as
    /// many bytes for this subscription as its queue may hold; a single larger event is still
    /// accepted. All subscriptions together share
    /// [`HubBuilder::backfill_bytes`](crate::HubBuilder::backfill_bytes). Beyond that, or if the log
    /// cannot be read, the subscription starts with a gap, as with [`open`](Self::open).
    ///
    /// The subscription joins first and reads then, so it misses nothing that is published
    /// meanwhile, however short history is: new events wait in its queue and, once that is full, in
    /// history.
    ///
    /// At most four subscriptions read the log at the same time: three that lack more than 256
    /// records, and one that lacks at most 256. One [client](Self::client) has at most two of the
    /// three. The others wait up to 5 s and then start with a gap. Turns alternate between clients,
    /// independent of the number of their subscriptions. A backfill that is not complete after 10 s,
    /// including the wait, is given up, and the subscription starts with a gap.
    ///
    /// ```
    /// # use sse_kit_broadcast::{Hub, SubscribeError, Subscription};
    /// # use sse_kit_event::{LastEventId, Topics};
    /// # async fn open(hub: Hub, topics: Topics, id: LastEventId, user: &str) -> Result<Subscription, SubscribeError> {
    /// hub.subscribe(topics).resume(id).client(user).backfill().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open), and [`SubscribeError::TooManyReplays`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the connection ends.
    pub async fn backfill(self) -> Result<Subscription, SubscribeError> {
        self.join()?.backfill().await
    }

    /// Opens the subscription without waiting for the backfill: the first half of
    /// [`backfill`](Self::backfill), for callers that need the connection immediately.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn join(self) -> Result<PendingSubscription, SubscribeError> {
        self.begin(true)
    }

    /// Opens the subscription. It misses nothing that is published to its topics from now on.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if the hub has shut down or cannot accept the connection.
    pub fn open(self) -> Result<Subscription, SubscribeError> {
        Ok(self.begin(false)?.subscription)
    }

    fn begin(mut self, may_backfill: bool) -> Result<PendingSubscription, SubscribeError> {
        let joined = self.join_node(may_backfill)?;
        Ok(self.pending(joined))
    }

    /// Makes the connection and has it join, under the lock of the hub's state.
    fn join_node(&mut self, may_backfill: bool) -> Result<Joined, SubscribeError> {
        let node = &self.node;
        if node.lifecycle.as_ref().is_some_and(Lifecycle::is_overloaded) {
            node.counters.refused.add(1);
            return Err(SubscribeError::HooksLag);
        }
        let id = self.id.take().map_or_else(ConnectionId::random, Ok);
        let id = id.map_err(SubscribeError::Random)?;

        let mut state = node.state.lock();
        if state.draining {
            return Err(SubscribeError::Closed);
        }
        if !state.interests.have_room_for(self.topics.patterns()) {
            node.counters.refused.add(1);
            return Err(SubscribeError::TooManyPatterns);
        }
        let now_at = state.position;
        let resume = self.resume.take().map(|last| state.translate_last(last));
        let begin = Begin::at(now_at, resume.as_ref(), self.start, node.shares_log);
        let after = begin.after().filter(|_| may_backfill);
        let lacks = after.filter(|after| state.may_lack(&self.topics, *after));
        let mut queue = Queue::new(now_at, self.limits, self.policy);
        let opened = queue.last_activity();
        match lacks {
            Some(after) => queue.hold(after),
            None => begin.set_up(&mut queue, now_at, state.history.trims()),
        }
        let number = state.next_number;
        state.next_number += 1;
        let connection = Arc::new(Connection {
            id,
            number,
            topics: mem::take(&mut self.topics),
            metadata: mem::take(&mut self.metadata),
            connected_at: SystemTime::now(),
            shard: node.next_shard(),
            places: OnceLock::new(),
            left: AtomicBool::new(false),
            queue: Mutex::new(queue),
        });
        if matches!(begin, Begin::Ahead(_)) {
            state.ahead.insert(number, Arc::clone(&connection));
        }
        let lineage = state.lineage.clone();
        node.join(&mut state, &connection);
        let step = state.catch_up(&connection);
        drop(state);
        node.finish_catching_up(&connection, step);
        Ok(Joined { connection, begin, now_at, resume, lineage, opened, lacks })
    }

    /// Makes the receiving end of a connection that has joined.
    fn pending(self, joined: Joined) -> PendingSubscription {
        let Self { node, backfill, start, policy, limits, client, .. } = self;
        let Joined { connection, begin, now_at, resume, lineage, opened, lacks } = joined;
        let number = connection.number;
        let resumes = matches!(begin, Begin::After(_) | Begin::Ahead(_));
        node.counters.resumed.add(u64::from(resumes));
        let span = StreamSpan::begin(&connection, resume.as_ref(), resumes);
        let (cursor, begins_at_cursor) = begin.cursor(now_at);
        // A client without a cursor would begin with history, or now.
        let newest = begin.newest(now_at).filter(|_| start == Start::Now);
        let opening = match begin {
            Begin::Search(search) => Opening::search(now_at, search.wanted(), limits.bytes),
            _ => Opening::default(),
        };
        let place = Place { cursor, begins_at_cursor, newest, lineage, opened };
        let subscription = Subscription::new(node, connection, place, opening, span);
        let lacks = lacks.map(|after| MissingRange {
            after,
            through: now_at,
            client: client.unwrap_or_else(|| ClientKey::of_connection(number)),
            request: BackfillRequest { policy, limits },
        });
        PendingSubscription { subscription, backfill, lacks }
    }
}

/// A connection that has joined, and the place at which it did.
struct Joined {
    connection: Arc<Connection>,
    begin: Begin,
    /// The position of the node.
    now_at: EventId,
    /// The last event id of the client, in the current epoch.
    resume: Option<LastEventId>,
    lineage: Lineage,
    opened: Instant,
    /// The event after which history may lack some, if the log is to be read for them.
    lacks: Option<EventId>,
}

/// The starting point of a subscription, relative to the position of the node.
#[derive(Clone, Copy, Debug)]
enum Begin {
    Now,
    All,
    Search(Searched),
    After(EventId),
    Ahead(EventId),
    Gap { from: Option<EventId>, reason: GapReason },
}

/// The events to search for in history.
#[derive(Clone, Copy, Debug)]
enum Searched {
    Last(usize),
    PerKey,
}

impl Begin {
    fn at(now_at: EventId, resume: Option<&LastEventId>, start: Start, shares_log: bool) -> Self {
        let gap = |from, reason| Self::Gap { from, reason };
        match resume {
            None => match start {
                Start::Now => Self::Now,
                Start::All => Self::All,
                Start::Last(count) => Self::Search(Searched::Last(count)),
                Start::PerKey => Self::Search(Searched::PerKey),
            },
            Some(LastEventId::Unusable(_)) => gap(None, GapReason::Malformed),
            Some(LastEventId::Known(id)) if id.epoch() != now_at.epoch() => {
                gap(Some(*id), GapReason::UnknownEpoch)
            }
            Some(LastEventId::Known(id)) if id.offset() <= now_at.offset() => Self::After(*id),
            // Another node may be ahead of this one, and the client may come from there.
            Some(LastEventId::Known(id)) if shares_log => Self::Ahead(*id),
            Some(LastEventId::Known(id)) => gap(Some(*id), GapReason::Future),
        }
    }

    /// Returns the event after which history is read, if any.
    fn after(self) -> Option<EventId> {
        if let Self::After(cursor) = self { Some(cursor) } else { None }
    }

    /// Returns the newest position, if the client resumes.
    fn newest(self, now_at: EventId) -> Option<EventId> {
        match self {
            Self::Now | Self::All | Self::Search(_) => None,
            Self::After(_) | Self::Gap { .. } => Some(now_at),
            Self::Ahead(cursor) => Some(cursor),
        }
    }

    fn set_up(self, queue: &mut Queue, now_at: EventId, trims: u64) {
        match self {
            Self::Now | Self::Search(_) => {}
            Self::All => queue.begin_with_history(trims),
            Self::After(cursor) => queue.begin_after(cursor),
            Self::Ahead(cursor) => queue.start_ahead(cursor),
            Self::Gap { from, reason } => queue.push_gap(Gap::new(from, now_at, reason)),
        }
    }

    /// Returns the cursor, and whether a client that knows only the cursor may resume from it.
    fn cursor(self, now_at: EventId) -> (EventId, bool) {
        match self {
            Self::After(cursor) | Self::Ahead(cursor) => (cursor, true),
            Self::Now | Self::Gap { .. } => (now_at, true),
            Self::All | Self::Search(_) => (now_at, false),
        }
    }
}

impl Searched {
    fn wanted(self) -> Wanted {
        match self {
            Self::Last(count) => Wanted::Last(count),
            Self::PerKey => Wanted::PerKey(HashSet::new()),
        }
    }
}

/// The reason why a subscription was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The hub is shutting down, or has shut down.
    #[error("the hub is shutting down; connect to another node")]
    Closed,
    /// The connect and disconnect hooks have too long a backlog.
    #[error("the connect and disconnect hooks cannot keep up; retry later")]
    HooksLag,
    /// The subscription has a new pattern, and too many different patterns share its prefix: see
    /// [`HubBuilder::max_patterns_per_prefix`](crate::HubBuilder::max_patterns_per_prefix).
    #[error(
        "too many different patterns share a prefix; subscribe to topics, or raise `max_patterns_per_prefix`"
    )]
    TooManyPatterns,
    /// Too many subscriptions wait for a backfill: 64 of this
    /// [client](SubscriptionBuilder::client), or 4,096 in total. The client may retry within
    /// seconds.
    #[error("too many subscriptions wait for a backfill from the log; retry in a few seconds")]
    TooManyReplays,
    /// The operating system provides no random number for the connection id.
    #[error("the operating system provided no random number for the connection id")]
    Random(#[source] RandomError),
}
