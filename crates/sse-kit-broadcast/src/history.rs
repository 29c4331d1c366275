//! The limits of history over all topics.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::{Topic, Topics};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::ledger::{Ledger, Share};
use crate::log_order::{LogOrder, Place, Segment};
use crate::topic_table::{TopicKey, TopicState, TopicTable};

/// The maximum number of expired entries dropped at once, or of topics looked at. Many entries may expire at the same
/// moment, and publishers wait meanwhile.
const MAX_EXPIRED: usize = 256;

/// The limits of history.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    pub(crate) events_per_topic: usize,
    /// The number of events for some topics. The first entry that covers a topic counts.
    pub(crate) events_by_topic: Vec<(Topics, usize)>,
    pub(crate) age: Option<Duration>,
    /// The age for some topics. The first entry that covers a topic counts.
    pub(crate) age_by_topic: Vec<(Topics, Option<Duration>)>,
    pub(crate) bytes: usize,
}

/// The limits of the history of one topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: usize,
    pub(crate) age: Option<Duration>,
}

impl Retention {
    /// Returns `true` if events expire on any topic.
    pub(crate) fn expires(&self) -> bool {
        self.age.is_some() || self.age_by_topic.iter().any(|(_, age)| age.is_some())
    }

    /// Returns the limits of a topic; `None` is everyone.
    fn limits_of(&self, topic: Option<&Topic>) -> Limits {
        Limits {
            events: first_that_covers(&self.events_by_topic, topic)
                .unwrap_or(self.events_per_topic),
            age: first_that_covers(&self.age_by_topic, topic).unwrap_or(self.age),
        }
    }
}

fn first_that_covers<T: Copy>(rules: &[(Topics, T)], topic: Option<&Topic>) -> Option<T> {
    let topic = topic?;
    rules.iter().find(|(topics, _)| topics.cover(topic)).map(|(_, limit)| *limit)
}

/// The order and the total size of all entries in history. The entries themselves are stored with
/// their topics.
#[derive(Debug)]
pub(crate) struct History {
    retention: Retention,
    /// The bytes of topics and entries, without compressed forms.
    bytes: usize,
    /// The bytes of compressed forms, which streams add.
    compressed: Arc<Ledger>,
    entries: usize,
    /// The place of each entry, oldest first over all topics. The newest trimmed entry of each
    /// topic keeps its place, so that a reader finds out that it is missing. Other unneeded places
    /// are dropped when there are many.
    order: LogOrder,
    /// The newest offset that any topic has trimmed.
    trimmed_through: u64,
    /// The number of entries that were trimmed.
    trims: u64,
    /// The topics whose events expire, at most once each, by a lower bound for the moment at which their
    /// oldest entry does.
    expiries: BinaryHeap<Reverse<(Instant, TopicKey)>>,
}

