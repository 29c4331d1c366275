//! The status of the log, for health checks and metrics.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{Counter, LogHealth, LogMonitor, LogStats};
use sse_kit_event::EventId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::page::NoRecord;
use crate::queue::Queue;

/// The minimum interval between two rows that are logged because they are not records.
const SKIP_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A handle to the status of a [`PostgresLog`](crate::PostgresLog) that a hub owns: see
/// [`PostgresLog::monitor`](crate::PostgresLog::monitor). Cloning is cheap.
#[derive(Clone, Debug)]
pub struct PostgresStatus(pub(crate) Arc<Shared>);

impl PostgresStatus {
    /// Returns whether this node is reading the log.
    ///
    /// A node that is not reading still serves its streams from memory. So do not take it out of
    /// service while all nodes are in the same state.
    pub fn health(&self) -> LogHealth {
        self.0.monitor.health()
    }

    /// Returns the counters.
    pub fn stats(&self) -> PostgresStats {
        let shared = &self.0;
        let LogStats { appended, failed, ambiguous, lag, .. } = shared.log_stats();
        PostgresStats {
            appended,
            retried: shared.retried.get(),
            failed,
            ambiguous,
            moved: shared.moved.get(),
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
pub struct PostgresStats {
    /// The number of publishes of this node's hub that were appended.
    pub appended: u64,
    /// The number of retried append attempts.
    pub retried: u64,
    /// The number of failed appends, including ambiguous ones.
    pub failed: u64,
    /// The number of appends that may or may not have been written.
    pub ambiguous: u64,
    /// The number of events, published in transactions, to which this node gave their offsets.
    pub moved: u64,
    /// The number of records read, from all nodes.
    pub read: u64,
    /// The number of rows that are not records. The node skipped them.
    pub malformed: u64,
    /// The number of records that were trimmed before this node read them. Its streams got a gap.
    pub lost: u64,
    /// The number of times that the log began a new epoch.
    pub epochs: u64,
    /// The number of times that the reader reconnected.
    pub reconnects: u64,
    /// The number of records that this node knows of and has not read yet.
    pub lag: u64,
}

/// The state that the log, its tasks and its status handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The name of this node in the log.
    pub(crate) node: Arc<str>,
    pub(crate) queue: Queue,
    pub(crate) monitor: LogMonitor,
    position: Mutex<Position>,
    /// The time at which a row was logged that is not a record.
    skip_logged_at: Mutex<Option<Instant>>,
    /// `true` after a failed append, until one succeeds.
    is_failing: AtomicBool,
    /// `true` once everything that waited is written or refused.
    pub(crate) has_ended: watch::Sender<bool>,
    pub(crate) retried: Counter,
    pub(crate) moved: Counter,
    pub(crate) read: Counter,
    pub(crate) malformed: Counter,
    pub(crate) lost: Counter,
    pub(crate) epochs: Counter,
    pub(crate) reconnects: Counter,
}

/// The place of this node in the log.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The newest record that this node knows of.
    seen: EventId,
    place: Place,
    /// The offset of the newest record that was trimmed, at the last look.
    kept_after: u64,
}

/// The position through which a node has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: EventId,
    /// The tag of that record, if the node has read it.
    pub(crate) tag: Option<i64>,
}

/// The part of the log that a node has seen, as arguments of the functions of the schema.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The name of the node.
    pub(crate) node: Arc<str>,
    pub(crate) epoch: String,
    pub(crate) seen: i64,
    /// The offset of a record whose tag this node knows, or 0.
    pub(crate) place: i64,
    pub(crate) tag: i64,
}

impl Shared {
    pub(crate) fn new(node: &str, place: Place) -> Self {
        Self {
            node: node.into(),
            queue: Queue::default(),
            monitor: LogMonitor::default(),
            position: Mutex::new(Position { seen: place.at, place, kept_after: 0 }),
            skip_logged_at: Mutex::default(),
            is_failing: AtomicBool::new(false),
            has_ended: watch::Sender::default(),
            retried: Counter::default(),
            moved: Counter::default(),
            read: Counter::default(),
            malformed: Counter::default(),
            lost: Counter::default(),
            epochs: Counter::default(),
            reconnects: Counter::default(),
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.position.lock().place
    }

    /// Sets the place of this node in the log.
    pub(crate) fn read_through(&self, place: Place) {
        let mut position = self.position.lock();
        position.place = place;
        position.see(place.at);
    }

    /// Counts a row that is not a record, and logs it unless another one was logged just now: each role
    /// that may publish can write such rows.
    pub(crate) fn skip(&self, id: EventId, error: NoRecord) {
        self.malformed.add(1);
        let now = Instant::now();
        let mut logged_at = self.skip_logged_at.lock();
        if logged_at.is_none_or(|at| now.duration_since(at) >= SKIP_LOGGED_EVERY) {
            *logged_at = Some(now);
            let skipped = self.malformed.get();
            tracing::error!(%id, %error, skipped, "a row of the log is not a record and is skipped");
        }
    }

    /// Sets the place of this node in a new epoch.
    pub(crate) fn begin(&self, place: Place) {
        let mut position = self.position.lock();
        (position.place, position.seen) = (place, place.at);
    }

    /// Records that the log holds `id`. It ignores other epochs, which the reader has not reached yet
    /// or has left.
    pub(crate) fn see(&self, id: EventId) {
        self.position.lock().see(id);
    }

    pub(crate) fn view(&self) -> View {
        let Position { seen, place, .. } = *self.position.lock();
        let number = |offset| i64::try_from(offset).unwrap_or(i64::MAX);
        View {
            node: Arc::clone(&self.node),
            epoch: place.at.epoch().to_string(),
            seen: number(seen.offset()),
            place: place.tag.map_or(0, |_| number(place.at.offset())),
            tag: place.tag.unwrap_or_default(),
        }
    }

    pub(crate) fn keeps_after(&self, offset: u64) {
        self.position.lock().kept_after = offset;
    }

    /// Returns `true` if the log may hold the records after `after` and they are not too many to
    /// read.
    pub(crate) fn may_hold_after(&self, after: EventId, furthest: u64) -> bool {
        let Position { seen, kept_after, .. } = *self.position.lock();
        after.epoch() == seen.epoch()
            && seen.offset().saturating_sub(after.offset()) <= furthest
            && after.offset() >= kept_after
    }

    /// Returns the counters that every log has.
    pub(crate) fn log_stats(&self) -> LogStats {
        let mut stats = self.monitor.stats();
        stats.lag = self.lag();
        stats
    }

    /// Returns the number of known records that this node has not read.
    fn lag(&self) -> u64 {
        let Position { seen, place, .. } = *self.position.lock();
        seen.offset().saturating_sub(place.at.offset())
    }

    pub(crate) fn append_failed(&self, error: &dyn Display) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "appends to the log fail; further failures are not logged");
        }
    }

    pub(crate) fn append_succeeded(&self) {
        if self.is_failing.load(Ordering::Relaxed) && self.is_failing.swap(false, Ordering::Relaxed)
        {
            tracing::info!("appends to the log succeed again");
        }
    }

    pub(crate) fn close(&self) {
        self.queue.close();
        self.monitor.close();
    }
}

impl Position {
    fn see(&mut self, id: EventId) {
        if self.seen.epoch() == id.epoch() && self.seen.offset() < id.offset() {
            self.seen = id;
        }
    }
}
