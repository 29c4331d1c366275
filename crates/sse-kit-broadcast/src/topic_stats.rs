//! The size of one topic.

use sse_kit_event::{EventId, Topic};

/// A topic that has subscribers or a history: see [`Hub::topics`](crate::Hub::topics).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The topic.
    pub topic: Topic,
    /// The number of connections that subscribe to it, by name or by pattern.
    pub subscribers: usize,
    /// The number of its events in history.
    pub history: usize,
    /// The newest of these events.
    pub newest: Option<EventId>,
}
