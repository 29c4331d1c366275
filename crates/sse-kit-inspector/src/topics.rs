//! The topics that a page shows.

use std::cmp::Reverse;

use sse_kit_broadcast::{Hub, TopicStats};

use crate::filter::View;
use crate::text::number;

/// The maximum number of topics that a page shows.
const SHOWN: usize = 20;

/// The maximum number of topics that are examined for a page, idle ones too.
const EXAMINED: usize = 16_384;

/// The number of topics that are read at a time, as publishers wait meanwhile.
const AT_A_TIME: usize = 128;

/// The topics that a page shows.
#[derive(Debug, Default)]
pub(crate) struct TopicRows {
    pub(crate) rows: Vec<TopicRow>,
    /// The number of those that match the filter, as far as they were looked at.
    pub(crate) matching: usize,
    /// `true` if not all topics were looked at.
    pub(crate) are_more: bool,
}

#[derive(Debug)]
pub(crate) struct TopicRow {
    pub(crate) topic: String,
    pub(crate) subscribers: String,
    pub(crate) history: String,
    pub(crate) newest: String,
}

impl TopicRows {
    /// Reads the topics with the most subscribers by name. A topic that the filter names is found
    /// however many others there are.
    pub(crate) async fn read(hub: &Hub, view: &View) -> Self {
        let named = view.named_topic().filter(|topic| view.finds([topic.as_str()]));
        let named = named.and_then(|topic| hub.topic(topic));
        if view.is_of_one_topic() {
            let rows: Vec<_> = named.iter().map(TopicRow::new).collect();
            return Self { matching: rows.len(), rows, are_more: false };
        }
        let mut found = Self::examine(hub, view).await;
        if let Some(named) = named
            && found.are_more
            && !found.best.iter().any(|topic| topic.topic == named.topic)
        {
            found.best.insert(0, named);
            found.best.truncate(SHOWN);
        }
        let mut rows = Vec::with_capacity(found.best.len());
        for topic in found.best {
            // With the subscribers by pattern. One that is gone meanwhile is shown as it was.
            rows.push(TopicRow::new(&hub.topic(&topic.topic).unwrap_or(topic)));
            tokio::task::yield_now().await;
        }
        Self { matching: found.matching.max(rows.len()), rows, are_more: found.are_more }
    }

    async fn examine(hub: &Hub, view: &View) -> Found {
        let (mut found, mut examined, mut after) = (Found::default(), 0, None);
        loop {
            let page = hub.topics(view.topic_prefix(), after.as_ref(), AT_A_TIME);
            examined += AT_A_TIME;
            for topic in page.topics {
                if view.wants_topic(&topic.topic) && view.finds([topic.topic.as_str()]) {
                    found.matching += 1;
                    found.best.push(topic);
                }
            }
            keep_best(&mut found.best);
            after = page.next;
            found.are_more = after.is_some();
            if !found.are_more || examined >= EXAMINED {
                return found;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The topics that match a filter.
#[derive(Debug, Default)]
struct Found {
    best: Vec<TopicStats>,
    matching: usize,
    are_more: bool,
}

fn keep_best(topics: &mut Vec<TopicStats>) {
    topics.sort_by(|one, other| {
        let key = |topic: &TopicStats| Reverse(topic.subscribers);
        key(one).cmp(&key(other)).then_with(|| one.topic.cmp(&other.topic))
    });
    topics.truncate(SHOWN);
}

impl TopicRow {
    fn new(stats: &TopicStats) -> Self {
        Self {
            topic: stats.topic.to_string(),
            subscribers: number(stats.subscribers),
            history: number(stats.history),
            newest: stats.newest.map_or_else(|| "–".to_owned(), |id| id.to_string()),
        }
    }
}
