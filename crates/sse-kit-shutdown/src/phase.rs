//! How far a shutdown has got.

use std::fmt;

/// How far a shutdown has got. A later phase is greater than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Nobody has asked for it.
    Running,
    /// It serves as before, but says that it is not ready: for
    /// [`pre_drain`](crate::ShutdownBuilder::pre_drain).
    Leaving,
    /// It takes no new connections and no new work, and waits for the work that is under way.
    Draining,
    /// Streams are told goodbye.
    Closing,
    /// All streams have been told; those who are slow have the
    /// [`shutdown_delay`](crate::ShutdownBuilder::shutdown_delay) for reading it.
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
