//! The results of offering to a queue and taking from it.

use crate::delivery::Delivery;

/// The result of offering an event to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// The event was queued and replaced an older one with the same key.
    Conflated,
    /// The event was queued, and this many older events were dropped.
    Dropped(usize),
    /// The event was not queued; the connection gets it from history later.
    Lagged,
    /// The event was not queued, and the connection ends.
    TooSlow,
    /// The event is not for this connection, or the queue already had it.
    NotWanted,
}

/// The result of taking from a queue.
pub(crate) enum Taken {
    Delivery(Delivery),
    /// The queue is empty, but history has more.
    Behind,
    Nothing,
    End,
}
