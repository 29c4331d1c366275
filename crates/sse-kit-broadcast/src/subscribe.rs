//! Opening a subscription.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{EventId, LastEventId, Topics};

use crate::connection::{Connection, ConnectionId};
use crate::core::Core;
use crate::entry::Entry;
use crate::history::Candidates;
use crate::queue::{Queue, QueueLimits, SlowConsumer};
use crate::reach_back::{ReachedBack, Seeker};
use crate::subscription::Subscription;

/// A subscription that is about to be opened: see
/// [`Broadcaster::subscribe`](crate::Broadcaster::subscribe).
#[derive(Debug)]
#[must_use = "nothing is subscribed to before `open` is called"]
pub struct Subscribe {
    core: Arc<Core>,
    topics: Topics,
    id: Option<ConnectionId>,
    metadata: Value,
    resume: Option<LastEventId>,
    policy: SlowConsumer,
    limits: QueueLimits,
    /// What comes before all that history has, and after which event it does.
    old: VecDeque<Arc<Entry>>,
    begins_at: Option<EventId>,
}

impl Subscribe {
    pub(crate) fn new(core: Arc<Core>, topics: Topics) -> Self {
        let limits = core.queue_limits;
        Self {
            core,
            topics,
            id: None,
            metadata: Value::Null,
            resume: None,
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

    /// Whether it begins in the past, where that can be had.
    pub fn resumes(&self) -> bool {
        self.resume.is_some()
    }

    /// Reads from the log what the history of this node does not have any more, where it is to begin in the
    /// past and the log keeps more: up to 10,000 records, whichever topics they are of, and as many bytes of its
    /// own as its queue may hold. It then begins with these. Beyond that, and where the log cannot be
    /// read, it begins with a gap, as without this.
    ///
    /// At most four subscriptions read the log at the same time; the others wait, for at most 5 s.
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
        let seeker = Seeker { topics, id: &id, policy: *policy, limits: *limits };
        if let Some(ReachedBack { entries, through }) = self.core.reach_back(&seeker, cursor).await
        {
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
        let core = &self.core;
        if core.lifecycle.as_ref().is_some_and(crate::hooks::Lifecycle::is_overloaded) {
            core.counters.refused.add(1);
            return Err(SubscribeError::HooksLag);
        }
        let id = self.id.map_or_else(ConnectionId::random, Ok).map_err(SubscribeError::Random)?;
        let resumes = matches!(self.resume, Some(LastEventId::Known(_)));
        let matched = if resumes { core.matched(&self.topics) } else { Candidates::default() };

        let mut ledger = core.ledger.lock();
        if ledger.draining {
            return Err(SubscribeError::Closed);
        }
        if !ledger.interests.have_room_for(self.topics.patterns()) {
            core.counters.refused.add(1);
            return Err(SubscribeError::PatternsCrowded);
        }
        let now_at = ledger.position;
        let start = match Start::at(now_at, self.resume.as_ref()) {
            // Another node may be further, and the client come from there.
            Start::Gap { from: Some(id), reason: GapReason::Future } if core.log.is_shared() => {
                Start::Ahead(id)
            }
            start => start,
        };
        let mut queue = Queue::new(now_at, self.limits, self.policy);
        match start {
            Start::Now => {}
            Start::After(cursor) => {
                core.counters.resumed.add(1);
                queue.begin_after(cursor);
            }
            Start::Ahead(cursor) => {
                core.counters.resumed.add(1);
                queue.begin_ahead(cursor);
                ledger.anyone_ahead = true;
            }
            Start::Gap { from, reason } => queue.push_gap(Gap { from, to: now_at, reason }),
        }
        let connection = Arc::new(Connection {
            id,
            topics: self.topics,
            metadata: self.metadata,
            connected_at: SystemTime::now(),
            shard: core.next_shard(),
            places: OnceLock::new(),
            left: AtomicBool::new(false),
            queue: Mutex::new(queue),
        });
        core.join(&mut ledger, &connection);
        connection.catch_up(&ledger, &matched, &core.counters);
        drop(ledger);
        let cursor = match start {
            Start::After(cursor) | Start::Ahead(cursor) => cursor,
            Start::Now | Start::Gap { .. } => now_at,
        };
        let cursor = self.begins_at.unwrap_or(cursor);
        Ok(Subscription::new(self.core, connection, cursor, self.old))
    }
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug)]
enum Start {
    Now,
    After(EventId),
    Ahead(EventId),
    Gap { from: Option<EventId>, reason: GapReason },
}

impl Start {
    fn at(now_at: EventId, resume: Option<&LastEventId>) -> Self {
        let gap = |from, reason| Self::Gap { from, reason };
        match resume {
            None => Self::Now,
            Some(LastEventId::Unusable(_)) => gap(None, GapReason::Malformed),
            Some(LastEventId::Known(id)) if id.epoch() != now_at.epoch() => {
                gap(Some(*id), GapReason::UnknownEpoch)
            }
            Some(LastEventId::Known(id)) if id.offset() > now_at.offset() => {
                gap(Some(*id), GapReason::Future)
            }
            Some(LastEventId::Known(id)) => Self::After(*id),
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
