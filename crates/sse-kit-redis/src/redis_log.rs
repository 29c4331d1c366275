//! The log that several nodes share.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Inlet, Log, LogHealth, LogPage, LogStats, ReadError,
};
use sse_kit_event::EventId;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::appender::Appender;
use crate::archive::{self, Archive};
use crate::config::RedisConfig;
use crate::reader::Reader;
use crate::refusal::Refusal;
use crate::status::{RedisStatus, Shared};
use crate::warm_up::WarmUp;

/// The log of a hub on several nodes, as a stream in Redis.
///
/// Pass it to [`HubBuilder::log`](sse_kit_broadcast::HubBuilder::log). It then starts one task that
/// reads the stream; the task ends with the hub.
///
/// ```no_run
/// use sse_kit_broadcast::Hub;
/// use sse_kit_redis::{RedisConfig, RedisLog};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let log = RedisLog::connect(RedisConfig::new("redis://127.0.0.1:6379")?).await?;
/// let hub = Hub::builder().log(log).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RedisLog {
    appender: Arc<Appender>,
    archive: Archive,
    shared: Arc<Shared>,
    start: Mutex<Option<(Reader, WarmUp)>>,
    reading: Mutex<Option<AbortHandle>>,
}

impl RedisLog {
    /// Connects and reads the newest events of the log, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// [`RedisConnectError`] if the settings could duplicate events, if Redis refuses, or if Redis is
    /// unreachable until [`RedisConfig::start_deadline`]. After this call, the log reconnects
    /// without a limit.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the only effect that may remain is that the log was created.
    pub async fn connect(config: RedisConfig) -> Result<Self, RedisConnectError> {
        let (window, shortest) = (config.idempotency, config.shortest_window());
        if window < shortest {
            return Err(RedisConnectError::ShortWindow { window, shortest });
        }
        let (reader, warm_up) =
            begin(&config).await.map_err(|error| RedisConnectError::Redis(error.into()))?;
        let shared = Arc::new(Shared::new(warm_up.begin));
        shared.reads_from(&warm_up.server, 0);
        Ok(Self {
            archive: Archive::new(config.clone(), Arc::clone(&shared)),
            appender: Arc::new(Appender::new(config, Arc::clone(&shared))),
            shared,
            start: Mutex::new(Some((reader, warm_up))),
            reading: Mutex::default(),
        })
    }

    /// Returns a handle for health checks and metrics, which works after the hub owns the log.
    pub fn monitor(&self) -> RedisStatus {
        RedisStatus(Arc::clone(&self.shared))
    }
}

impl Log for RedisLog {
    fn position(&self) -> EventId {
        self.shared.seen()
    }

    fn attach(&self, inlet: Inlet) {
        let Some((reader, warm_up)) = self.start.lock().take() else {
            return tracing::error!("this log already serves a hub; create a log for each hub");
        };
        reader.warm(warm_up.begin, warm_up.entries, &inlet, &self.shared);
        let closing = CloseOnDrop(Arc::clone(&self.shared));
        let reading = reader.run(warm_up.connection, inlet, Arc::clone(&self.shared));
        let reading = async move {
            let _closing = closing;
            reading.await;
        };
        *self.reading.lock() = Some(tokio::spawn(reading).abort_handle());
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            if self.shared.is_closed() {
                return Err(AppendError::Closed);
            }
            self.appender.append(append).await
        })
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        Box::pin(async move {
            let entries = self.archive.read(after, limit).await?;
            let id = |offset| EventId::new(after.epoch(), offset);
            let through = entries.last().map_or(after, |entry| id(entry.offset));
            // All nodes skip entries that are not records.
            let records = entries.into_iter().filter_map(|entry| {
                let record = entry.record.ok()?;
                Some((id(entry.offset), record))
            });
            Ok(LogPage::new(records.collect(), through))
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn max_backfill(&self) -> u64 {
        archive::FURTHEST
    }

    fn health(&self) -> LogHealth {
        self.shared.monitor.health()
    }

    fn stats(&self) -> LogStats {
        self.shared.log_stats()
    }

    fn close(&self) {
        self.shared.close();
    }
}

/// Reports the end of the reader, also when it panics or is aborted.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Drop for RedisLog {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.lock().take() {
            reading.abort();
        }
    }
}

/// Connects and warms up, with retries until the deadline.
async fn begin(config: &RedisConfig) -> redis::RedisResult<(Reader, WarmUp)> {
    /// The pause before the next attempt.
    const PAUSE: Duration = Duration::from_millis(200);

    let deadline = Instant::now() + config.start_deadline;
    let mut is_logged = false;
    loop {
        let error = match Reader::warm_up(config.clone()).await {
            Ok(begun) => return Ok(begun),
            Err(error) => error,
        };
        // Do not retry after a wrong password.
        let is_final = Refusal::from_error(&error) == Some(Refusal::Never);
        if is_final || Instant::now() + PAUSE >= deadline {
            return Err(error);
        }
        if !std::mem::replace(&mut is_logged, true) {
            tracing::warn!(%error, deadline = ?config.start_deadline, "waiting for Redis");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The reason why there is no connection to the log: the error of [`RedisConfig::new`] and
/// [`RedisLog::connect`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisConnectError {
    /// The text is not the address of a Redis server. The message does not have the text, which may
    /// contain a password.
    #[error("not the address of a Redis server; see `RedisConfig::new` for the forms")]
    Address(#[source] Box<dyn Error + Send + Sync>),
    /// The idempotency window is shorter than the time in which the last retry of an append may
    /// arrive.
    #[error(
        "the idempotency window of {window:?} is shorter than an append with its retries may take; \
         set it to at least {shortest:?}"
    )]
    ShortWindow {
        /// The configured window.
        window: Duration,
        /// The shortest safe window.
        shortest: Duration,
    },
    /// Redis is unreachable, or refused.
    #[error("cannot connect to the log in Redis")]
    Redis(#[source] Box<dyn Error + Send + Sync>),
}
