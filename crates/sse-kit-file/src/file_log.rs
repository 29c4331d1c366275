//! The log in files.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, IdempotencyWindow, Inlet, Lineage, Log, LogHealth,
    LogPage, LogStats, ReadError, Record,
};
use sse_kit_event::{EventId, Topics};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::catalog::CatalogError;
use crate::config::FileConfig;
use crate::disk::{Directory, Disk};
use crate::error::FileOpenError;
use crate::lock::Lock;
use crate::queue::Waiting;
use crate::record;
use crate::recovery::{self, Store};
use crate::status::{FileStatus, Shared};
use crate::tail::{self, Tail};
use crate::writer::{Held, Writer};

/// The maximum size of an append with its follow-ups, in bytes.
const MAX_APPEND: usize = 16 << 20;

/// The maximum distance of a backfill, in records of all topics. Passing over so many takes some 20 ms
/// if they are small.
const MAX_BACKFILL: u64 = 100_000;

/// The maximum size of the records that a hub reads into its history, in bytes.
const MAX_WARM_UP: usize = 64 << 20;

/// The log of a hub in one process, in files that outlive it.
///
/// Pass it to [`HubBuilder::log`](sse_kit_broadcast::HubBuilder::log). It then starts one thread,
/// which writes; the thread ends with the hub.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_file::{FileConfig, FileLog};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let store = directory.path().join("store");
/// let log = FileLog::open(FileConfig::new(&store)).await?;
/// let monitor = log.monitor(); // for health checks and metrics
/// let hub = Hub::builder().log(log).build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct FileLog {
    shared: Arc<Shared>,
    begin: EventId,
    lineage: Lineage,
    append_deadline: Duration,
    start: Mutex<Option<Start>>,
}

/// The parts of a log that wait for its hub.
#[derive(Debug)]
struct Start {
    tail: Tail,
    keys: IdempotencyWindow,
    records: VecDeque<(u64, Record)>,
    tend_every: Option<Duration>,
    held: Held,
}

/// The newest records of a store.
#[derive(Debug, Default)]
struct WarmUp {
    records: VecDeque<(u64, Record)>,
    bytes: usize,
    keys: IdempotencyWindow,
}

impl FileLog {
    /// Opens the store, or creates it. Waits for its lock if another process has it open.
    ///
    /// # Errors
    ///
    /// [`FileOpenError`] if the directory is not a store, if another process keeps it open, or if the
    /// operating system refuses.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the store may still be opened in the
    /// background; it is then closed at once.
    pub async fn open(config: FileConfig) -> Result<Self, FileOpenError> {
        config.check()?;
        let path = config.directory.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let lock = Lock::take(&config.directory, config.wait)?;
            let disk = Arc::new(Directory(config.directory.clone()));
            Self::open_on(disk, &config, Some(lock))
        });
        opening.await.unwrap_or_else(|error| Err(FileOpenError::Io { path, source: error.into() }))
    }

    /// Opens the store on a disk.
    pub(crate) fn open_on(
        disk: Arc<dyn Disk>,
        config: &FileConfig,
        lock: Option<Lock>,
    ) -> Result<Self, FileOpenError> {
        let Store { catalog, tail, epoch, lineage, is_damaged } = recovery::open(disk, config)?;
        let shared = Arc::new(Shared::new(epoch, catalog));
        let held = Held::new(lock, &shared);
        shared.damaged.add(u64::from(is_damaged));
        let warm_up = WarmUp::read(&shared, config)
            .map_err(|source| FileOpenError::Io { path: config.directory.clone(), source })?;
        let begin = warm_up.records.front().map(|(offset, _)| offset - 1);
        let begin = EventId::new(epoch, begin.unwrap_or(shared.catalog.through()));
        let start = Start {
            tail,
            keys: warm_up.keys,
            records: warm_up.records,
            tend_every: config.max_age.map(|age| age / 8),
            held,
        };
        let append_deadline = config.append_deadline;
        Ok(Self { shared, begin, lineage, append_deadline, start: Mutex::new(Some(start)) })
    }

    /// Returns a handle for health checks and metrics, which works after the hub owns the log.
    pub fn monitor(&self) -> FileStatus {
        FileStatus(Arc::clone(&self.shared))
    }
}

impl Log for FileLog {
    fn position(&self) -> EventId {
        self.begin
    }

    fn lineage(&self) -> Lineage {
        self.lineage.clone()
    }

