//! The log: orders published events and assigns their ids.

use std::fmt;

use futures_core::future::BoxFuture;
use sse_kit_event::{EventId, IdempotencyKey, Topics};

use crate::inlet::Inlet;
use crate::lineage::Lineage;
use crate::log_status::{LogHealth, LogStats};
use crate::record::{Append, Record};

/// The ordered record of events that all nodes of a hub share.
///
/// [`MemoryLog`](crate::MemoryLog) is the in-memory implementation. A hub delivers only what the
/// log passes to its [`Inlet`], so all nodes deliver the same events in the same order. An
/// implementation promises:
///
/// - **Complete.** The log passes every record after [`Log::position`] to the inlet, no matter
///   which node appended it, including this one.
/// - **Once each, in order.** Offsets increase from one record to the next, by one unless an append
///   fails. The hub tolerates holes; they have no meaning. It rejects records that arrive twice or
///   too late.
/// - **One at a time.** Two simultaneous calls would race for the lock of the hub's state. The log
///   may call the inlet from any thread, and under a lock of its own, but never from within another
///   call of the inlet.
/// - **No silent loss.** If the log starts over (its store was wiped, or restored to an earlier
///   state), offsets may be reused. The log then begins a new epoch on all nodes, one that was
///   never used before: [`Inlet::begin_epoch`], or [`Inlet::begin_epoch_after`] if it can prove
///   which records the old and the new epoch share. If records were trimmed before this node read
///   them, the log reports that: [`Inlet::mark_lost_through`].
/// - **No id without a record.** [`Log::append`] reports a failure only if the record is certainly
///   not in the log, or reports that it does not know. It may return before or after the record
///   reaches the inlet.
/// - **All or nothing.** A record and its follow-ups are appended together, with nothing in
///   between, or not at all. If the conditions of the [`Append`] do not hold, nothing is appended.
/// - **In the order of the first polls.** Of two concurrent appends of one node, the one whose
///   future was polled first comes first. This does not hold for appends that the log retries by
///   itself after a failure.
///
/// Send the bytes of a record as [`EncodedEvent::as_bytes`] and validate them on the other side
/// with [`EncodedEvent::parse`].
///
/// [`EncodedEvent::as_bytes`]: sse_kit_event::EncodedEvent::as_bytes
/// [`EncodedEvent::parse`]: sse_kit_event::EncodedEvent::parse
///
/// The module `conformance`, behind the feature of that name, tests whether an implementation keeps
/// these promises.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// Returns the position at which the hub starts. Its history starts after it, and every later
    /// record goes through the inlet. The hub calls this once, before [`Log::attach`].
    fn position(&self) -> EventId;

    /// Returns the earlier epochs that the epoch of [`Log::position`] continues. The hub calls this
    /// once, before [`Log::attach`]. A client of an earlier epoch that has seen only shared records
    /// resumes; one that has seen more gets a gap.
    ///
    /// A log may return only what it can prove. The default is none: every client of another epoch
    /// gets a gap.
    fn lineage(&self) -> Lineage {
        Lineage::default()
    }

    /// Connects the log to the hub; the inlet accepts records from now on. The hub calls this once,
    /// when it is complete, on its Tokio runtime, and before any [`Log::append`].
    ///
    /// The log must deliver its existing records before it returns, so that clients can resume
    /// immediately. A task that it starts must end when the log is dropped, or when the inlet
    /// reports that the hub has shut down.
    fn attach(&self, inlet: Inlet);

    /// Appends a record at the next offset, and its follow-ups directly after it.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; its variant says whether the records may have been written nevertheless.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, either all of the records are appended or
    /// none.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Reads at most `limit` records after `after`, oldest first.
    ///
    /// The hub drops the future if the whole backfill of a client, which may take several reads, is
    /// not complete after 10 s. The client then gets a gap.
    ///
    /// # Errors
    ///
    /// [`ReadError`]. The default implementation, for a log that keeps no records, always returns
    /// [`ReadError::NotKept`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: reading changes nothing.
    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        let _ = (after, limit);
        Box::pin(std::future::ready(Err(ReadError::NotKept)))
    }

    /// Reads as [`Log::read`] does, and may leave out records that are not for these topics. The hub
    /// uses this to backfill clients that resume from before this node's history.
    ///
    /// [`Topics::include`] says which records the page must have. It is complete up to
    /// [`LogPage::through`], which may be far beyond its last record: a log that finds the records of
    /// some topics without reading all others reads further in one page. The default reads all
    /// records.
    ///
    /// # Errors
    ///
    /// The same as [`Log::read`].
    ///
    /// # Cancel safety
    ///
    /// The same as [`Log::read`].
    fn read_topics<'a>(
        &'a self,
        after: EventId,
        topics: &'a Topics,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        let _ = topics;
        self.read(after, limit)
    }

    /// Returns the maximum distance of a backfill, in records of all topics, from the client's last
    /// event to the position of the node. A client that is further behind gets a gap without any
    /// read. Default: 10,000.
    ///
    /// Reading that far must take much less than 10 s, because many clients resume at the same time.
    fn max_backfill(&self) -> u64 {
        10_000
    }

    /// Returns `true` if other nodes deliver from this log too. A client may then resume from a
    /// node that is ahead of this one, which is not an error: see [`Inlet::caught_up`].
    fn is_shared(&self) -> bool {
        false
    }

    /// Returns whether the log works. The default, for a log that cannot fail, is [`LogHealth::Up`].
    ///
    /// A log that can fail keeps a [`LogMonitor`](crate::LogMonitor).
    fn health(&self) -> LogHealth {
        LogHealth::Up
    }

    /// Returns the counters since the log was created. The default counts nothing.
    fn stats(&self) -> LogStats {
        LogStats::default()
    }

    /// Closes the log, because the hub has shut down; later appends fail. The hub may call this
    /// more than once.
    fn close(&self) {}

    /// Waits until the log has written everything that was appended before it was
    /// [closed](Log::close), and has released its resources: another process can open it. The
    /// default, for a log that has nothing to write, does not wait.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the log completes its work anyway.
    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The result of an append.
