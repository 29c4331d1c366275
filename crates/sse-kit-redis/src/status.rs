//! The status of the log, for health checks and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use sse_kit_event::EventId;
use tokio::sync::Notify;

/// A handle to the status of a [`RedisLog`](crate::RedisLog) that a hub owns: see
/// [`RedisLog::monitor`](crate::RedisLog::monitor). Cloning is cheap.
#[derive(Clone, Debug)]
pub struct RedisStatus(pub(crate) Arc<Shared>);

impl RedisStatus {
    /// Returns whether this node is reading the log.
    ///
    /// A node that is not reading still serves its streams from memory. So do not take it out of
    /// service while all nodes are in the same state.
    pub fn health(&self) -> RedisHealth {
        self.0.health.lock().clone()
    }

    /// Returns the counters.
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

/// The health of a node's connection to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisHealth {
    /// This node is connected and reading the log.
    Up,
    /// This node lost its connection and is reconnecting.
    Down {
        /// The time of the failure.
        since: Instant,
        /// The last error.
        error: String,
    },
    /// This node no longer reads the log: the hub is gone or has shut down.
    Closed,
}

/// The counters of one node since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RedisStats {
    /// The number of records that this node appended.
    pub appended: u64,
    /// The number of retried append attempts.
    pub retried: u64,
    /// The number of failed appends, including ambiguous ones.
    pub failed: u64,
    /// The number of appends that may or may not have been written.
    pub ambiguous: u64,
    /// The number of records read, from all nodes.
    pub read: u64,
    /// The number of stream entries that are not records. The node skipped them, or removed those
    /// that blocked the log.
    pub malformed: u64,
    /// The number of records that were trimmed before this node read them. Its streams got a gap.
    pub lost: u64,
    /// The number of times that the log began a new epoch. All streams got a gap.
    pub epochs: u64,
    /// The number of times that the reader reconnected.
    pub reconnects: u64,
    /// The number of records that this node knows of and has not read yet.
    pub lag: u64,
}

/// The state that the log, its reader and its status handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) health: Mutex<RedisHealth>,
    /// The time at which the log was last read successfully.
    read_at: Mutex<Option<tokio::time::Instant>>,
    /// The newest record that this node knows of.
    seen: Mutex<EventId>,
    /// The newest record that this node has read.
    read_through: Mutex<EventId>,
    /// The replication id of the server that the reader last checked.
    server: Mutex<String>,
    /// The offset of the newest record that Redis no longer had at the last check.
    kept_after: AtomicU64,
    /// A notification that the appender found another server than the reader's.
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

    /// Sets epoch and offset of the log.
    pub(crate) fn begin(&self, position: EventId) {
        *self.seen.lock() = position;
        self.read_through(position);
    }

    /// Records that the reader has read through this record.
    pub(crate) fn read_through(&self, id: EventId) {
        *self.read_through.lock() = id;
        self.see(id);
    }

    /// Returns the number of known records that this node has not read.
    fn lag(&self) -> u64 {
        let read = *self.read_through.lock();
        let seen = self.seen();
        if seen.epoch() == read.epoch() { seen.offset().saturating_sub(read.offset()) } else { 0 }
    }

    /// Returns `true` if the log may hold the records after `after` and they are not too many to
    /// read.
    pub(crate) fn may_hold_after(&self, after: EventId, furthest: u64) -> bool {
        let seen = self.seen();
        after.epoch() == seen.epoch()
            && seen.offset().saturating_sub(after.offset()) <= furthest
            && after.offset() >= self.kept_after.load(Ordering::Relaxed)
    }

    /// Records that the reader checked this server, which has the records after an offset.
    pub(crate) fn reads_from(&self, server: &str, kept_after: u64) {
        server.clone_into(&mut self.server.lock());
        self.kept_after.store(kept_after, Ordering::Relaxed);
    }

    /// Records that this server answered an append. Returns `false` if the reader uses another
    /// server; the reader then opens a new connection.
    pub(crate) fn appends_to(&self, server: &str) -> bool {
        let is_same = *self.server.lock() == server;
        if !is_same {
            self.elsewhere.notify_one();
        }
        is_same
    }

    /// Waits until the appender finds another server than the reader's.
    pub(crate) async fn elsewhere(&self) {
        self.elsewhere.notified().await;
    }

    /// Records that the log holds `id`. It ignores other epochs, which the reader has not reached
    /// yet or has left.
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

    /// Changes the health, unless it is `Closed`, which is final.
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
