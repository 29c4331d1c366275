//! The limits of history over all topics.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use sse_kit_event::{Topic, Topics};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::ledger::{Ledger, Share};
use crate::log_order::{LogOrder, Place, Segment};
use crate::topic_table::{TopicKey, TopicState, TopicTable};

/// The number of entries dropped at once, or of topics looked at. Many entries may expire at the same moment, and
/// streams may compress much of history between two events; publishers wait meanwhile.
const MAX_DROPPED: usize = 256;

/// The number of bytes that an event drops for each byte that it adds, if history is too large. With its
/// compressed forms, of which it has at most five, it grows to less, so history shrinks with each event.
const DROPPED_PER_ADDED: usize = 8;

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
    /// The topics with entries that expire, once each, by a lower bound for the moment at which their oldest
    /// entry does: [`TopicState::expires_at`].
    expiries: BTreeSet<(Instant, TopicKey)>,
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
            expiries: BTreeSet::new(),
        }
    }

    /// Drops all places. [`TopicTable::begin_epoch`] drops the entries.
    pub(crate) fn begin_epoch(&mut self) {
        *self = Self { trims: self.trims, ..Self::new(self.retention.clone()) };
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
            self.update_expiry(state, key);
            topics.note_idle(key);
        }
        topics.lower_losses_to(offset);
        self.order.retain(|place| place.offset <= offset);
        self.trimmed_through = self.trimmed_through.min(offset);
    }

    /// Returns the number of entries, and the bytes that they and their topics take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries, self.bytes + self.expiries.len() * EXPIRY + self.compressed.bytes())
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
        let added = self.add(topics, key, entry);
        self.fit(topics, entry.at, added);
    }

    /// Adds an entry to one of its topics, and drops the oldest one of the topic if it has too many. Returns
    /// the number of bytes added. After the last topic, [`History::fit`] must follow.
    pub(crate) fn add(
        &mut self,
        topics: &mut TopicTable,
        key: TopicKey,
        entry: &Arc<Entry>,
    ) -> usize {
        let state = &mut topics[key];
        let weight = weight_that_enters(state, entry);
        self.bytes += weight;
        state.push(entry);
        let limits = state.limits(|topic| self.retention.limits_of(topic));
        let surplus = state.entries().len() > limits.events;
        self.entries += 1;
        self.order.push(Place::new(key, state.name().cloned(), entry));
        if surplus {
            self.trim_topic(state, key);
        }
        self.update_expiry(state, key);
        // Do this before other topics become idle: otherwise this topic could be the one that is
        // forgotten.
        topics.note_idle(key);
        weight
    }

    /// Drops entries that exceed the limits over all topics, after so many bytes were added. Between two topics
    /// of an event it is too early: in the second one the event may take the place of another one.
    pub(crate) fn fit(&mut self, topics: &mut TopicTable, now: Instant, added: usize) {
        self.trim_by_age(topics, now);
        self.trim_by_size(topics, added * DROPPED_PER_ADDED);
        let needed = self.entries + topics.known();
        if self.order.len() > 2 * needed + 64 {
            let state = |key| topics.get(key);
            let is_needed =
                |place: &Place| state(place.key).is_some_and(|state| state.needs(place.offset));
            self.order.compact(is_needed);
        }
    }

    /// Drops a bounded number of expired entries, and of entries beyond the size limit. Returns `true` if more
    /// remain.
    pub(crate) fn trim(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let is_too_old = self.trim_by_age(topics, now);
        let is_too_large = self.trim_by_size(topics, 0);
        is_too_old || is_too_large
    }

    fn trim_by_age(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let mut budget = MAX_DROPPED;
        while let Some(&(at, key)) = self.expiries.first()
            && at < now
        {
            if budget == 0 {
                return true;
            }
            self.expiries.pop_first();
            let Some(state) = topics.get_mut(key) else { continue };
            state.expires_at = None;
            let before = budget;
            while budget > 0 && state.oldest_expires().is_some_and(|at| at < now) {
                self.trim_topic(state, key);
                budget -= 1;
            }
            self.update_expiry(state, key);
            topics.note_idle(key);
            budget = budget.min(before - 1);
        }
        false
    }

    /// Drops the oldest entries until the size is within its limit, or until it has dropped [`MAX_DROPPED`]
    /// entries and `enough` bytes. Returns `true` if more remain.
    fn trim_by_size(&mut self, topics: &mut TopicTable, enough: usize) -> bool {
        let (trims, bytes) = (self.trims, self.bytes);
        while let Some(Place { offset, key, .. }) = self.order.oldest() {
            let (offset, key) = (*offset, *key);
            let front = topics.get_mut(key).filter(|state| state.begins_with(offset));
            if let Some(state) = front {
                if self.size().1 <= self.retention.bytes {
                    return false;
                }
                let dropped = usize::try_from(self.trims - trims).unwrap_or(usize::MAX);
                if dropped >= MAX_DROPPED && bytes - self.bytes >= enough {
                    return true;
                }
                self.trim_topic(state, key);
                self.update_expiry(state, key);
                topics.note_idle(key);
            }
            self.order.pass_oldest();
        }
        false
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

    /// Adds the expiry of a topic that has none yet, and removes that of a topic without entries. Otherwise
    /// it stays: the oldest entry can only become newer.
    fn update_expiry(&mut self, state: &mut TopicState, key: TopicKey) {
        match (state.expires_at, state.oldest_expires()) {
            (Some(at), None) => {
                self.expiries.remove(&(at, key));
                state.expires_at = None;
            }
            (None, Some(at)) => {
                self.expiries.insert((at, key));
                state.expires_at = Some(at);
            }
            _ => {}
        }
    }
}

