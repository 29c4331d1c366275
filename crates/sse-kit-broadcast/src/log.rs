//! Where published events get their order and their ids.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use sse_kit_event::{EncodedEvent, EventId, EventKey, IdempotencyKey, Topic};

use crate::connection::ConnectionId;
use crate::core::Core;

/// A boxed future, as [`Log::append`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives events their order: what all nodes of a hub share.
///
/// The in-memory form is [`MemoryLog`](crate::MemoryLog). The broadcaster delivers only what comes
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
///   read them, it says so: [`Inlet::lose_through`].
/// - **No id without a record.** [`Log::append`] says that it failed only when the record is surely
///   not in the log, or that it does not know. `Appended` may come before or after the record comes
///   back.
///
/// A record that travels is written by [`EncodedEvent::finish`] without an id; a decoder and
/// [`Event::encode`](sse_kit_event::Event::encode) make it again. Or else its bytes travel
/// ([`EncodedEvent::as_bytes`]), and are checked on the other side ([`EncodedEvent::parse`]).
///
/// Whether an implementation does all of that can be tried by the suite in the module `conformance`,
/// which the feature of that name adds.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// The position that the broadcaster begins at: its history begins behind it, and every record
    /// after it comes through the inlet. Called once, before [`Log::attach`].
    fn position(&self) -> EventId;

    /// Takes the inlet, which works from now on. Called once, when the broadcaster is complete, on its
    /// Tokio runtime, and before any [`Log::append`].
    ///
    /// What the log has from before, it delivers before it returns: so clients can resume from the first
    /// moment on. A task that it starts ends when the log is dropped, or when the inlet says that the
    /// broadcaster has shut down.
    fn attach(&self, inlet: Inlet);

    /// Appends a record at the next offset.
    ///
    /// # Errors
    ///
    /// [`AppendError`] says whether the record may have been written nevertheless.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the record may or may not be appended.
    fn append(&self, record: Record) -> BoxFuture<'_, Result<Appended, AppendError>>;

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
    /// than this one, which is no error: see [`Inlet::settle`].
    fn is_shared(&self) -> bool {
        false
    }

    /// The broadcaster has shut down: appends fail from now on. May be called again.
    fn close(&self) {}
}

/// What is appended to a log.
#[derive(Debug)]
pub struct Record {
    /// The topic; `None` is everybody.
    pub topic: Option<Topic>,
    /// The key for conflation.
    pub key: Option<EventKey>,
    /// The connections that are not to get it, in any order.
    pub except: Box<[ConnectionId]>,
    /// The event, complete but for its id.
    pub event: EncodedEvent,
    /// Which publish it is of. A log that has taken one with the same key lately gives that one's id, and
    /// appends nothing. What is handed back need not have it.
    pub once: Option<IdempotencyKey>,
}

/// What is known of a record once it is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its id.
    pub id: EventId,
    /// How many subscriptions here it was handed to, when it has come back from the log already.
    pub receivers: Option<usize>,
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

/// The way back from a log to the broadcaster that it is attached to.
#[derive(Debug)]
pub struct Inlet(pub(crate) Weak<Core>);

impl Inlet {
    /// Delivers a record that stands in the log at `id`, and returns how many connections it was
    /// handed to.
    ///
    /// # Errors
    ///
    /// [`InletError`] when nobody here gets it: the broadcaster has shut down, or the id is none that
    /// may come next.
    pub fn deliver(&self, id: EventId, record: Record) -> Result<usize, InletError> {
        self.core()?.deliver(id, record)
    }

    /// Goes on in a new epoch, at `position`: what follows it comes through this inlet.
    ///
    /// All history is dropped, as its ids mean nothing any more. Every open stream is told once, by
    /// a gap that ends at `position`, after the events that wait for it; so is every client that
    /// comes back with an id of an earlier epoch.
    ///
    /// # Errors
    ///
    /// [`InletError`] when the broadcaster has shut down, or the epoch is the one it is in.
    pub fn begin_epoch(&self, position: EventId) -> Result<(), InletError> {
        self.core()?.begin_epoch(position)
    }

    /// Records up to this offset, as far as they were not delivered, are gone for good: open streams
    /// are told of a gap, and so is whoever resumes from before it.
    ///
    /// # Errors
    ///
    /// [`InletError`] when the broadcaster has shut down.
    pub fn lose_through(&self, offset: u64) -> Result<(), InletError> {
        self.core()?.lose_through(offset)
    }

    /// All there was in the log a moment ago was delivered.
    ///
    /// A shared log calls this whenever it finds that out, at least every few seconds. Who resumed
    /// from after the position of this node has either been caught up with since, or never had such an
    /// event, and is told of a gap.
    pub fn settle(&self) {
        if let Ok(core) = self.core() {
            core.settle();
        }
    }

    fn core(&self) -> Result<Arc<Core>, InletError> {
        self.0.upgrade().ok_or(InletError::Closed)
    }
}

/// Why nothing came of what a log had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InletError {
    /// The broadcaster has shut down.
    #[error("the broadcaster has shut down")]
    Closed,
    /// The id does not come after the position, or is of another epoch; or the epoch has begun
    /// already.
    #[error("{id} does not follow {position}")]
    OutOfOrder {
        /// What was handed in.
        id: EventId,
        /// Where the broadcaster is.
        position: EventId,
    },
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
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}
