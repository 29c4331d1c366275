//! The answers of a queue: to who offers an event, and to who takes one.

use crate::delivery::Delivery;

/// The fate of an event that was offered.
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

/// The next thing in a queue, or the reason why there is none.
pub(crate) enum Taken {
    Delivery(Delivery),
    /// Nothing is queued, but history has more.
    Behind,
    Nothing,
    End,
}
