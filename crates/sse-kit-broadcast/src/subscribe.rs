//! Opening a subscription.

use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{ConnectionId, EventId, LastEventId, Topics};

use crate::backfill::{Backfill, BackfillRequest};
use crate::client_key::ClientKey;
use crate::connection::Connection;
use crate::joined::{Joined, Lacking};
use crate::lifecycle::Lifecycle;
use crate::node::Node;
use crate::opening::{Opening, Wanted};
use crate::queue::{Queue, QueueLimits};
use crate::slow_consumer::SlowConsumer;
use crate::start::Start;
use crate::subscription::Subscription;

/// A subscription that is about to be opened: see
/// [`Hub::subscribe`](crate::Hub::subscribe).
#[derive(Debug)]
#[must_use = "nothing is subscribed to before `open` is called"]
pub struct SubscriptionBuilder {
    node: Arc<Node>,
    backfill: Arc<Backfill>,
    topics: Topics,
    id: Option<ConnectionId>,
    metadata: Value,
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
            metadata: Value::Null,
            resume: None,
            start: Start::Now,
            policy: SlowConsumer::default(),
            limits,
            client: None,
        }
    }

    /// Gives the connection an id, by which it can be sent events of its own or left out. Without
    /// one it gets a random id. A connection that is open with the same id ends.
    pub fn id(self, id: ConnectionId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Notes something about the connection, for hooks, presence and inspection.
    pub fn metadata(self, metadata: Value) -> Self {
        Self { metadata, ..self }
    }

    /// Begins after the last event that the client saw, instead of now.
    ///
    /// When events after it are not to be had any more, or when it is no id of this log, the
    /// subscription begins with a [`Delivery::Gap`](crate::Delivery::Gap).
    pub fn resume(self, last_event_id: impl Into<Option<LastEventId>>) -> Self {
        Self { resume: last_event_id.into(), ..self }
    }

    /// Says where it begins when there is nothing to [resume](Self::resume) from. Default: now.
    ///
    /// It is never told of a gap for what history no longer has.
    pub fn start(self, start: Start) -> Self {
        Self { start, ..self }
    }

    /// Says what happens when it cannot keep up.
    pub fn slow_consumer(self, policy: SlowConsumer) -> Self {
        Self { policy, ..self }
    }

    /// Sets how many events may wait for it, at least one; otherwise
    /// [`HubBuilder::queue`](crate::HubBuilder::queue) holds.
    pub fn queue(self, events: usize) -> Self {
        Self { limits: QueueLimits { events: events.max(1), ..self.limits }, ..self }
    }

    /// What it is to subscribe to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Whether it begins in the past, where that can be had: after an event that the client saw, or
    /// with some of history. So it may give what was published before.
    pub fn resumes(&self) -> bool {
        self.resume.is_some() || self.start != Start::Now
    }

    /// Says whose it is: the user, or the address that the client comes from. Streams of one client
    /// share the turns at [reading the log](Self::backfill). Without a key it shares with no other
    /// stream, so that a client that opens many has a turn for each.
    pub fn client(self, client: impl Into<ClientKey>) -> Self {
        Self { client: Some(client.into()), ..self }
    }

    /// Opens it, and reads from the log what the history of this node does not have any more, where it
    /// begins in the past and the log keeps more: up to 10,000 records, of whichever topics, and as many
    /// bytes of its own as its queue may hold. It begins with these. Beyond that, and where the log
    /// cannot be read, it begins with a gap, as with [`open`](Self::open).
    ///
    /// It joins first and reads then, so nothing that is published meanwhile is missed, however short
    /// history is: events wait in its queue, and once that is full, in history.
    ///
    /// At most four subscriptions read the log at the same time, at most three of them of one
    /// [client](Self::client), and of those that lack more than 256 records at most two. The others wait
    /// for at most 5 s, and then begin with a gap. Clients come one after another, whatever number of
    /// subscriptions each has.
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
    /// Those of [`open`](Self::open), and [`SubscribeError::TooManyReplays`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the connection ends.
    pub async fn backfill(self) -> Result<Subscription, SubscribeError> {
        self.join()?.backfill().await
    }

    /// Opens it, without waiting for what has to be read from the log: the first half of
    /// [`backfill`](Self::backfill), for those who have to do something with the connection at
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn join(self) -> Result<Joined, SubscribeError> {
        self.begin(true)
    }

    /// Opens it: from here on, nothing that is published to its topics is missed.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] when the hub has shut down or cannot take more connections.
    pub fn open(self) -> Result<Subscription, SubscribeError> {
        Ok(self.begin(false)?.subscription)
    }

    fn begin(self, reaches_back: bool) -> Result<Joined, SubscribeError> {
        let Self { node, backfill, topics, id, metadata, resume, start, policy, limits, client } =
            self;
        if node.lifecycle.as_ref().is_some_and(Lifecycle::is_overloaded) {
            node.counters.refused.add(1);
            return Err(SubscribeError::HooksLag);
        }
        let id = id.map_or_else(ConnectionId::random, Ok).map_err(SubscribeError::Random)?;

        let mut state = node.state.lock();
        if state.draining {
            return Err(SubscribeError::Closed);
        }
        if !state.interests.have_room_for(topics.patterns()) {
            node.counters.refused.add(1);
            return Err(SubscribeError::TooManyPatterns);
        }
        let now_at = state.position;
        let begin = Begin::at(now_at, resume.as_ref(), start, node.shares_log);
        let lacks = begin.after().filter(|after| reaches_back && state.may_lack(&topics, *after));
        let mut queue = Queue::new(now_at, limits, policy);
        match lacks {
            Some(after) => queue.hold(after),
            None => begin.set_up(&mut queue, now_at),
        }
        let number = state.next_number;
        state.next_number += 1;
        let connection = Arc::new(Connection {
            id,
            number,
            topics,
            metadata,
            connected_at: SystemTime::now(),
            shard: node.next_shard(),
            places: OnceLock::new(),
            left: AtomicBool::new(false),
            queue: Mutex::new(queue),
        });
        if matches!(begin, Begin::Ahead(_)) {
            state.ahead.insert(number, Arc::clone(&connection));
        }
        node.join(&mut state, &connection);
        let step = state.catch_up(&connection);
        drop(state);
        node.finish_catching_up(&connection, step);

        node.counters.resumed.add(u64::from(matches!(begin, Begin::After(_) | Begin::Ahead(_))));
        let (cursor, begins_at_cursor) = begin.cursor(now_at);
        let opening = match begin {
            Begin::Search(search) => Opening::search(now_at, search.wanted(), limits.bytes),
            _ => Opening::default(),
        };
        let subscription = Subscription::new(node, connection, (cursor, begins_at_cursor), opening);
        let lacks = lacks.map(|after| Lacking {
            after,
            through: now_at,
            client: client.unwrap_or_else(|| ClientKey::of_connection(number)),
            request: BackfillRequest { policy, limits },
        });
        Ok(Joined { subscription, backfill, lacks })
    }
}

