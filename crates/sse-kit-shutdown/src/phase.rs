//! The phases of a shutdown.

use std::fmt;

/// A phase of a shutdown. A later phase is greater than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// The server runs normally; nobody has asked for a shutdown.
    Running,
    /// The server serves as before but reports not ready, for
    /// [`pre_drain`](crate::ShutdownBuilder::pre_drain).
    Leaving,
    /// The server accepts no new connections and no new work, and waits for current work.
    Draining,
    /// The hubs send the goodbye to their streams.
    Closing,
    /// All streams were sent the goodbye. Slow clients have the
    /// [`shutdown_delay`](crate::ShutdownBuilder::shutdown_delay) to read it.
    Closed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Leaving => "leaving",
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Closed => "closed",
        })
    }
}
