//! How a connection fares, and how it ends.

use std::time::Duration;

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The connection is given events as they are published.
    Live,
    /// The connection is behind, and is given from history what it missed.
    CatchingUp,
    /// The connection is being ended: it may take what is queued, and nothing more.
    Ending,
    /// The connection is gone.
    Closed,
}

/// The reason why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The [`Subscription`](crate::Subscription) was dropped: the client went away.
    ClientGone,
    /// The connection could not keep up, and its policy was to be ended then.
    TooSlow,
    /// Another connection was opened with the same id.
    Replaced,
    /// The app ended the connection.
    Disconnected,
    /// The stream reached its greatest age: see [`Subscription::finish`](crate::Subscription::finish).
    Expired,
    /// The hub shut down.
    Shutdown,
}

/// The last word to a client whose stream the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Goodbye {
    /// The client should come back, after a random time of at most `within`, so that not all come at
    /// once.
    ComeBack {
        /// The longest time.
        within: Duration,
    },
    /// The client should stay away.
    StayAway,
}
