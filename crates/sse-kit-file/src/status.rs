//! The status of a log, for health checks and metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use sse_kit_event::Epoch;

use crate::catalog::Catalog;
use crate::queue::Queue;

/// A handle to the status of a [`FileLog`](crate::FileLog) that a hub owns: see
/// [`FileLog::monitor`](crate::FileLog::monitor). Cloning is cheap.
#[derive(Clone, Debug)]
pub struct FileStatus(pub(crate) Arc<Shared>);

impl FileStatus {
    /// Returns whether the log can be written.
    pub fn health(&self) -> FileHealth {
        self.0.health.lock().clone()
    }

    /// Returns sizes, and the counters since the log was opened.
    pub fn stats(&self) -> FileStats {
        let shared = &self.0;
        let (files, bytes) = shared.catalog.size();
        FileStats {
            files,
            bytes,
            events: (shared.catalog.through() + 1).saturating_sub(shared.catalog.first()),
            appended: shared.appended.get(),
            batches: shared.batches.get(),
            failed: shared.failed.get(),
            ambiguous: shared.ambiguous.get(),
            damaged: shared.damaged.get(),
        }
    }
}

/// The health of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileHealth {
    /// The last write succeeded.
    Up,
    /// The last write failed. Streams stay open and pages resume; each append tries again.
    Down {
        /// The time of the first failure.
        since: Instant,
        /// The last error.
        error: String,
    },
    /// The hub is gone or has shut down.
    Closed,
}

/// Sizes and counters of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct FileStats {
    /// The number of files that hold events.
    pub files: usize,
    /// The size of these files, in bytes.
    pub bytes: u64,
    /// The number of events in the store.
    pub events: u64,
    /// The number of appends that were written.
    pub appended: u64,
    /// The number of batches that they were written in.
    pub batches: u64,
    /// The number of appends that failed, including ambiguous ones.
    pub failed: u64,
    /// The number of appends that may or may not be found when the store is opened again.
    pub ambiguous: u64,
    /// The number of times that a part of the store was damaged and put aside.
    pub damaged: u64,
}

/// The state that the log, its writer and its status handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) epoch: Epoch,
    pub(crate) queue: Queue,
    pub(crate) catalog: Arc<Catalog>,
    health: Mutex<FileHealth>,
    pub(crate) appended: Counter,
    pub(crate) batches: Counter,
    pub(crate) failed: Counter,
    pub(crate) ambiguous: Counter,
    pub(crate) damaged: Counter,
}

impl Shared {
    pub(crate) fn new(epoch: Epoch, catalog: Arc<Catalog>) -> Self {
        Self {
            epoch,
            queue: Queue::default(),
            catalog,
            health: Mutex::new(FileHealth::Up),
            appended: Counter::default(),
            batches: Counter::default(),
            failed: Counter::default(),
            ambiguous: Counter::default(),
            damaged: Counter::default(),
        }
    }

    pub(crate) fn up(&self) {
        let mut health = self.health.lock();
        if matches!(*health, FileHealth::Down { .. }) {
            tracing::info!("the store can be written again");
            *health = FileHealth::Up;
        }
    }

    pub(crate) fn down(&self, error: &std::io::Error) {
        let mut health = self.health.lock();
        let since = match &*health {
            FileHealth::Down { since, .. } => *since,
            FileHealth::Closed => return,
            FileHealth::Up => {
                tracing::error!(%error, "the store could not be written");
                Instant::now()
            }
        };
        *health = FileHealth::Down { since, error: error.to_string() };
    }

    pub(crate) fn close(&self) {
        self.queue.close();
        *self.health.lock() = FileHealth::Closed;
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
