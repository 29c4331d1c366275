//! The settings of a store.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::FileOpenError;

/// The settings of a [`FileLog`](crate::FileLog).
///
/// The limits are kept by deleting whole files, so the log may hold a quarter less than a limit
/// allows. A page that resumes from before the oldest event gets a gap.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_file::FileConfig;
///
/// let config = FileConfig::new("store").max_age(Duration::from_secs(7 * 24 * 3600));
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings are used when a log is opened"]
pub struct FileConfig {
    pub(crate) directory: PathBuf,
    pub(crate) sync: SyncMode,
    pub(crate) max_bytes: u64,
    pub(crate) max_events: Option<u64>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) warm_up: u64,
    pub(crate) wait: Duration,
    pub(crate) append_deadline: Duration,
}

/// The failures that an acknowledged event survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SyncMode {
    /// The end of the process, and of the machine: each batch is on the disk before it is delivered
    /// and acknowledged.
    #[default]
    Always,
    /// The end of the process, such as a deploy or a crash: each batch is handed to the operating
    /// system. A loss of power may cost the last seconds; pages that have seen them get a gap.
    Process,
}

impl FileConfig {
    /// The smallest value for [`FileConfig::max_bytes`]: 1 MiB.
    pub const MIN_BYTES: u64 = 1 << 20;

    /// Creates the default settings for a store in this directory. It is created if it does not
    /// exist; put it on a volume that outlives the container.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            sync: SyncMode::default(),
            max_bytes: 256 << 20,
            max_events: None,
            max_age: None,
            warm_up: 10_000,
            wait: Duration::from_secs(30),
            append_deadline: Duration::from_secs(10),
        }
    }

    /// Sets the failures that an acknowledged event survives. Default: the end of the process and
    /// of the machine.
    pub fn sync(self, mode: SyncMode) -> Self {
        Self { sync: mode, ..self }
    }

    /// Sets the maximum size of the store, in bytes. Default: 256 MiB. The minimum is
    /// [`FileConfig::MIN_BYTES`].
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: bytes, ..self }
    }

    /// Sets the maximum number of events in the store, at least 1. Default: no limit.
    pub fn max_events(self, events: u64) -> Self {
        Self { max_events: Some(events), ..self }
    }

    /// Sets the maximum age of events in the store. An event may stay up to an eighth longer.
    /// Default: no limit.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Sets the number of events that a hub reads into its history when it starts. Default: 10,000;
    /// at most 64 MiB of them are read. Pages that resume from further back are served from the
    /// files.
    pub fn warm_up(self, events: u64) -> Self {
        Self { warm_up: events, ..self }
    }

    /// Sets the maximum time to wait while another process has the store open, as the process
    /// before has during a deploy. Default: 30 s.
    pub fn wait_for_lock(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Sets the maximum time that an append waits for a disk that hangs. After it, the append is
    /// ambiguous: it is still written when the disk works again, and a retry with an idempotency key
    /// finds it. Default: 10 s.
    pub fn append_deadline(self, deadline: Duration) -> Self {
        Self { append_deadline: deadline, ..self }
    }

    pub(crate) fn check(&self) -> Result<(), FileOpenError> {
        let limits = [
            ("max_bytes", self.max_bytes, Self::MIN_BYTES),
            ("max_events", self.max_events.unwrap_or(1), 1),
        ];
        for (setting, value, min) in limits {
            if value < min {
                return Err(FileOpenError::TooSmall { setting, value, min });
            }
        }
        Ok(())
    }

    /// Returns the size at which a segment is full, in bytes.
    pub(crate) fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 8).min(8 << 20)
    }

    /// Returns the number of events at which a segment is full.
    pub(crate) fn segment_events(&self) -> u64 {
        self.max_events.map_or(u64::MAX, |events| (events / 8).max(1))
    }

    /// Returns the age at which a segment is full, in milliseconds.
    pub(crate) fn segment_millis(&self) -> u64 {
        self.max_millis().map_or(u64::MAX, |millis| (millis / 8).max(1))
    }

    /// Returns the maximum age in milliseconds.
    pub(crate) fn max_millis(&self) -> Option<u64> {
        self.max_age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
    }
}
