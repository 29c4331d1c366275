//! The states of a connection.

use std::fmt;

/// The state of a connection, as the page sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// The page is requesting its stream for the first time.
    Connecting,
    /// The stream is open.
    Live,
    /// The stream is open, but has been silent for longer than the heartbeat timeout.
    Stale,
    /// The stream was lost, and the page is reconnecting.
    Reconnecting,
    /// The page is hidden and holds no stream until it is shown again, as htmx 4 does.
    Paused,
    /// The browser has no network.
    Offline,
    /// The stream is closed, and the page will not reconnect.
    Closed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Live,
        Self::Stale,
        Self::Reconnecting,
        Self::Paused,
        Self::Offline,
        Self::Closed,
    ];

    /// Returns the value of the attribute `data-state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Reconnecting => "reconnecting",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::Closed => "closed",
        }
    }

    /// Returns the default text for people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::Live => "Live",
            Self::Stale => "No sign of life",
            Self::Reconnecting => "Reconnecting",
            Self::Paused => "Paused",
            Self::Offline => "Offline",
            Self::Closed => "Closed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
