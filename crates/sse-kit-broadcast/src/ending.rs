//! States of a connection, and reasons for its end.

use std::time::Duration;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The connection receives events as they are published.
    Live,
    /// The connection is behind and receives missed events from history.
    CatchingUp,
    /// The connection is ending: it may take the queued items and nothing more.
    Ending,
    /// The connection is gone.
    Closed,
}

/// The reason why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client went away: the [`Subscription`](crate::Subscription) was dropped.
    ClientGone,
    /// The connection was too slow, and its policy is
    /// [`SlowConsumer::Disconnect`](crate::SlowConsumer::Disconnect).
    TooSlow,
    /// Another connection opened with the same id.
    Replaced,
    /// The app ended the connection.
    Disconnected,
    /// The stream reached its maximum age: see
    /// [`Subscription::finish`](crate::Subscription::finish).
    Expired,
    /// The hub shut down.
    Shutdown,
}

/// The instruction to a client whose stream the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goodbye {
    /// The client should reconnect after a random delay of at most `within`, so that clients do not
    /// reconnect all at once.
    ComeBack {
        /// The maximum delay.
        within: Duration,
    },
    /// The client should not reconnect.
    StayAway,
}
