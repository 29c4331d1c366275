//! Opening a subscription.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{EventId, LastEventId, Topics};

use crate::connection::{Connection, ConnectionId};
use crate::core::Core;
use crate::history::Candidates;
use crate::queue::{Queue, QueueLimits, SlowConsumer};
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
        Ok(Subscription::new(self.core, connection, cursor))
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
