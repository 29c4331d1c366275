//! What was published, kept for those who come back.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::{Topic, TopicPattern};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::interest::Key;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) events_per_topic: usize,
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: usize,
}

/// Where an event goes: a topic, or everybody.
pub(crate) type Address = Option<Topic>;

/// What is known of one topic.
#[derive(Debug, Default)]
pub(crate) struct TopicState {
    /// Oldest first. Only ever trimmed from the front.
    entries: VecDeque<Arc<Entry>>,
    /// The offset of the newest event that is no longer there, or may once have been.
    trimmed_through: u64,
    /// The list of those who subscribe to just this topic, while there are any.
    pub(crate) own_list: Option<Key>,
    /// Its number: of two topics the newer one has the higher.
    made: u64,
}

/// The histories of all topics, and what they may cost together.
#[derive(Debug)]
pub(crate) struct History {
    retention: Retention,
    topics: HashMap<Address, TopicState>,
    /// The topics in their order, so that those are found that begin alike.
    names: BTreeSet<Topic>,
    /// The topics by their number, so that those are found that are newer.
    by_age: BTreeMap<u64, Topic>,
    /// The number of the next topic.
    made: u64,
    bytes: usize,
    entries: usize,
    /// Where the entries are, oldest first over all topics. Those that their topic has trimmed
    /// already are skipped when they come to the front.
    order: VecDeque<(u64, Address)>,
    /// The newest trimmed offset of the topics that were forgotten altogether.
    forgotten_through: u64,
}

/// Topics that patterns may match.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    topics: Vec<Address>,
    /// Those that were made since are not among them.
    made_before: u64,
}

impl Candidates {
    /// Leaves those that one of the patterns matches.
    pub(crate) fn matching(mut self, patterns: &[TopicPattern]) -> Self {
        let matches = |topic: &Topic| patterns.iter().any(|pattern| pattern.matches(topic));
        self.topics.retain(|address| address.as_ref().is_some_and(matches));
        self
    }
}

/// What a resuming subscriber is given.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// By offset.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// More than was asked for are missing; these are the oldest of them.
    pub(crate) more: bool,
    /// The newest offset that may be missing for good.
    pub(crate) lost_through: Option<u64>,
}

impl History {
    /// Of a log that is at this offset: what is before it is not here.
    pub(crate) fn new(retention: Retention, begins_after: u64) -> Self {
        Self {
            retention,
            topics: HashMap::new(),
            names: BTreeSet::new(),
            by_age: BTreeMap::new(),
            made: 0,
            bytes: 0,
            entries: 0,
            order: VecDeque::new(),
            forgotten_through: begins_after,
        }
    }

    /// Drops everything, and begins after this offset of another epoch.
    pub(crate) fn begin_anew(&mut self, begins_after: u64) {
        self.order.clear();
        (self.bytes, self.entries) = (0, 0);
        for state in self.topics.values_mut() {
            state.entries.clear();
            state.trimmed_through = begins_after;
        }
        let addresses: Vec<_> = self.topics.keys().cloned().collect();
        for address in &addresses {
            self.forget_if_idle(address);
        }
        self.forgotten_through = begins_after;
    }

    /// The state of a topic, made where there is none.
    ///
    /// A topic that is new here may be one that was forgotten, so what is missing of those may be
    /// missing of it.
    pub(crate) fn topic(&mut self, address: &Address) -> &mut TopicState {
        if !self.topics.contains_key(address) {
            let state = TopicState {
                trimmed_through: self.forgotten_through,
                made: self.made,
                ..TopicState::default()
            };
            self.topics.insert(address.clone(), state);
            if let Some(topic) = address {
                self.names.insert(topic.clone());
                self.by_age.insert(self.made, topic.clone());
                self.made += 1;
            }
        }
        self.topics.get_mut(address).expect("it was just inserted")
    }

    /// Whatever there was up to `offset` may be missing, of any topic.
    pub(crate) fn lose_through(&mut self, offset: u64) {
        self.forgotten_through = offset;
        for state in self.topics.values_mut() {
            state.trimmed_through = offset;
        }
    }

    pub(crate) fn known(&self, address: &Address) -> Option<&TopicState> {
        self.topics.get(address)
    }

    pub(crate) fn known_mut(&mut self, address: &Address) -> Option<&mut TopicState> {
        self.topics.get_mut(address)
    }

    /// How many topics there are, everybody's not among them.
    pub(crate) fn topics(&self) -> usize {
        self.names.len()
    }

    /// How many topics, entries and bytes there are.
    pub(crate) fn size(&self) -> (usize, usize, usize) {
        (self.topics.len(), self.entries, self.bytes)
    }

