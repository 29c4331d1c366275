//! Where published events get their order and their ids.

use std::fmt;
use std::pin::Pin;
use std::sync::Weak;

use sse_kit_event::{EncodedEvent, EventId, EventKey, Topic};

use crate::connection::ConnectionId;
use crate::core::Core;

/// A boxed future, as [`Log::append`] returns it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives events their order: what all nodes of a hub share.
///
/// The in-memory form is [`MemoryLog`](crate::MemoryLog). An implementation gives back **every**
/// appended record through its [`Inlet`], those of other nodes included, once each and in the order
/// of their offsets; the broadcaster delivers only what comes back. So all nodes deliver the same
/// order. What it cannot give back any more it says: [`Inlet::lose_through`] where records are gone,
/// [`Inlet::begin_epoch`] where offsets are given anew.
///
/// Whether an implementation does all of that can be tried by the suite in the module `conformance`,
/// which the feature of that name adds.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// Called once, when the broadcaster stands and before anybody can subscribe, on its Tokio
    /// runtime.
    ///
    /// Before it returns the log calls [`Inlet::begin_epoch`], and may deliver what it has from before,
    /// so that clients can resume. It keeps the inlet for all that comes. A task that it starts ends
    /// when the log is dropped, or when the inlet says that the broadcaster has shut down.
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
    /// The connections that are not to get it.
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
    /// handed to. Ids come in order, each once.
    ///
    /// `None` when the broadcaster has shut down: then nobody here gets it.
    pub fn deliver(&self, id: EventId, record: Record) -> Option<usize> {
        self.0.upgrade()?.deliver(id, record)
    }

    /// The log is in this epoch, and the next record comes after this position: called first of all,
    /// and whenever the log was lost and begins anew.
    ///
    /// Open streams are told of a gap, and histories are emptied.
    ///
    /// `None` when the broadcaster has shut down.
    pub fn begin_epoch(&self, position: EventId) -> Option<()> {
        self.0.upgrade()?.begin_epoch(position)
    }

    /// Records up to this offset, as far as they were not delivered, are gone for good: open streams
    /// are told of a gap, and so is whoever resumes from before it.
    ///
    /// `None` when the broadcaster has shut down.
    pub fn lose_through(&self, offset: u64) -> Option<()> {
        self.0.upgrade()?.lose_through(offset)
    }

    /// All there was in the log a moment ago was delivered.
    ///
    /// A shared log calls this whenever it finds that out, at least every few seconds. Who resumed
    /// from after the position of this node has either been caught up with since, or never had such an
    /// event, and is told of a gap.
    pub fn settle(&self) {
        if let Some(core) = self.0.upgrade() {
            core.settle();
        }
    }
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