/// The memory of an expiry. The nodes of a tree that grows at its end are half full.
const EXPIRY: usize = 2 * size_of::<(Instant, TopicKey)>();

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
    use std::collections::HashSet;
    use std::str::FromStr;

    use bytes::Bytes;
    use fastrand::Rng;
    use sse_kit_event::{Audience, Epoch, Event, EventId, TopicPattern};
    use sse_kit_test_support::{rng, scaled};

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

    #[test]
    fn topics_expire_once_each_as_long_as_they_have_entries_that_do() {
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
        for offset in 2_000..3_000 {
            push(&mut history, &mut topics, offset, &format!("t{offset}"));
        }
        assert!((2..=history.entries).contains(&history.expiries.len()));
        let later = Instant::now() + day * 2;
        while history.trim(&mut topics, later) {}
        assert_eq!((history.size(), history.expiries.len()), ((0, 0), 0));
    }

    /// Streams may compress all of history between two events, and publishers wait for what that drops.
    #[test]
    fn an_event_drops_so_many_others_and_history_shrinks_all_the_same() {
        let mut retention = limited(1 << 20);
        retention.events_per_topic = 100_000;
        let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
        let mut offsets = 1..;
        let mut publish = |history: &mut History, size| {
            let before = history.trims();
            let entry = record(history, &mut topics, offsets.next().unwrap(), &["a"], size);
            (entry, history.trims() - before)
        };
        while publish(&mut history, 10).1 == 0 {}
        let all: Vec<_> = history.after(0).filter_map(Place::entry).collect();
        for entry in &all {
            entry.compressed(|_| vec![0; 1_000].into());
        }
        assert!(history.size().1 > 3 << 20);
        assert_eq!(publish(&mut history, 10).1, MAX_DROPPED as u64);
        // A large one adds more than so many small ones take, and its compressed form as much again.
        let mut before = history.size().1;
        while before > 2 << 20 {
            let (entry, _) = publish(&mut history, 200_000);
            entry.compressed(Bytes::clone);
            let after = history.size().1;
            assert!(after < before, "{before} to {after}");
            before = after;
        }
    }

    fn limited(bytes: usize) -> Retention {
        Retention {
            events_per_topic: 20,
            events_by_topic: Vec::new(),
            age: None,
            age_by_topic: Vec::new(),
            bytes,
        }
    }

    /// Records an event of these topics, as the state of a hub does.
    fn record(
        history: &mut History,
        topics: &mut TopicTable,
        offset: u64,
        names: &[&str],
        size: usize,
    ) -> Arc<Entry> {
        let names = names.iter().map(|name| name.parse::<Topic>().unwrap());
        let audience = Audience::several(names).unwrap();
        let record = Record::new(audience, Event::new("x".repeat(size)).encode());
        let id = EventId::new(Epoch::new(1), offset);
        let entry = Arc::new(Entry::shared(id, record, history.ledger()));
        let mut added = 0;
        for topic in entry.audience.topics() {
            let key = topics.find_or_insert(topic);
            added += history.add(topics, key, &entry);
        }
        history.fit(topics, entry.at, added);
        entry
    }

    /// Counts from scratch what history adds up and subtracts.
    fn counted(history: &History, topics: &TopicTable) -> (usize, usize) {
        let (mut entries, mut bytes, mut seen) = (0, 0, HashSet::new());
        let everyone = topics.everyone();
        let keys = topics.begin_with("").map(|(_, key)| key).chain([everyone]);
        let mut expiries = BTreeSet::new();
        for (key, state) in keys.filter_map(|key| Some((key, topics.get(key)?))) {
            if state.entries().is_empty() {
                assert_eq!(state.entries().capacity(), 0, "its memory is freed");
            } else {
                bytes += state.weight();
            }
            assert_eq!(state.expires_at.is_some(), state.oldest_expires().is_some());
            assert!(state.expires_at <= state.oldest_expires(), "a lower bound");
            expiries.extend(state.expires_at.map(|at| (at, key)));
            entries += state.entries().len();
            for entry in state.entries() {
                bytes += PLACE;
                if seen.insert(entry.id().offset()) {
                    bytes += entry.weight() + entry.share().unwrap().bytes();
                }
            }
        }
        assert_eq!(history.expiries, expiries);
        (entries, bytes + expiries.len() * EXPIRY)
    }

    #[test]
    fn it_adds_up_what_it_has() {
        let mut random = rng();
        for _ in 0..scaled(20) {
            walk(&mut random);
        }
    }

    fn walk(random: &mut Rng) {
        let seconds = Duration::from_secs;
        let mut retention = limited(random.usize(500..100_000));
        retention.events_per_topic = [0, 1, 5, 50][random.usize(..4)];
        retention.age = random.bool().then_some(seconds(20));
        retention.age_by_topic = vec![
            (TopicPattern::from_str("a:**").unwrap().into(), Some(seconds(5))),
            (TopicPattern::from_str("b:**").unwrap().into(), None),
        ];
        let (mut history, mut topics) = (History::new(retention), TopicTable::new(0));
        let names: Vec<_> = ["a", "b", "c"]
            .iter()
            .flat_map(|name| (0..9).map(move |n| format!("{name}:{n}")))
            .collect();
        let mut offset = 0;
        let mut seen = Vec::new();
        for _ in 0..600 {
            match random.u8(..40) {
                0 => {
                    history.begin_epoch();
                    topics.begin_epoch(0);
                    offset = 0;
                }
                1 => {
                    offset -= random.u64(..=offset.min(30));
                    history.drop_after(&mut topics, offset);
                }
                2..5 => _ = history.trim(&mut topics, Instant::now() + seconds(random.u64(..30))),
                5..20 => {
                    // Some have left history, and some belong to another epoch.
                    let entry: Option<&Arc<Entry>> = random.choice(&seen);
                    let len = random.usize(..300);
                    entry.map(|entry| entry.compressed(|_| vec![0; len].into()));
                }
                _ => {
                    offset += random.u64(1..3);
                    let topics_of_it: Vec<_> = (0..random.usize(1..4))
                        .map(|_| names[random.usize(..names.len())].as_str())
                        .collect();
                    let size = random.usize(..500);
                    seen.push(record(&mut history, &mut topics, offset, &topics_of_it, size));
                }
            }
            assert_eq!(history.size(), counted(&history, &topics));
        }
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