    pub(crate) fn push(&mut self, entry: &Arc<Entry>, address: &Address) {
        let limit = self.retention.events_per_topic;
        let state = self.topic(address);
        state.entries.push_back(Arc::clone(entry));
        let surplus = (state.entries.len() > limit).then(|| state.trim_front()).flatten();
        self.entries += 1;
        self.bytes += entry.weight();
        self.order.push_back((entry.id.offset(), address.clone()));
        self.account_for(surplus.as_ref());
        self.trim(Instant::now());
        self.forget_if_idle(address);
        if self.order.len() > 2 * self.entries + 64 {
            self.compact();
        }
    }

    /// Drops what is too old or too much.
    pub(crate) fn trim(&mut self, now: Instant) {
        let oldest = self.retention.age.and_then(|age| now.checked_sub(age));
        while let Some((offset, address)) = self.order.front() {
            let front = self.topics.get_mut(address).filter(|state| state.holds(*offset));
            if let Some(state) = front {
                let expired = oldest.is_some_and(|oldest| state.entries[0].at < oldest);
                if !expired && self.bytes <= self.retention.bytes {
                    return;
                }
                let trimmed = state.trim_front();
                let address = address.clone();
                self.account_for(trimmed.as_ref());
                self.forget_if_idle(&address);
            }
            self.order.pop_front();
        }
    }

    /// Forgets a topic that nobody subscribes to and of which nothing is kept.
    pub(crate) fn forget_if_idle(&mut self, address: &Address) {
        let idle = |state: &TopicState| state.entries.is_empty() && state.own_list.is_none();
        if self.topics.get(address).is_some_and(idle) {
            let state = self.topics.remove(address).expect("it was just found");
            if let Some(topic) = address {
                self.names.remove(topic);
                self.by_age.remove(&state.made);
            }
            self.forgotten_through = self.forgotten_through.max(state.trimmed_through);
        }
    }

    /// What was published after `after` to any of `topics`: the oldest `limit` of it.
    ///
    /// Of each topic no more is looked at than may be among the oldest: this runs under the lock that
    /// publishers take, once for each page, and somebody who subscribes to `**` has all topics.
    pub(crate) fn missed<'a>(
        after: u64,
        topics: impl Iterator<Item = &'a TopicState>,
        limit: usize,
    ) -> Missed {
        let mut missed = Missed::default();
        let mut oldest = BTreeMap::new();
        for state in topics {
            missed.lose(state.trimmed_through, after);
            let from = state.entries.partition_point(|entry| entry.id.offset() <= after);
            for entry in state.entries.range(from..) {
                let offset = entry.id.offset();
                if oldest.len() > limit {
                    if oldest.last_key_value().is_some_and(|(last, _)| *last < offset) {
                        break;
                    }
                    oldest.pop_last();
                }
                oldest.insert(offset, entry);
            }
        }
        missed.more = oldest.len() > limit;
        missed.entries = oldest.into_values().take(limit).cloned().collect();
        missed
    }

    /// The newest `limit` events of a topic, oldest first.
    pub(crate) fn newest(&self, address: &Address, limit: usize) -> Vec<Arc<Entry>> {
        let Some(state) = self.topics.get(address) else { return Vec::new() };
        let from = state.entries.len().saturating_sub(limit);
        state.entries.range(from..).cloned().collect()
    }

    /// The newest offset that a subscriber by pattern may miss of topics forgotten meanwhile.
    pub(crate) fn forgotten_through(&self) -> u64 {
        self.forgotten_through
    }

    /// The topics that begin as one of these patterns does.
    pub(crate) fn candidates(&self, patterns: &[TopicPattern]) -> Candidates {
        let mut prefixes: Vec<_> = patterns.iter().map(TopicPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        // What begins as one that begins as a shorter one is found with that.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
        let alike = prefixes.into_iter().flat_map(|prefix| {
            let from = self.names.range::<str, _>((Included(prefix), Unbounded));
            from.take_while(move |topic| topic.as_str().starts_with(prefix))
        });
        Candidates { topics: alike.cloned().map(Some).collect(), made_before: self.made }
    }

    /// The topics that these patterns match: `matched` ones, and those that were made since.
    pub(crate) fn matching<'a>(
        &'a self,
        patterns: &'a [TopicPattern],
        matched: &'a Candidates,
    ) -> impl Iterator<Item = &'a TopicState> {
        let since = self.by_age.range(matched.made_before..).map(|(_, topic)| topic);
        let since = since.filter(|topic| patterns.iter().any(|p| p.matches(topic)));
        let since = since.filter_map(|topic| self.topics.get(&Some(topic.clone())));
        let before = matched.topics.iter().filter_map(|address| self.topics.get(address));
        before.filter(|state| state.made < matched.made_before).chain(since)
    }

    fn account_for(&mut self, trimmed: Option<&Arc<Entry>>) {
        if let Some(entry) = trimmed {
            self.entries -= 1;
            self.bytes -= entry.weight();
        }
    }

    fn compact(&mut self) {
        let topics = &self.topics;
        self.order.retain(|(offset, address)| {
            topics.get(address).is_some_and(|state| {
                state.entries.front().is_some_and(|front| front.id.offset() <= *offset)
            })
        });
    }
}

