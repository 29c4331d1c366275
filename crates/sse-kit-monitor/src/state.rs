//! What a connection is like.

use std::fmt;

/// What a connection is like, as far as the page can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// The page is asking for its stream, for the first time.
    Connecting,
    /// The stream is there.
    Live,
    /// The stream is there, but nothing has come for longer than heartbeats take.
    Stale,
    /// The stream was lost, and the page tries again.
    Reconnecting,
    /// The page is hidden, and holds no stream until it is shown. htmx 4 does so.
    Paused,
    /// The browser has no network.
    Offline,
    /// There is no stream, and none will come.
    Closed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Live,
        Self::Stale,
        Self::Reconnecting,
        Self::Paused,
        Self::Offline,
        Self::Closed,
    ];

    /// What `data-state` says.
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

    /// What people are told, unless the page says something else.
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
