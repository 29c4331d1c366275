//! What the publisher of an event learns.

use sse_kit_event::EventId;

/// The outcome of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id that the event was given. With [`Reach::ThisNode`] it has none, and this is the position
    /// of the node.
    pub id: EventId,
    /// Who gets it.
    pub reach: Reach,
    /// The number of connections of this node that it was handed to; where the log hands it back only
    /// later, the number that subscribed to its topics when it was appended. 0 when it is repeated.
    pub receivers: usize,
    /// The same publish, by its idempotency key, had been taken before under this id; this time nothing
    /// was published.
    pub repeated: bool,
}

/// How far an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// It is in the log: all subscribers get it, on every node.
    Everywhere,
    /// The log did not take it: the subscribers that this node has now get it, at most once, without an
    /// id. See [`OnAppendFailure::DeliverLocally`].
    ThisNode,
}

/// What happens to an event that the log surely did not take, because it is not there or is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnAppendFailure {
    /// Publishing fails, and nobody gets the event.
    #[default]
    Fail,
    /// The subscribers that this node has now get it, at most once; it has no id, is in no history, and
    /// no other node hears of it. The receipt says [`Reach::ThisNode`].
    ///
    /// For events that are stale in a moment, such as progress. An event that may have been written
    /// is never delivered so, as it would come twice.
    DeliverLocally,
}
