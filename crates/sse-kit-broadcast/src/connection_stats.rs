//! The progress of one connection.

use sse_kit_event::EventId;
use tokio::time::Instant;

use crate::ending::ConnectionState;

/// A snapshot of a connection: see [`Connection::stats`](crate::Connection::stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// The state.
    pub state: ConnectionState,
    /// The number of events that wait in the queue.
    pub queued: usize,
    /// The size of these events, in bytes.
    pub queued_bytes: usize,
    /// The number of events that the connection has taken from its queue.
    pub sent: u64,
    /// The last position that the client knows, by an event or by a heartbeat.
    pub delivered_through: EventId,
    /// The position in the log that a connection that is behind has reached: it still has to read
    /// the events after it from history. `None` if the connection is not behind.
    pub behind_at: Option<EventId>,
    /// The time of the last event that entered the queue, or the time at which the connection
    /// opened.
    pub last_activity: Instant,
}
