//! The status of a log, for health checks and metrics.

use std::sync::Arc;

use sse_kit_broadcast::{Counter, LogHealth, LogMonitor, LogStats};
use sse_kit_event::Epoch;
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::queue::Queue;

/// A handle to the status of a [`FileLog`](crate::FileLog) that a hub owns: see
/// [`FileLog::monitor`](crate::FileLog::monitor). Cloning is cheap.
#[derive(Clone, Debug)]
pub struct FileStatus(pub(crate) Arc<Shared>);

impl FileStatus {
    /// Returns whether the last write succeeded. After a failure, each append tries again.
    pub fn health(&self) -> LogHealth {
        self.0.monitor.health()
    }

    /// Returns sizes, and the counters since the log was opened.
    pub fn stats(&self) -> FileStats {
        let shared = &self.0;
        let (files, bytes) = shared.catalog.size();
        let LogStats { appended, failed, ambiguous, .. } = shared.monitor.stats();
        FileStats {
            files,
            bytes,
            events: (shared.catalog.through() + 1).saturating_sub(shared.catalog.first()),
            appended,
            batches: shared.batches.get(),
            failed,
            ambiguous,
            damaged: shared.damaged.get(),
        }
    }
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
    pub(crate) monitor: LogMonitor,
    pub(crate) batches: Counter,
    pub(crate) damaged: Counter,
    /// `true` once the store is no longer open.
    pub(crate) has_ended: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(epoch: Epoch, catalog: Arc<Catalog>) -> Self {
        Self {
            epoch,
            queue: Queue::default(),
            catalog,
            monitor: LogMonitor::default(),
            batches: Counter::default(),
            damaged: Counter::default(),
            has_ended: watch::Sender::default(),
        }
    }

    pub(crate) fn up(&self) {
        if self.monitor.up() {
            tracing::info!("the store can be written again");
        }
    }

    pub(crate) fn down(&self, error: &std::io::Error) {
        if self.monitor.down(error) {
            tracing::error!(%error, "the store could not be written");
        }
    }

    pub(crate) fn close(&self) {
        self.queue.close();
        self.monitor.close();
    }
}
