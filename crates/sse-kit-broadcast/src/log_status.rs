//! The health and the counters that every log has.

use std::fmt;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Serialize;

use crate::counters::Counter;
use crate::log::{AppendError, Appended};

/// The health of a log: see [`Hub::log_health`](crate::Hub::log_health).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogHealth {
    /// The log works.
    #[default]
    Up,
    /// The log cannot be reached, or its last write failed. Streams stay open and resume from
    /// memory, and the log retries.
    Down {
        /// The time of the first failure.
        since: Instant,
        /// The last error.
        error: String,
    },
    /// The hub has shut down, or is gone.
    Closed,
}

/// The counters of a log on one node since its start: see
/// [`Hub::log_stats`](crate::Hub::log_stats). A log may have more of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogStats {
    /// The number of appends that this node made, without repeats.
    pub appended: u64,
    /// The number of failed appends, including ambiguous ones. An append that was refused for its
    /// conditions or its idempotency key did not fail.
    pub failed: u64,
    /// The number of appends that may or may not have been written.
    pub ambiguous: u64,
    /// The number of records that this node knows of and has not delivered yet.
    pub lag: u64,
}

/// The part of a log's status that all logs share, for authors of logs.
///
/// ```
/// use sse_kit_broadcast::{LogHealth, LogMonitor};
///
/// let monitor = LogMonitor::default();
/// assert!(monitor.down(&"no route to host"), "the first failure is worth a line in the log");
/// assert!(!monitor.down(&"no route to host"));
/// assert!(monitor.up());
/// monitor.close();
/// assert!(!monitor.down(&"closed is final"));
/// assert_eq!(monitor.health(), LogHealth::Closed);
/// ```
#[derive(Debug, Default)]
pub struct LogMonitor {
    health: Mutex<LogHealth>,
    appended: Counter,
    failed: Counter,
    ambiguous: Counter,
}

impl LogMonitor {
    /// Returns the health.
    pub fn health(&self) -> LogHealth {
        self.health.lock().clone()
    }

    /// Returns `true` if the log is closed.
    pub fn is_closed(&self) -> bool {
        *self.health.lock() == LogHealth::Closed
    }

    /// Returns the counters; the lag is 0.
    pub fn stats(&self) -> LogStats {
        LogStats {
            appended: self.appended.get(),
            failed: self.failed.get(),
            ambiguous: self.ambiguous.get(),
            lag: 0,
        }
    }

    /// Records that the log works. Returns `true` if it was down.
    pub fn up(&self) -> bool {
        let mut health = self.health.lock();
        let was_down = matches!(*health, LogHealth::Down { .. });
        if was_down {
            *health = LogHealth::Up;
        }
        was_down
    }

    /// Records a failure. Returns `true` if the log was up.
    pub fn down(&self, error: &dyn fmt::Display) -> bool {
        let mut health = self.health.lock();
        let (since, was_up) = match &*health {
            LogHealth::Up => (Instant::now(), true),
            LogHealth::Down { since, .. } => (*since, false),
            LogHealth::Closed => return false,
        };
        *health = LogHealth::Down { since, error: error.to_string() };
        was_up
    }

    /// Records that the log is closed, which is final.
    pub fn close(&self) {
        *self.health.lock() = LogHealth::Closed;
    }

    /// Counts the result of an append.
    pub fn count(&self, appended: &Result<Appended, AppendError>) {
        use AppendError::{Closed, Conflict, KeyReused};
        match appended {
            Ok(Appended { repeated: false, .. }) => self.appended.add(1),
            Ok(_) | Err(KeyReused { .. } | Conflict { .. } | Closed) => {}
            Err(error) => {
                self.failed.add(1);
                self.ambiguous.add(u64::from(matches!(error, AppendError::Ambiguous(_))));
            }
        }
    }
}
