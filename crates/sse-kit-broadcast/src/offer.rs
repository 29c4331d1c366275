//! What becomes of an event that is offered to a queue, and what is found there.

use crate::delivery::Delivery;

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// It was queued in place of an older one.
    Conflated,
    /// It was queued, and this many older ones were dropped.
    Dropped(usize),
    /// It was not queued, but comes later from history.
    Lagged,
    /// It was not queued, and the connection ends.
    TooSlow,
    /// It is not for this connection, or was handed to it before.
    NotWanted,
}

/// What a subscriber finds.
pub(crate) enum Taken {
    Delivery(Delivery),
    /// Nothing is queued, but history has more.
    Behind,
    Nothing,
    End,
}
