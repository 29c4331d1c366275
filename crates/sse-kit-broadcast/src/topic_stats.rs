//! The size of one topic.

use std::collections::VecDeque;
use std::sync::Arc;

use sse_kit_event::{EventId, Topic};

use crate::entry::Entry;

/// A topic that has subscribers or a history: see [`Hub::topics`](crate::Hub::topics) and
/// [`Hub::topic`](crate::Hub::topic).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The topic.
    pub topic: Topic,
    /// The number of connections that subscribe to it: in a page of many topics those that do by
    /// name; of one topic also those that do by pattern, each counted once.
    pub subscribers: usize,
    /// The number of its events in history.
    pub history: usize,
    /// The newest of these events.
    pub newest: Option<EventId>,
}

impl TopicStats {
    pub(crate) fn new(topic: Topic, subscribers: usize, entries: &VecDeque<Arc<Entry>>) -> Self {
        let newest = entries.back().map(|entry| entry.id());
        Self { topic, subscribers, history: entries.len(), newest }
    }
}

/// A page of topics: see [`Hub::topics`](crate::Hub::topics).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicPage {
    /// The topics that have subscribers by name or a history, in alphabetical order.
    pub topics: Vec<TopicStats>,
    /// The topic after which the next page begins; `None` if this is the last page.
    pub next: Option<Topic>,
}
