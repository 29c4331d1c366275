//! The ring from the log to the fan-out tasks and the taps.

use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::EventId;

use crate::connection::Connection;
use crate::connection_set::ConnectionSet;
use crate::ending::Goodbye;
use crate::entry::Entry;
use crate::lists::ListIds;

/// A message on the fan-out ring, read by every shard task and every [`Tap`](crate::Tap), in log
/// order.
///
/// If a reader lags, the oldest messages are dropped. The reader notices and makes all its
/// connections catch up from history. State that must not be lost is in the queues instead.
#[derive(Clone, Debug)]
pub(crate) enum RingMessage {
    /// An event of the log and the lists that it goes to.
    Entry(Arc<Entry>, ListIds),
    /// An event that the log did not accept.
    Unlogged(Arc<UnloggedEvent>),
    /// A heartbeat. All events up to this position precede it.
    Heartbeat(EventId),
    /// The end of a drain batch: every event that these connections still get precedes it.
    Drained(Arc<[Arc<Connection>]>),
    /// The end of all streams. It is the last message.
    End(Option<Goodbye>),
}

/// An event that the log did not accept, for the current subscribers.
#[derive(Debug)]
pub(crate) struct UnloggedEvent {
    pub(crate) frame: Bytes,
    pub(crate) lists: ListIds,
    pub(crate) except: ConnectionSet,
}
