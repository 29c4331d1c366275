//! Opening a subscription.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{ConnectionId, EventId, LastEventId, Topics};

use crate::backfill::{Backfill, BackfillRequest, Backfilled};
use crate::connection::Connection;
use crate::entry::Entry;
use crate::lifecycle::Lifecycle;
use crate::node::Node;
use crate::opening::{Opening, Wanted};
use crate::queue::{Queue, QueueLimits};
use crate::slow_consumer::SlowConsumer;
use crate::start::Start;
use crate::subscription::Subscription;

/// A subscription that is about to be opened: see
/// [`Broadcaster::subscribe`](crate::Broadcaster::subscribe).
#[derive(Debug)]
#[must_use = "nothing is subscribed to before `open` is called"]
pub struct Subscribe {
    node: Arc<Node>,
    backfill: Arc<Backfill>,
    topics: Topics,
    id: Option<ConnectionId>,
    metadata: Value,
    resume: Option<LastEventId>,
    start: Start,
    policy: SlowConsumer,
    limits: QueueLimits,
    /// What comes before all that history has, and after which event it does.
    old: VecDeque<Arc<Entry>>,
    begins_at: Option<EventId>,
}

impl Subscribe {
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
            old: VecDeque::new(),
            begins_at: None,
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
        Self { resume: last_event_id.into(), old: VecDeque::new(), begins_at: None, ..self }
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
    /// [`Builder::queue`](crate::Builder::queue) holds.
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

    /// Reads from the log what the history of this node does not have any more, where it is to begin in the
    /// past and the log keeps more: up to 10,000 records, whichever topics they are of, and as many bytes of its
    /// own as its queue may hold. It then begins with these. Beyond that, and where the log cannot be
    /// read, it begins with a gap, as without this.
    ///
    /// A subscription that lacks more is not read for. At most four read the log at the same time; the
    /// others wait, for at most 5 s, and those that lack a few hundred records do not wait for those
    /// that lack many.
    ///
    /// ```
    /// # use sse_kit_broadcast::{Broadcaster, SubscribeError, Subscription};
    /// # use sse_kit_event::{LastEventId, Topics};
    /// # async fn open(hub: Broadcaster, topics: Topics, id: LastEventId) -> Result<Subscription, SubscribeError> {
    /// hub.subscribe(topics).resume(id).reach_back().await.open()
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is subscribed to.
    pub async fn reach_back(mut self) -> Self {
        let Some(LastEventId::Known(cursor)) = self.resume else { return self };
        // Whom events leave out is known by it. Where there is none, `open` says so.
        let Some(id) = self.id.take().or_else(|| ConnectionId::random().ok()) else { return self };
        let Self { topics, policy, limits, .. } = &self;
        let request = BackfillRequest { topics, id: &id, policy: *policy, limits: *limits };
        if let Some(Backfilled { entries, through }) = self.backfill.read(&request, cursor).await {
            self.begins_at.get_or_insert(cursor);
            self.resume = Some(LastEventId::Known(through));
            self.old.extend(entries);
        }
        Self { id: Some(id), ..self }
    }

    /// Opens it: from here on, nothing that is published to its topics is missed.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] when the broadcaster has shut down or cannot take more connections.
    pub fn open(self) -> Result<Subscription, SubscribeError> {
        let Self { node, topics, metadata, resume, start, policy, limits, old, begins_at, .. } =
            self;
        if node.lifecycle.as_ref().is_some_and(Lifecycle::is_overloaded) {
            node.counters.refused.add(1);
            return Err(SubscribeError::HooksLag);
        }
        let id = self.id.map_or_else(ConnectionId::random, Ok).map_err(SubscribeError::Random)?;

        let mut state = node.state.lock();
        if state.draining {
            return Err(SubscribeError::Closed);
        }
        if !state.interests.have_room_for(topics.patterns()) {
            node.counters.refused.add(1);
            return Err(SubscribeError::PatternsCrowded);
        }
        let now_at = state.position;
        let begin = Begin::at(now_at, resume.as_ref(), start, node.shares_log);
        let mut queue = Queue::new(now_at, limits, policy);
        begin.set_up(&mut queue, now_at);
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
        let cursor = begins_at.unwrap_or(cursor);
        let opening = match begin {
            Begin::Search(search) => Opening::search(now_at, search.wanted(), limits.bytes),
            _ => Opening::Entries(old),
        };
        Ok(Subscription::new(node, connection, (cursor, begins_at_cursor), opening))
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

    fn set_up(self, queue: &mut Queue, now_at: EventId) {
        match self {
            Self::Now | Self::Search(_) => {}
            Self::All => queue.begin_with_history(),
            Self::After(cursor) => queue.begin_after(cursor),
            Self::Ahead(cursor) => queue.begin_ahead(cursor),
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
    /// The broadcaster is shutting down, or has shut down.
    #[error("the broadcaster is shutting down")]
    Closed,
    /// The connect and disconnect hooks are too far behind.
    #[error("the connect and disconnect hooks cannot keep up")]
    HooksLag,
    /// It brings a pattern of its own, and too many different ones begin as it does: see
    /// [`Builder::patterns_alike`](crate::Builder::patterns_alike).
    #[error("too many different patterns that begin alike are subscribed to")]
    PatternsCrowded,
    /// The operating system has no random number for the connection's id.
    #[error("no random number for the connection id")]
    Random(#[source] getrandom::Error),
}
