//! The log that several nodes share.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Inlet, Lineage, Log, LogHealth, LogPage, LogStats,
    ReadError,
};
use sse_kit_event::{ConnectionId, EventId, Topics};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::appender::Appender;
use crate::archive::{self, Archive};
use crate::batch;
use crate::config::PostgresConfig;
use crate::error::{PostgresConnectError, described};
use crate::link::Link;
use crate::page::LogRow;
use crate::queue::Waiting;
use crate::reader::{self, Reader};
use crate::status::{PostgresStatus, Shared};
use crate::warm_up::WarmUp;

/// The log of a hub in PostgreSQL, which several nodes share.
///
/// Pass it to [`HubBuilder::log`](sse_kit_broadcast::HubBuilder::log). It then starts two tasks, one that
/// reads and one that appends; they end with the hub.
///
/// ```no_run
/// use sse_kit_broadcast::Hub;
/// use sse_kit_postgres::{PostgresConfig, PostgresLog};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let config = PostgresConfig::new("postgres://app@127.0.0.1/shop")?;
/// let hub = Hub::builder().log(PostgresLog::connect(config).await?).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct PostgresLog {
    config: PostgresConfig,
    archive: Archive,
    shared: Arc<Shared>,
    begin: EventId,
    lineage: Lineage,
    start: Mutex<Option<Start>>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// The parts of a log that wait for its hub.
#[derive(Debug)]
struct Start {
    link: Link,
    rows: VecDeque<LogRow>,
}

impl PostgresLog {
    /// Connects and reads the newest events of the log. Creates the schema `sse` if the database has
    /// none: see [`PostgresConfig::without_migration`].
    ///
    /// # Errors
    ///
    /// [`PostgresConnectError`] if PostgreSQL refuses, if the schema does not fit, or if PostgreSQL is
    /// unreachable until [`PostgresConfig::start_deadline`]. After this call, the log reconnects without
    /// a limit.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the only effect that may remain is that the schema was created.
    pub async fn connect(config: PostgresConfig) -> Result<Self, PostgresConnectError> {
        let node =
            ConnectionId::random().map_err(|error| PostgresConnectError::Postgres(error.into()))?;
        let WarmUp { link, begin, place, lineage, rows } = begin(&config, node.as_str()).await?;
        let shared = Arc::new(Shared::new(node.as_str(), place));
        Ok(Self {
            archive: Archive::new(config.clone(), Arc::clone(&shared)),
            config,
            shared,
            begin,
            lineage,
            start: Mutex::new(Some(Start { link, rows })),
            tasks: Mutex::default(),
        })
    }

    /// Returns a handle for health checks and metrics, which works after the hub owns the log.
    pub fn monitor(&self) -> PostgresStatus {
        PostgresStatus(Arc::clone(&self.shared))
    }
}

impl Log for PostgresLog {
    fn position(&self) -> EventId {
        self.begin
    }

    fn lineage(&self) -> Lineage {
        self.lineage.clone()
    }

    fn attach(&self, inlet: Inlet) {
        let Some(Start { link, rows }) = self.start.lock().take() else {
            return tracing::error!("this log already serves a hub; create a log for each hub");
        };
        for row in rows {
            let id = EventId::new(self.begin.epoch(), row.offset);
            if reader::deliver(id, row, &inlet, &self.shared).is_err() {
                break;
            }
        }
        let (config, shared) = (&self.config, &self.shared);
        let appender = Appender::new(config.clone(), Arc::clone(shared));
        let reader = Reader::new(config.clone(), inlet, Arc::clone(shared), self.lineage.clone());
        let tasks = [tokio::spawn(appender.run()), tokio::spawn(reader.run(link))];
        self.tasks.lock().extend(tasks.iter().map(tokio::task::JoinHandle::abort_handle));
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            let appended = self.append_by_deadline(append).await;
            self.shared.monitor.count(&appended);
            appended
        })
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        Box::pin(self.archive.read(after, None, limit))
    }

    fn read_topics<'a>(
        &'a self,
        after: EventId,
        topics: &'a Topics,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(self.archive.read(after, Some(topics), limit))
    }

    fn max_backfill(&self) -> u64 {
        archive::FURTHEST
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn health(&self) -> LogHealth {
        self.shared.monitor.health()
    }

    fn stats(&self) -> LogStats {
        self.shared.log_stats()
    }

    fn close(&self) {
        self.shared.close();
        // A log that never served a hub has no task that ends.
        if self.start.lock().take().is_some() {
            self.shared.has_ended.send_replace(true);
        }
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        let mut has_ended = self.shared.has_ended.subscribe();
        Box::pin(async move {
            // An error would mean that the sender is gone, and this log holds it.
            let _ = has_ended.wait_for(|has_ended| *has_ended).await;
        })
    }
}

impl PostgresLog {
    async fn append_by_deadline(&self, append: Append) -> Result<Appended, AppendError> {
        batch::check_size(&append)?;
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + self.config.append_deadline;
        self.shared.queue.push(Waiting { append, deadline, answer })?;
        // The appender answers all that it takes by the deadline, and it alone knows whether an attempt may
        // have been written. A timeout of our own could only guess. It is gone if the hub was dropped.
        answered.await.unwrap_or_else(|error| Err(AppendError::Ambiguous(error.into())))
    }
}

impl Drop for PostgresLog {
    fn drop(&mut self) {
        self.close();
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
    }
}

/// Connects and warms up, with retries until the deadline.
async fn begin(config: &PostgresConfig, node: &str) -> Result<WarmUp, PostgresConnectError> {
    /// The pause before the next attempt.
    const PAUSE: Duration = Duration::from_millis(200);

    let deadline = Instant::now() + config.start_deadline;
    let mut is_logged = false;
    loop {
        let error = match WarmUp::read(config, node).await {
            Ok(warm_up) => return Ok(warm_up),
            Err(error) => error,
        };
        // Do not retry after a wrong password.
        if error.is_final() || Instant::now() + PAUSE >= deadline {
            return Err(error);
        }
        if !std::mem::replace(&mut is_logged, true) {
            let error = described(&error);
            tracing::warn!(error, deadline = ?config.start_deadline, "waiting for PostgreSQL");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