impl History {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            bytes: 0,
            compressed: Arc::default(),
            entries: 0,
            order: LogOrder::default(),
            trimmed_through: 0,
            trims: 0,
            expiries: BinaryHeap::new(),
        }
    }

    /// Drops all places. [`TopicTable::begin_epoch`] drops the entries.
    pub(crate) fn begin_epoch(&mut self) {
        // The topics stay, and know that they have an expiry.
        let (trims, expiries) = (self.trims, std::mem::take(&mut self.expiries));
        *self = Self { trims, expiries, ..Self::new(self.retention.clone()) };
    }

    /// Drops everything after this offset: the log has lost it, and assigns its offsets again.
    pub(crate) fn drop_after(&mut self, topics: &mut TopicTable, offset: u64) {
        let keys: Vec<_> = self.order.after(offset).map(|place| place.key).collect();
        for key in keys {
            let Some(state) = topics.get_mut(key) else { continue };
            while let Some(entry) = state.drop_back_after(offset) {
                self.entries -= 1;
                self.bytes -= weight_that_leaves(state, &entry);
            }
            topics.note_idle(key);
        }
        topics.lower_losses_to(offset);
        self.order.retain(|place| place.offset <= offset);
        self.trimmed_through = self.trimmed_through.min(offset);
    }

    /// Returns the number of entries, and the bytes that they and their topics take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries, self.bytes + self.compressed.bytes())
    }

    /// Returns the account of compressed forms.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.compressed
    }

    /// Returns the newest offset that any topic has trimmed.
    pub(crate) fn trimmed_through(&self) -> u64 {
        self.trimmed_through
    }

    /// Returns the number of entries that were trimmed so far.
    pub(crate) fn trims(&self) -> u64 {
        self.trims
    }

    /// Returns the places of all entries after `offset`, oldest first.
    pub(crate) fn after(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.after(offset)
    }

    /// Returns the places of all entries before `offset`, newest first.
    pub(crate) fn before(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.before(offset)
    }

    /// Returns the sealed segment that contains the next place after `offset`, if that place is
    /// sealed.
    pub(crate) fn segment_after(&self, offset: u64) -> Option<Segment> {
        self.order.sealed_after(offset)
    }

    /// Adds an entry to a topic, then drops entries that exceed the limits.
    pub(crate) fn push(&mut self, topics: &mut TopicTable, key: TopicKey, entry: &Arc<Entry>) {
        let state = &mut topics[key];
        self.bytes += weight_that_enters(state, entry);
        state.push(entry);
        let limits = state.limits(|topic| self.retention.limits_of(topic));
        let surplus = state.entries().len() > limits.events;
        self.entries += 1;
        self.order.push(Place::new(key, state.name().cloned(), entry));
        if surplus {
            self.trim_topic(state, key);
        }
        self.expiries.extend(next_expiry(state, key));
        // Do this before other topics become idle: otherwise this topic could be the one that is
        // forgotten.
        topics.note_idle(key);
        self.trim(topics, entry.at);
        let needed = self.entries + topics.known();
        if self.order.len() > 2 * needed + 64 {
            let state = |key| topics.get(key);
            let is_needed =
                |place: &Place| state(place.key).is_some_and(|state| state.needs(place.offset));
            self.order.compact(is_needed);
        }
        if self.expiries.len() > 2 * needed + 64 {
            // Some topics were forgotten since.
            self.expiries.retain(|Reverse((_, key))| topics.get(*key).is_some());
        }
    }

    /// Drops a bounded number of expired entries, and entries beyond the size limit. Returns `true` if
    /// expired entries remain.
    pub(crate) fn trim(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let has_more = self.trim_by_age(topics, now);
        self.trim_by_size(topics);
        has_more
    }

    fn trim_by_age(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let mut budget = MAX_EXPIRED;
        while let Some(Reverse((at, _))) = self.expiries.peek()
            && *at < now
        {
            if budget == 0 {
                return true;
            }
            let Some(Reverse((_, key))) = self.expiries.pop() else { break };
            let Some(state) = topics.get_mut(key) else {
                budget -= 1;
                continue;
            };
            state.has_expiry = false;
            let before = budget;
            while budget > 0 && state.oldest_expires().is_some_and(|at| at < now) {
                self.trim_topic(state, key);
                budget -= 1;
            }
            self.expiries.extend(next_expiry(state, key));
            topics.note_idle(key);
            budget = budget.min(before - 1);
        }
        false
    }

    fn trim_by_size(&mut self, topics: &mut TopicTable) {
        while let Some(Place { offset, key, .. }) = self.order.oldest() {
            let (offset, key) = (*offset, *key);
            let front = topics.get_mut(key).filter(|state| state.begins_with(offset));
            if let Some(state) = front {
                if self.bytes + self.compressed.bytes() <= self.retention.bytes {
                    return;
                }
                self.trim_topic(state, key);
                topics.note_idle(key);
            }
            self.order.pass_oldest();
        }
    }

    /// Drops the oldest entry of a topic.
    fn trim_topic(&mut self, state: &mut TopicState, key: TopicKey) {
        if let Some(entry) = state.trim_front(self.trims + 1) {
            self.order.trim(entry.id().offset(), key);
            self.entries -= 1;
            self.bytes -= weight_that_leaves(state, &entry);
            self.trims += 1;
            self.trimmed_through = self.trimmed_through.max(entry.id().offset());
        }
    }
}

/// Returns the expiry of a topic that has none yet, if its oldest entry expires.
fn next_expiry(state: &mut TopicState, key: TopicKey) -> Option<Reverse<(Instant, TopicKey)>> {
    if state.has_expiry {
        return None;
    }
    let at = state.oldest_expires()?;
    state.has_expiry = true;
    Some(Reverse((at, key)))
}

/// The memory of an entry's place in the order of the log, and in its topic. Trimmed entries leave half as
/// many places behind, on average, until these are dropped together.
const PLACE: usize = size_of::<Place>() * 3 / 2 + size_of::<Arc<Entry>>() * 3 / 2;