    fn attach(&self, inlet: Inlet) {
        let Some(start) = self.start.lock().take() else {
            return tracing::error!("this log already serves a hub; open a store for each hub");
        };
        let Start { tail, keys, records, tend_every, held } = start;
        for (offset, record) in records {
            if inlet.deliver(EventId::new(self.shared.epoch, offset), record).is_err() {
                break;
            }
        }
        let shared = Arc::clone(&self.shared);
        let writer = Writer { shared, tail, keys, inlet, tend_every, held };
        let thread = std::thread::Builder::new().name("sse-kit-file".to_owned());
        if let Err(error) = thread.spawn(move || writer.run()) {
            tracing::error!(%error, "the thread that writes the store did not start");
            self.shared.close();
        }
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            let once = append.once.as_ref();
            let follow_ups = append.follow_ups.iter().map(|record| record::size(record, None));
            let bytes = record::size(&append.record, once) + follow_ups.sum::<usize>();
            if bytes > MAX_APPEND {
                return Err(AppendError::TooLarge { bytes, max: MAX_APPEND });
            }
            let (answer, mut answered) = oneshot::channel();
            self.shared.queue.push(Waiting { append, bytes, answer })?;
            match tokio::time::timeout(self.append_deadline, &mut answered).await {
                Ok(Ok(appended)) => appended,
                // The writer answers everything that it takes, unless it panics.
                Ok(Err(error)) => Err(AppendError::Ambiguous(error.into())),
                Err(_elapsed) => answered.try_recv().unwrap_or_else(|_| {
                    let error = io::Error::from(io::ErrorKind::TimedOut);
                    self.shared.down(&error);
                    Err(AppendError::Ambiguous(error.into()))
                }),
            }
        })
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        Box::pin(self.read_for(after, None, limit))
    }

    fn read_topics<'a>(
        &'a self,
        after: EventId,
        topics: &'a Topics,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(self.read_for(after, Some(topics.clone()), limit))
    }

    fn max_backfill(&self) -> u64 {
        MAX_BACKFILL
    }

    fn health(&self) -> LogHealth {
        self.shared.monitor.health()
    }

    fn stats(&self) -> LogStats {
        self.shared.monitor.stats()
    }

    fn close(&self) {
        self.shared.close();
        // A log that never served a hub has no thread that lets the store go.
        drop(self.start.lock().take());
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        let mut has_ended = self.shared.has_ended.subscribe();
        Box::pin(async move {
            // An error would mean that the sender is gone, and this log holds it.
            let _ = has_ended.wait_for(|has_ended| *has_ended).await;
        })
    }
}

impl FileLog {
    async fn read_for(
        &self,
        after: EventId,
        topics: Option<Topics>,
        limit: usize,
    ) -> Result<LogPage, ReadError> {
        let epoch = self.shared.epoch;
        if after.epoch() != epoch {
            return Err(ReadError::NotKept);
        }
        let shared = Arc::clone(&self.shared);
        let read = move || shared.catalog.read(after.offset(), topics.as_ref(), limit);
        let (records, through) = match tokio::task::spawn_blocking(read).await {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(self.not_read(error)),
            Err(error) => return Err(ReadError::Unavailable(error.into())),
        };
        let id = |offset| EventId::new(epoch, offset);
        let records = records.into_iter().map(|(offset, record)| (id(offset), record));
        Ok(LogPage::new(records.collect(), id(through)))
    }

    /// Returns the error for a failed read, and puts a damaged segment aside.
    fn not_read(&self, error: CatalogError) -> ReadError {
        match error {
            CatalogError::NotKept => ReadError::NotKept,
            CatalogError::Damaged { first } => {
                self.shared.damaged.add(1);
                self.shared.catalog.put_aside(first);
                ReadError::NotKept
            }
            CatalogError::Io(_) => ReadError::Unavailable(error.into()),
        }
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl WarmUp {
    /// Reads the newest records, for the history of the hub, and the keys of recent publishes.
    fn read(shared: &Shared, config: &FileConfig) -> io::Result<Self> {
        let (catalog, now) = (&shared.catalog, tail::now());
        let keys_since = now.saturating_sub(millis(IdempotencyWindow::KNOWN_FOR));
        let newest = catalog.through().saturating_sub(config.warm_up);
        loop {
            let with_keys = catalog.first_since(keys_since, MAX_WARM_UP as u64) - 1;
            let after = newest.min(with_keys).max(catalog.first() - 1);
            let mut warm_up = Self::default();
            let read = catalog.visit(after, |offset, time, bytes| {
                if time >= keys_since
                    && let Some(once) = bytes.once()
                {
                    let age = Duration::from_millis(now.saturating_sub(time));
                    let at = Instant::now().checked_sub(age).unwrap_or_else(Instant::now);
                    warm_up.keys.remember(once, offset, at);
                }
                if offset > newest {
                    warm_up.add(offset, bytes.record());
                }
                ControlFlow::Continue(())
            });
            match read {
                Err(CatalogError::Io(error)) => return Err(error),
                Err(CatalogError::Damaged { first }) if first < catalog.through() => {
                    shared.damaged.add(1);
                    catalog.put_aside(first);
                }
                _ => return Ok(warm_up),
            }
        }
    }

    /// Adds a record, and drops the oldest if they are too large together.
    fn add(&mut self, offset: u64, record: Result<Record, record::NoRecord>) {
        let record = match record {
            Ok(record) => record,
            Err(error) => return tracing::error!(offset, %error, "a record is skipped"),
        };
        self.bytes += record.event.len();
        self.records.push_back((offset, record));
        while self.bytes > MAX_WARM_UP
            && let Some((_, oldest)) = self.records.pop_front()
        {
            self.bytes -= oldest.event.len();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
