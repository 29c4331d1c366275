//! Where published events get their order and their ids.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};

use sse_kit_event::{EncodedEvent, EventId, EventKey, Topic};

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
/// - **Once each, in order.** Offsets grow from one record to the next. They may have holes, where
///   nothing was appended. What is handed in a second time, or too late, is refused.
/// - **One at a time.** Two calls at the same time would race for the ledger's lock. The inlet may be
///   called from any thread, and under a lock of the log, but never from within another call of it.
/// - **No silent loss.** When records are lost for good, or the log begins anew (a store was
///   restored, say, or trimmed before this node had read it), it goes on in a new epoch, one that
///   was never used before, on all nodes: [`Inlet::begin_epoch`].
/// - **No id without a record.** [`Log::append`] says that it failed only when the record is surely
///   not in the log, or that it does not know. `Appended` may come before or after the record comes
///   back.
///
/// A record that travels is written by [`EncodedEvent::finish`] without an id; a decoder and
/// [`Event::encode`](sse_kit_event::Event::encode) make it again.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// The position that the broadcaster begins at: its history begins behind it, and every record
    /// after it comes through the inlet. Called once, before [`Log::attach`].
    fn position(&self) -> EventId;

    /// Takes the inlet, which works from now on. Called once, when the broadcaster is complete, and
    /// before any [`Log::append`].
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
}

/// What is known of a record once it is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its id.
    pub id: EventId,
    /// How many subscriptions here it was handed to, when it has come back from the log already.
    pub receivers: Option<usize>,
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
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}
