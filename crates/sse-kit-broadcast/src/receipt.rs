//! The result of a publish.

use sse_kit_event::EventId;

/// The result of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id of the event. With [`Reach::ThisNode`] the event has no id, and this is the position
    /// of the node.
    pub id: EventId,
    /// The reach of the event: all nodes, or this node.
    pub reach: Reach,
    /// The number of connections on this node that receive the event. If the log delivers it at another
    /// time, the number of its subscribers when the log confirmed it. 0 for a repeated publish.
    pub receivers: usize,
    /// `true` if an earlier publish with the same idempotency key was accepted with this id;
    /// nothing was published now.
    pub repeated: bool,
}

/// The reach of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// The event is in the log: all subscribers on every node receive it.
    Everywhere,
    /// The log did not accept the event. The current subscribers of this node receive it at most
    /// once, without an id. See [`OnAppendFailure::DeliverLocally`].
    ThisNode,
}

/// The policy for an event that the log certainly did not accept, because it is unavailable or
/// full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnAppendFailure {
    /// The publish fails, and the event is not delivered.
    #[default]
    Fail,
    /// The current subscribers of this node receive the event at most once. It has no id, is in no
    /// history, and reaches no other node. The receipt has [`Reach::ThisNode`].
    ///
    /// Use it for events that are soon outdated, such as progress. An event that may have been
    /// written is never delivered this way, because it would arrive twice. So a publish with an
    /// idempotency key fails: an earlier attempt may have been written. A publish with
    /// [`Hub::if_newest`](crate::Hub::if_newest) fails as well, because only the log knows the newest
    /// event.
    DeliverLocally,
}