impl TopicState {
    fn holds(&self, offset: u64) -> bool {
        self.entries.front().is_some_and(|front| front.id.offset() == offset)
    }

    fn trim_front(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.trimmed_through = self.trimmed_through.max(entry.id.offset());
        Some(entry)
    }
}

impl Missed {
    /// Notes that what is at or before `through` is gone, as far as it is after `after`.
    pub(crate) fn lose(&mut self, through: u64, after: u64) {
        if through > after {
            self.lost_through = self.lost_through.max(Some(through));
        }
    }
}

#[cfg(test)]
mod tests {
    use sse_kit_event::{Epoch, Event, EventId};

    use super::*;

    fn entry(offset: u64, address: &Address) -> Arc<Entry> {
        let id = EventId::new(Epoch::new(1), offset);
        Arc::new(Entry {
            id,
            topic: address.clone(),
            key: None,
            except: Box::default(),
            frame: Event::new("x").encode().finish(Some(id)),
            at: Instant::now(),
            compressed: std::sync::OnceLock::new(),
        })
    }

    #[test]
    fn topics_that_come_while_others_are_matched_are_found_once() {
        let retention = Retention { events_per_topic: 1, age: None, bytes: usize::MAX };
        let mut history = History::new(retention, 0);
        let mut offset = 0;
        let mut push = |history: &mut History, names: [&str; 4]| {
            for name in names {
                offset += 1;
                let address = Some(name.parse().unwrap());
                history.push(&entry(offset, &address), &address);
            }
        };
        push(&mut history, ["a:1", "a:2", "b:1", "a1"]);
        let patterns = ["a:*".parse().unwrap(), "a:**:x".parse().unwrap()];
        let matched = history.candidates(&patterns);
        assert_eq!(matched.topics.len(), 2);
        let matched = matched.matching(&patterns);
        // One is forgotten and comes again, one is new, and one gets news.
        history.topic(&Some("a:1".parse().unwrap())).trim_front();
        history.forget_if_idle(&Some("a:1".parse().unwrap()));
        push(&mut history, ["a:1", "a:3", "a:2", "b:2"]);
        let missed = History::missed(4, history.matching(&patterns, &matched), 10);
        let offsets: Vec<_> = missed.entries.iter().map(|entry| entry.id.offset()).collect();
        assert_eq!(offsets, [5, 6, 7]);
        assert_eq!(history.matching(&patterns, &matched).count(), 3);
    }

    #[test]
    fn a_page_is_the_oldest_of_all_topics_whatever_their_order() {
        let retention = Retention { events_per_topic: 100, age: None, bytes: usize::MAX };
        let mut history = History::new(retention, 0);
        let addresses: Vec<Address> =
            (0..7).map(|n| Some(format!("t{n}").parse().unwrap())).collect();
        for offset in 1..=200_u64 {
            // Some topics are loud and some quiet, and none has its turn at regular times.
            let address = &addresses[usize::try_from(offset * offset % 7).unwrap()];
            history.push(&entry(offset, address), address);
        }
        let all = |from: &[Address]| -> Vec<u64> {
            let mut all: Vec<_> = from.iter().flat_map(|a| history.newest(a, 1000)).collect();
            all.sort_unstable_by_key(|entry| entry.id.offset());
            all.iter().map(|entry| entry.id.offset()).collect()
        };
        for from in [&addresses[..], &addresses[1..2], &addresses[2..5]] {
            for order in [from.to_vec(), from.iter().rev().cloned().collect()] {
                for (after, limit) in [(0, 1), (0, 10), (57, 30), (190, 100), (200, 5), (0, 1000)] {
                    let expected: Vec<_> =
                        all(from).into_iter().filter(|offset| *offset > after).collect();
                    let topics = order.iter().filter_map(|address| history.known(address));
                    let missed = History::missed(after, topics, limit);
                    let page: Vec<_> = missed.entries.iter().map(|e| e.id.offset()).collect();
                    assert_eq!(page, expected[..limit.min(expected.len())], "{after}, {limit}");
                    assert_eq!(missed.more, expected.len() > limit, "{after}, {limit}");
                }
            }
        }
    }
}