/// Where a subscription begins, as seen from the position of the node.
#[derive(Clone, Copy, Debug)]
enum Begin {
    Now,
    All,
    Search(Searched),
    After(EventId),
    Ahead(EventId),
    Gap { from: Option<EventId>, reason: GapReason },
}

/// What is looked for in history.
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
            // Another node may be further, and the client come from there.
            Some(LastEventId::Known(id)) if shares_log => Self::Ahead(*id),
            Some(LastEventId::Known(id)) => gap(Some(*id), GapReason::Future),
        }
    }

    /// The event after which history is read, if it is one.
    fn after(self) -> Option<EventId> {
        if let Self::After(cursor) = self { Some(cursor) } else { None }
    }

    fn set_up(self, queue: &mut Queue, now_at: EventId) {
        match self {
            Self::Now | Self::Search(_) => {}
            Self::All => queue.begin_with_history(),
            Self::After(cursor) => queue.begin_after(cursor),
            Self::Ahead(cursor) => queue.start_ahead(cursor),
            Self::Gap { from, reason } => queue.push_gap(Gap { from, to: now_at, reason }),
        }
    }

    /// The cursor, and whether a client that knows nothing else may resume from it.
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

/// Why no subscription was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The hub is shutting down, or has shut down.
    #[error("the hub is shutting down")]
    Closed,
    /// The connect and disconnect hooks are too far behind.
    #[error("the connect and disconnect hooks cannot keep up")]
    HooksLag,
    /// It brings a pattern of its own, and too many different ones begin as it does: see
    /// [`HubBuilder::max_patterns_per_prefix`](crate::HubBuilder::max_patterns_per_prefix).
    #[error("too many different patterns that begin alike are subscribed to")]
    TooManyPatterns,
    /// Too many subscriptions wait for their turn at the log: 64 of this
    /// [client](SubscriptionBuilder::client), or 4,096 of all. The client may come back within seconds.
    #[error("too many subscriptions wait for what only the log has")]
    TooManyReplays,
    /// The operating system has no random number for the connection's id.
    #[error("no random number for the connection id")]
    Random(#[source] getrandom::Error),
}
