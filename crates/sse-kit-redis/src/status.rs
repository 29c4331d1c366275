//! The status of the log, for health checks and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use sse_kit_broadcast::{Counter, LogHealth, LogMonitor, LogStats};
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
    pub fn health(&self) -> LogHealth {
        self.0.monitor.health()
    }

    /// Returns the counters.
    pub fn stats(&self) -> RedisStats {
        let shared = &self.0;
        let LogStats { appended, failed, ambiguous, lag, .. } = shared.log_stats();
        RedisStats {
            appended,
            retried: shared.retried.get(),
            failed,
            ambiguous,
            read: shared.read.get(),
            malformed: shared.malformed.get(),
            lost: shared.lost.get(),
            epochs: shared.epochs.get(),
            reconnects: shared.reconnects.get(),
            lag,
        }
    }
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
    pub(crate) monitor: LogMonitor,
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
    pub(crate) retried: Counter,
    pub(crate) read: Counter,
    pub(crate) malformed: Counter,
    pub(crate) lost: Counter,
    pub(crate) epochs: Counter,
    pub(crate) reconnects: Counter,
}

impl Shared {
    pub(crate) fn new(seen: EventId) -> Self {
        Self {
            monitor: LogMonitor::default(),
            read_at: Mutex::default(),
            seen: Mutex::new(seen),
            read_through: Mutex::new(seen),
            server: Mutex::default(),
            kept_after: AtomicU64::new(0),
            elsewhere: Notify::new(),
            retried: Counter::default(),
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

    /// Returns the counters that every log has.
    pub(crate) fn log_stats(&self) -> LogStats {
        let mut stats = self.monitor.stats();
        stats.lag = self.lag();
        stats
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
        self.monitor.is_closed()
    }

    pub(crate) fn up(&self) {
        *self.read_at.lock() = Some(tokio::time::Instant::now());
        self.monitor.up();
    }

    pub(crate) fn read_at(&self) -> Option<tokio::time::Instant> {
        *self.read_at.lock()
    }

    pub(crate) fn down(&self, error: &redis::RedisError) {
        self.monitor.down(error);
    }

    pub(crate) fn close(&self) {
        self.monitor.close();
    }
}
