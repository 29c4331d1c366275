//! The error of receivers that follow the hub.

/// The reason why a [`Tap`](crate::Tap) has no next event, or a
/// [`PresenceWatch`](crate::PresenceWatch) no next change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The receiver was slower than the hub, which dropped the oldest messages. The next call
    /// returns the oldest message that is left; a watch of presence has to begin again.
    #[error("the receiver was too slow and missed {missed} messages")]
    Lagged {
        /// The number of missed messages; for a tap, including heartbeats.
        missed: u64,
    },
    /// The hub has shut down or is gone.
    #[error("the hub has shut down")]
    Closed,
}
