//! How the log fares, for health checks and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use sse_kit_event::EventId;
use tokio::sync::Notify;

/// Looks at a [`RedisLog`](crate::RedisLog) that a hub owns: see
/// [`RedisLog::monitor`](crate::RedisLog::monitor). Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisStatus(pub(crate) Arc<Shared>);

impl RedisStatus {
    /// Whether this node is reading the log.
    ///
    /// A node that is not still serves its streams, from what it has; so this is no reason to take it
    /// out of service while all others are in the same state.
    pub fn health(&self) -> RedisHealth {
        self.0.health.lock().clone()
    }

    /// What happened so far.
    pub fn stats(&self) -> RedisStats {
        let shared = &self.0;
        RedisStats {
            appended: shared.appended.get(),
            retried: shared.retried.get(),
            failed: shared.failed.get(),
            ambiguous: shared.ambiguous.get(),
            read: shared.read.get(),
            malformed: shared.malformed.get(),
            lost: shared.lost.get(),
            epochs: shared.epochs.get(),
            reconnects: shared.reconnects.get(),
            lag: shared.lag(),
        }
    }
}

/// Whether a node is reading the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisHealth {
    /// It is.
    Up,
    /// It is not, and tries to.
    Down {
        /// Since when.
        since: Instant,
        /// What went wrong last.
        error: String,
    },
    /// It no longer does: the hub is gone or has shut down.
    Closed,
}

/// Counters of one node since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RedisStats {
    /// Records that this node appended.
    pub appended: u64,
    /// Attempts to append that were made again.
    pub retried: u64,
    /// Appends that failed, the ambiguous ones included.
    pub failed: u64,
    /// Appends of which nobody knows whether they were written.
    pub ambiguous: u64,
    /// Records that were read back, those of all nodes.
    pub read: u64,
    /// Entries of the stream that are no records: they were passed over, or removed where they blocked it.
    pub malformed: u64,
    /// Records that were trimmed before this node had read them; its streams were told of a gap.
    pub lost: u64,
    /// How many times the log began anew: its epoch changed, and all streams were told of a gap.
    pub epochs: u64,
    /// How many times the connection that reads was made again.
    pub reconnects: u64,
    /// How many records this node knows of and has not read yet.
    pub lag: u64,
}

/// What the log, its reader and its monitors share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) health: Mutex<RedisHealth>,
    /// When the log was last found to be readable.
    read_at: Mutex<Option<tokio::time::Instant>>,
    /// The newest record that this node knows of.
    seen: Mutex<EventId>,
    /// The newest record that this node has read.
    read_through: Mutex<EventId>,
    /// The server that the reader looked at last, by its replication id.
    server: Mutex<String>,
    /// The offset of the newest record that Redis no longer has, as of the last look.
    kept_after: AtomicU64,
    /// The appender is at another server than the reader.
    elsewhere: Notify,
    pub(crate) appended: Counter,
    pub(crate) retried: Counter,
    pub(crate) failed: Counter,
    pub(crate) ambiguous: Counter,
    pub(crate) read: Counter,
    pub(crate) malformed: Counter,
    pub(crate) lost: Counter,
    pub(crate) epochs: Counter,
    pub(crate) reconnects: Counter,
}

impl Shared {
    pub(crate) fn new(seen: EventId) -> Self {
        Self {
            health: Mutex::new(RedisHealth::Up),
            read_at: Mutex::default(),
            seen: Mutex::new(seen),
            read_through: Mutex::new(seen),
            server: Mutex::default(),
            kept_after: AtomicU64::new(0),
            elsewhere: Notify::new(),
            appended: Counter::default(),
            retried: Counter::default(),
            failed: Counter::default(),
            ambiguous: Counter::default(),
            read: Counter::default(),
            malformed: Counter::default(),
            lost: Counter::default(),
            epochs: Counter::default(),
            reconnects: Counter::default(),
        }
    }

    pub(crate) fn seen(&self) -> EventId {
        *self.seen.lock()
    }

    /// The log is in this epoch, at this offset.
    pub(crate) fn begin(&self, position: EventId) {
        *self.seen.lock() = position;
        self.read_through(position);
    }

    /// The reader has read all records through this one.
    pub(crate) fn read_through(&self, id: EventId) {
        *self.read_through.lock() = id;
        self.see(id);
    }

    /// How many records this node knows of and has not read.
    fn lag(&self) -> u64 {
        let read = *self.read_through.lock();
        let seen = self.seen();
        if seen.epoch() == read.epoch() { seen.offset().saturating_sub(read.offset()) } else { 0 }
    }

    /// Whether the log may have what comes after a record, and it is not too much to read.
    pub(crate) fn may_reach_back_to(&self, after: EventId, furthest: u64) -> bool {
        let seen = self.seen();
        after.epoch() == seen.epoch()
            && seen.offset().saturating_sub(after.offset()) <= furthest
            && after.offset() >= self.kept_after.load(Ordering::Relaxed)
    }

    /// The reader has looked at this server, which has the records after an offset.
    pub(crate) fn reads_from(&self, server: &str, kept_after: u64) {
        server.clone_into(&mut self.server.lock());
        self.kept_after.store(kept_after, Ordering::Relaxed);
    }

    /// An append was answered by this server. False when the reader is at another one: then it takes
    /// a new connection.
    pub(crate) fn appends_to(&self, server: &str) -> bool {
        let is_same = *self.server.lock() == server;
        if !is_same {
            self.elsewhere.notify_one();
        }
        is_same
    }

    /// Waits until the appender is at another server than the reader.
    pub(crate) async fn elsewhere(&self) {
        self.elsewhere.notified().await;
    }

    /// A record stands in the log. One of another epoch is left to the reader, which has not come
    /// there yet, or is past it.
    pub(crate) fn see(&self, id: EventId) {
        let mut seen = self.seen.lock();
        if seen.epoch() == id.epoch() && seen.offset() < id.offset() {
            *seen = id;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.health.lock() == RedisHealth::Closed
    }

    pub(crate) fn up(&self) {
        *self.read_at.lock() = Some(tokio::time::Instant::now());
        self.turn(RedisHealth::Up);
    }

    pub(crate) fn read_at(&self) -> Option<tokio::time::Instant> {
        *self.read_at.lock()
    }

    pub(crate) fn down(&self, error: &redis::RedisError) {
        let since = match &*self.health.lock() {
            RedisHealth::Down { since, .. } => *since,
            _ => Instant::now(),
        };
        self.turn(RedisHealth::Down { since, error: error.to_string() });
    }

    pub(crate) fn close(&self) {
        *self.health.lock() = RedisHealth::Closed;
    }

    /// Closed is for good.
    fn turn(&self, to: RedisHealth) {
        let mut health = self.health.lock();
        if *health != RedisHealth::Closed {
            *health = to;
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