///
/// ```
/// use sse_kit_broadcast::Appended;
///
/// let appended = Appended::new("5f-12".parse()?).with_receivers(3);
/// assert_eq!((appended.receivers, appended.repeated), (Some(3), false));
/// assert!(Appended::repeated("5f-12".parse()?).repeated);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The id of the record. Its follow-ups have the next ids.
    pub id: EventId,
    /// The number of subscriptions on this node that receive the record; `None` if the log has not
    /// delivered it yet.
    pub receivers: Option<usize>,
    /// `true` if the same publish was appended before, with this id; nothing was appended now.
    pub repeated: bool,
}

impl Appended {
    /// Creates the result of an append whose record the log has not delivered yet.
    pub fn new(id: EventId) -> Self {
        Self { id, receivers: None, repeated: false }
    }

    /// Creates the result of an append that was made before.
    pub fn repeated(id: EventId) -> Self {
        Self { id, receivers: Some(0), repeated: true }
    }

    /// Sets the number of subscriptions on this node that receive the record.
    #[must_use]
    pub fn with_receivers(self, receivers: usize) -> Self {
        Self { receivers: Some(receivers), ..self }
    }
}

/// A page of records read from the log.
///
/// ```
/// use sse_kit_broadcast::LogPage;
///
/// // A log that has no more records says up to where that is certain.
/// let page = LogPage::new(Vec::new(), "5f-12".parse()?);
/// assert!(page.records.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct LogPage {
    /// The records with their ids, in order.
    pub records: Vec<(EventId, Record)>,
    /// The id up to which the page is complete.
    pub through: EventId,
}

impl LogPage {
    /// Creates a page that is complete up to and including `through`.
    pub fn new(records: Vec<(EventId, Record)>, through: EventId) -> Self {
        Self { records, through }
    }
}

/// The reason why a log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log does not hold, or no longer holds, the record directly after the requested position.
    #[error("the log no longer holds the requested records")]
    NotKept,
    /// The log is unreachable.
    #[error("the log could not be read")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The reason why a record was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The log is unreachable; the record was certainly not written.
    #[error("the log is unavailable; nothing was written, so retry later")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log did not answer; the record may have been written.
    #[error(
        "the log did not confirm the event, which may have been written; retry with an idempotency key"
    )]
    Ambiguous(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log is full; the record was not written.
    #[error("the log is full; nothing was written")]
    Full,
    /// The record is larger than the limit of the log.
    #[error("the event has {bytes} bytes; the log accepts at most {max}")]
    TooLarge {
        /// The size of the record, in bytes.
        bytes: usize,
        /// The maximum size, in bytes.
        max: usize,
    },
    /// The log knows the idempotency key with other content for the same audience; the record was
    /// not written.
    #[error("the idempotency key `{key}` was already used for another event; choose a new key")]
    KeyReused {
        /// The idempotency key.
        key: IdempotencyKey,
    },
    /// The log has a newer record for this audience than the publisher expected; the record was not
    /// written.
    #[error("the newest event is {newest}, not {expected}; read the state again and retry")]
    Conflict {
        /// The newest id that the publisher expected.
        expected: EventId,
        /// An upper bound for the newest id of a record for this audience.
        newest: EventId,
    },
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}
