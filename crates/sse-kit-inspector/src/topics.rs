//! The topics that a page shows.

use std::cmp::Reverse;

use sse_kit_broadcast::{Hub, TopicStats};

use crate::filter::View;
use crate::text::{number, shortened};

/// The maximum number of topics that a page shows, and of those that it looks at.
const SHOWN: usize = 20;
const EXAMINED: usize = 4_096;

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
    /// Reads the topics with the most subscribers.
    pub(crate) async fn read(hub: &Hub, view: &View) -> Self {
        let (mut best, mut matching, mut examined) = (Vec::new(), 0, 0);
        let mut after = None;
        let are_more = loop {
            let page = hub.topics(after.as_ref(), AT_A_TIME);
            let Some(last) = page.last() else { break false };
            after = Some(last.topic.clone());
            examined += page.len();
            let is_last = page.len() < AT_A_TIME;
            for topic in page {
                if view.wants_topic(&topic.topic) && view.finds([topic.topic.as_str()]) {
                    matching += 1;
                    best.push(topic);
                }
            }
            keep_best(&mut best);
            if is_last || examined >= EXAMINED {
                break !is_last;
            }
            tokio::task::yield_now().await;
        };
        Self { rows: best.iter().map(TopicRow::new).collect(), matching, are_more }
    }
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
            topic: shortened(stats.topic.as_str(), 200),
            subscribers: number(stats.subscribers),
            history: number(stats.history),
            newest: stats.newest.map_or_else(|| "–".to_owned(), |id| id.to_string()),
        }
    }
}
