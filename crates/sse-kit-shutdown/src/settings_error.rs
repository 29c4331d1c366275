//! Contradictory settings.

use std::time::Duration;

/// The error for settings of a [`ShutdownBuilder`](crate::ShutdownBuilder) that contradict each
/// other: see [`ShutdownBuilder::check`](crate::ShutdownBuilder::check).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The delay is longer than the deadline, which cuts it short: the goodbye is sent immediately.
    #[error(
        "a `shutdown_delay` of {delay:?} does not fit into a `deadline` of {deadline:?}; \
         make the deadline longer or the delay shorter"
    )]
    Delay {
        /// The `shutdown_delay`.
        delay: Duration,
        /// The `deadline`.
        deadline: Duration,
    },
    /// The deadline leaves less time than `pre_drain` asks for.
    #[error(
        "a `pre_drain` of {pre_drain:?} and a `shutdown_delay` of {delay:?} do not fit into a \
         `deadline` of {deadline:?}; make the deadline longer or one of them shorter"
    )]
    PreDrain {
        /// The `pre_drain`.
        pre_drain: Duration,
        /// The `shutdown_delay`.
        delay: Duration,
        /// The `deadline`.
        deadline: Duration,
    },
}
