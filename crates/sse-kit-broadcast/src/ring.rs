//! The ring between the log and those few that need all of it: the fan-out tasks, and taps.

use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::EventId;

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::ending::Goodbye;
use crate::entry::Entry;
use crate::lists::ListIds;

/// A message on the ring, in the order of the log.
///
/// When a reader lags behind, the oldest messages give way. So a message may get lost, and a reader
/// that finds this out puts all its connections behind; what must not get lost stands in the queues.
#[derive(Clone, Debug)]
pub(crate) enum RingMessage {
    /// An event of the log, and the lists it goes to.
    Entry(Arc<Entry>, ListIds),
    /// An event that the log did not take.
    Unlogged(Arc<UnloggedEvent>),
    /// A heartbeat; all events up to this position went before it.
    Heartbeat(EventId),
    /// All events went before it that these connections are to get before they end.
    Drained(Arc<[Arc<Connection>]>),
    /// The end of all streams. Nothing follows, so nothing overtakes it.
    End(Option<Goodbye>),
}

/// An event that the log did not take, for those who subscribe just now.
#[derive(Debug)]
pub(crate) struct UnloggedEvent {
    pub(crate) frame: Bytes,
    pub(crate) lists: ListIds,
    pub(crate) except: ConnectionSet,
}
