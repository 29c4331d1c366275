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
/// appended record through its [`Inlet`], once each and in the order of their offsets; the
/// broadcaster delivers only what comes back. So all nodes deliver the same order.
pub trait Log: Send + Sync + fmt::Debug + 'static {
    /// Called once, before all else: keeps the inlet, and says which position the log is at.
    fn attach(&self, inlet: Inlet) -> EventId;

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
