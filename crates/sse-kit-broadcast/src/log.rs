//! Where published events get their order and their ids.

use std::fmt;

use futures_core::future::BoxFuture;
use sse_kit_event::{EventId, IdempotencyKey};

use crate::inlet::Inlet;
use crate::record::{Append, Record};

/// Gives events their order: what all nodes of a hub share.
///
/// The in-memory form is [`MemoryLog`](crate::MemoryLog). The hub delivers only what comes
/// back through the [`Inlet`], so all nodes deliver the same, in the same order. An implementation
/// sees to this:
///
/// - **All of it.** Every record after [`Log::position`] is handed to the inlet, whichever node
///   appended it, this one included.
/// - **Once each, in order.** Offsets grow from one record to the next, by one where no append fails.
///   A hole is borne, and means nothing. What is handed in a second time, or too late, is refused.
/// - **One at a time.** Two calls at the same time would race for the ledger's lock. The inlet may be
///   called from any thread, and under a lock of the log, but never from within another call of it.
/// - **No silent loss.** When the log begins anew (its store was wiped, say, or restored to what it
///   was before), so that offsets may be given again, it goes on in a new epoch, one that was never
///   used before, on all nodes: [`Inlet::begin_epoch`]. When records were trimmed before this node had
///   read them, it says so: [`Inlet::mark_lost_through`].
/// - **No id without a record.** [`Log::append`] says that it failed only when the record is surely
///   not in the log, or that it does not know. `Appended` may come before or after the record comes
///   back.
/// - **All or nothing.** A record and its follow-ups are appended together, with nothing between, or
///   not at all; so are they when the terms of the [`Append`] are not met.
/// - **In the order of the first polls.** Of two appends of one node that the log can carry out at
///   once, that one comes first whose future was polled first. After a failure, when a log tries
///   again by itself, there is no such promise.
///
/// The bytes of a record travel by [`EncodedEvent::as_bytes`], and are checked on the other side by
/// [`EncodedEvent::parse`].
///
/// [`EncodedEvent::as_bytes`]: sse_kit_event::EncodedEvent::as_bytes
/// [`EncodedEvent::parse`]: sse_kit_event::EncodedEvent::parse
///
/// Whether an implementation does all of that can be tried by the suite in the module `conformance`,
/// which the feature of that name adds.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// The position that the hub begins at: its history begins behind it, and every record
    /// after it comes through the inlet. Called once, before [`Log::attach`].
    fn position(&self) -> EventId;

    /// Takes the inlet, which works from now on. Called once, when the hub is complete, on its
    /// Tokio runtime, and before any [`Log::append`].
    ///
    /// What the log has from before, it delivers before it returns: so clients can resume from the first
    /// moment on. A task that it starts ends when the log is dropped, or when the inlet says that the
    /// hub has shut down.
    fn attach(&self, inlet: Inlet);

    /// Appends a record at the next offset, and its follow-ups right after it.
    ///
    /// # Errors
    ///
    /// [`AppendError`] says whether the records may have been written nevertheless.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the records may or may not be appended: all of
    /// them, or none.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>>;

    /// Reads at most `limit` records after one that it had, the oldest first: for clients that have been
    /// away for longer than the history of this node reaches back, where the log keeps more than that.
    ///
    /// # Errors
    ///
    /// [`ReadError`] says why it cannot. A log that keeps nothing for this leaves the method as it is.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<Page, ReadError>> {
        let _ = (after, limit);
        Box::pin(std::future::ready(Err(ReadError::NotKept)))
    }

    /// Whether other nodes deliver from this log too. Then a client may come from one that is further
    /// than this one, which is no error: see [`Inlet::caught_up`].
    fn is_shared(&self) -> bool {
        false
    }

    /// The hub has shut down: appends fail from now on. May be called again.
    fn close(&self) {}
}

/// The outcome of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The id of the record. Its follow-ups have the ids that come next.
    pub id: EventId,
    /// The number of subscriptions on this node that were handed the record, where it has come back
    /// from the log already.
    pub receivers: Option<usize>,
    /// The same publish was appended before, under this id; this time nothing was.
    pub repeated: bool,
}

/// A part of the log, as it is read again.
#[derive(Debug)]
pub struct Page {
    /// The records, in order, with their ids.
    pub records: Vec<(EventId, Record)>,
    /// Every record up to here is among them.
    pub through: EventId,
}

/// Why a log was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It does not have what came right after that record, or not any more.
    #[error("the log does not reach back so far")]
    NotKept,
    /// It cannot be reached.
    #[error("the log cannot be read")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why a record was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The log cannot be reached; the record was surely not written.
    #[error("the log is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log did not answer; the record may have been written.
    #[error("the log did not say whether it took the event")]
    Ambiguous(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The log has no room.
    #[error("the log is full")]
    Full,
    /// The record is larger than the log takes.
    #[error("the log takes events of at most {max} bytes, not {bytes}")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
        /// The largest that it takes.
        max: usize,
    },
    /// The log knows the idempotency key, for the same audience, with something else to publish; the
    /// record was not written.
    #[error("the idempotency key `{key}` was used for another event")]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
    },
    /// The log has a newer record for this audience than the publisher expected; the record was not
    /// written.
    #[error("the newest event there is {newest}, not {expected}")]
    Conflict {
        /// The id that the publisher expected to be the newest, or newer.
        expected: EventId,
        /// An id that is at least as new as the newest record for this audience.
        newest: EventId,
    },
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}