/// Returns the bytes that history grows by when a topic gets this entry next. An event of several topics
/// counts once.
fn weight_that_enters(state: &TopicState, entry: &Entry) -> usize {
    let topic = if state.entries().is_empty() { state.weight() } else { 0 };
    let is_new = entry.share().is_none_or(Share::enter);
    topic + PLACE + if is_new { entry.weight() } else { 0 }
}

/// Returns the bytes that history shrinks by, now that a topic has lost this entry.
fn weight_that_leaves(state: &TopicState, entry: &Entry) -> usize {
    let topic = if state.entries().is_empty() { state.weight() } else { 0 };
    let is_gone = entry.share().is_none_or(Share::leave);
    topic + PLACE + if is_gone { entry.weight() } else { 0 }
}

#[cfg(test)]
mod tests {
    use sse_kit_event::{Epoch, Event, EventId};

    use super::*;
    use crate::record::Record;

    #[test]
    fn the_places_of_trimmed_events_are_bounded() {
        const BYTES: usize = 1 << 20;
        let retention = Retention {
            events_per_topic: 50,
            events_by_topic: Vec::new(),
            age: None,
            age_by_topic: Vec::new(),
            bytes: BYTES,
        };
        let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
        for offset in 1..=60_000 {
            // A few are busy and drop by their number, the others by the size of all.
            let name = if offset % 2 == 0 { offset % 10 } else { offset % 777 };
            let topic: Topic = format!("t:{name}").parse().unwrap();
            let record = Record::new(&topic, Event::new("x").encode());
            let entry = Arc::new(Entry::new(EventId::new(Epoch::new(1), offset), record));
            let key = topics.find_or_insert(&topic);
            history.push(&mut topics, key, &entry);
            let needed = history.entries + topics.known();
            assert!(history.order.len() <= 3 * needed + 1000, "{offset}: {}", history.order.len());
        }
        assert!(history.entries > 1000 && history.bytes <= BYTES);
    }

    fn push(history: &mut History, topics: &mut TopicTable, offset: u64, name: &str) {
        let topic: Topic = name.parse().unwrap();
        let record = Record::new(&topic, Event::new("x").encode());
        let entry = Arc::new(Entry::new(EventId::new(Epoch::new(1), offset), record));
        let key = topics.find_or_insert(&topic);
        history.push(topics, key, &entry);
    }

    /// Each topic is looked at once, however many events it has, and one that was forgotten not at all.
    #[test]
    fn expiries_are_bounded_by_topics_and_not_by_events() {
        let day = Duration::from_secs(86_400);
        let mut history = History::new(Retention {
            events_per_topic: 10,
            events_by_topic: Vec::new(),
            age: Some(day),
            age_by_topic: vec![("kept".parse::<Topic>().unwrap().into(), None)],
            bytes: 10_000,
        });
        let mut topics = TopicTable::new(0);
        for offset in 1..1_000 {
            push(&mut history, &mut topics, offset, "kept");
        }
        assert_eq!(history.expiries.len(), 0, "they never expire");
        for offset in 1_000..2_000 {
            push(&mut history, &mut topics, offset, "one");
        }
        assert_eq!(history.expiries.len(), 1);
        for offset in 2_000..100_000 {
            push(&mut history, &mut topics, offset, &format!("t{offset}"));
            let bound = 2 * (history.entries + topics.known()) + 64;
            assert!(history.expiries.len() <= bound, "{} of {bound}", history.expiries.len());
        }
        let later = Instant::now() + day * 2;
        while history.trim(&mut topics, later) {}
        assert_eq!((history.size(), history.expiries.len()), ((0, 0), 0));
    }

    #[test]
    fn events_of_a_new_epoch_expire_too() {
        let mut history = History::new(Retention {
            events_per_topic: 10,
            events_by_topic: Vec::new(),
            age: Some(Duration::from_secs(1)),
            age_by_topic: Vec::new(),
            bytes: 10_000,
        });
        let mut topics = TopicTable::new(0);
        push(&mut history, &mut topics, 1, "one");
        history.begin_epoch();
        topics.begin_epoch(0);
        push(&mut history, &mut topics, 1, "one");
        history.trim(&mut topics, Instant::now() + Duration::from_secs(2));
        assert_eq!(history.size(), (0, 0));
    }
}
