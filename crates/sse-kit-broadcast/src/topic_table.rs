//! The state of each topic, in one table.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use slotmap::{DefaultKey, SlotMap};
use sse_kit_event::{Audience, Topic};
use tokio::time::Instant;

use crate::entry::Entry;
use crate::interests::{Interests, MatchedPatterns};
use crate::lists::{ListId, ListIds};
use crate::retention::Limits;

/// The maximum number of idle topics in the table: topics without subscribers and without history.
/// They are remembered so that a page that was alone on its topic, and missed nothing, gets no gap
/// when it reconnects. Each takes a few hundred bytes.
const MAX_IDLE: usize = 16_384;

/// The key of a topic in the table. Keys are never reused, so the key of a forgotten topic finds
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicKey(pub(crate) DefaultKey);

/// The state of one topic, or of events for everyone.
#[derive(Debug, Default)]
pub(crate) struct TopicState {
    /// The topic; `None` for everyone.
    name: Option<Topic>,
    /// The list of the subscribers of exactly this topic, if there are any.
    pub(crate) own_list: Option<ListId>,
    /// The patterns that match the topic, as of the last look-up.
    patterns: MatchedPatterns,
    /// The entries, oldest first; trimmed only from the front.
    entries: VecDeque<Arc<Entry>>,
    /// The limits of its history, once they are known.
    limits: Option<Limits>,
    /// The moment at which history looks for expired entries of the topic, if they expire.
    pub(crate) expires_at: Option<Instant>,
    /// The offset of the newest event that was trimmed, or may have been.
    trimmed_through: u64,
    /// The number of the trim that dropped the newest trimmed entry, counted over all topics.
    last_trim: u64,
    /// The sequence number of the moment at which the topic became idle; `None` if it is in use.
    idle_since: Option<u64>,
}

/// The topics by name.
#[derive(Debug)]
pub(crate) struct TopicTable {
    states: SlotMap<DefaultKey, Box<TopicState>>,
    everyone: TopicKey,
    by_name: HashMap<Topic, TopicKey>,
    /// The topics in sorted order, to find those that share a prefix.
    in_order: BTreeMap<Topic, TopicKey>,
    /// The idle topics, by the moment at which they became idle.
    idle: BTreeMap<u64, TopicKey>,
    next_idle: u64,
    /// The newest trimmed offset of all forgotten topics.
    forgotten_through: u64,
    /// The number of the newest trim of all forgotten topics.
    forgotten_trim: u64,
    /// The offset through which events of any topic may be lost.
    lost_through: u64,
}

impl TopicTable {
    /// Creates a table for a log at this offset; earlier events are not available here.
    pub(crate) fn new(begins_after: u64) -> Self {
        let mut states = SlotMap::new();
        let everyone = TopicKey(states.insert(Box::default()));
        Self {
            states,
            everyone,
            by_name: HashMap::new(),
            in_order: BTreeMap::new(),
            idle: BTreeMap::new(),
            next_idle: 0,
            forgotten_through: 0,
            forgotten_trim: 0,
            lost_through: begins_after,
        }
    }

    /// Returns the number of topics that have subscribers or a history.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len() - self.idle.len()
    }

    /// Returns the number of topics in the table, including idle ones.
    pub(crate) fn known(&self) -> usize {
        self.by_name.len()
    }

    /// Returns the key of events for everyone.
    pub(crate) fn everyone(&self) -> TopicKey {
        self.everyone
    }

    pub(crate) fn find(&self, topic: &Topic) -> Option<TopicKey> {
        self.by_name.get(topic).copied()
    }

    /// Returns the known topics of an audience, or the key of everyone.
    pub(crate) fn find_all(&self, audience: &Audience) -> impl Iterator<Item = TopicKey> {
        let everyone = audience.is_everyone().then_some(self.everyone);
        let topics = audience.topics().iter().filter_map(|topic| self.find(topic));
        everyone.into_iter().chain(topics)
    }

    /// Returns the state of a topic, unless it was forgotten.
    pub(crate) fn get(&self, key: TopicKey) -> Option<&TopicState> {
        self.states.get(key.0).map(|state| &**state)
    }

    pub(crate) fn get_mut(&mut self, key: TopicKey) -> Option<&mut TopicState> {
        self.states.get_mut(key.0).map(|state| &mut **state)
    }

    /// Finds a topic or adds it.
    ///
    /// A topic that is new in the table may have been forgotten before, so losses of forgotten
    /// topics apply to it.
    pub(crate) fn find_or_insert(&mut self, topic: &Topic) -> TopicKey {
        if let Some(key) = self.find(topic) {
            return key;
        }
        let state = TopicState {
            name: Some(topic.clone()),
            trimmed_through: self.forgotten_through,
            ..TopicState::default()
        };
        let key = TopicKey(self.states.insert(Box::new(state)));
        self.by_name.insert(topic.clone(), key);
        self.in_order.insert(topic.clone(), key);
        key
    }

    /// Returns the topics with this prefix, sorted.
    pub(crate) fn begin_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a Topic, TopicKey)> {
        let from = self.in_order.range::<str, _>((Included(prefix), Unbounded));
        let same_prefix = from.take_while(move |(topic, _)| topic.as_str().starts_with(prefix));
        same_prefix.map(|(topic, key)| (topic, *key))
    }

    /// Returns the topics in use among the `limit` ones with this prefix that follow the topic
    /// `after`, sorted, and the last one that was examined if there are more.
    pub(crate) fn in_use(
        &self,
        prefix: &str,
        after: Option<&Topic>,
        limit: usize,
    ) -> (Vec<(&Topic, &TopicState)>, Option<Topic>) {
        let from = match after.map(Topic::as_str) {
            Some(after) if after >= prefix => Excluded(after),
            _ => Included(prefix),
        };
        let same_prefix = self.in_order.range::<str, _>((from, Unbounded));
        let mut rest = same_prefix.take_while(|(topic, _)| topic.as_str().starts_with(prefix));
        let examined: Vec<_> = rest.by_ref().take(limit).collect();
        let last = examined.last().map(|(topic, _)| (*topic).clone());
        let next = rest.next().and(last);
        let states = examined.into_iter().filter_map(|(topic, key)| {
            let state = self.get(*key).filter(|state| state.is_in_use())?;
            Some((topic, state))
        });
        (states.collect(), next)
    }

    /// Updates whether the topic is idle: without subscribers and without history. If there are too
    /// many idle topics, it forgets the one that has been idle longest.
    pub(crate) fn note_idle(&mut self, key: TopicKey) {
        if key == self.everyone {
            return;
        }
        let Some(state) = self.states.get_mut(key.0) else { return };
        let is_idle = state.entries.is_empty() && state.own_list.is_none();
        if is_idle == state.idle_since.is_some() {
            return;
        }
        if let Some(since) = state.idle_since.take() {
            self.idle.remove(&since);
            return;
        }
        state.idle_since = Some(self.next_idle);
        self.idle.insert(self.next_idle, key);
        self.next_idle += 1;
        if self.idle.len() > MAX_IDLE {
            self.forget_longest_idle();
        }
    }

    fn forget_longest_idle(&mut self) {
        let longest = self.idle.pop_first();
        let Some(state) = longest.and_then(|(_, key)| self.states.remove(key.0)) else { return };
        if let Some(topic) = &state.name {
            self.by_name.remove(topic);
            self.in_order.remove(topic);
        }
        self.forgotten_through = self.forgotten_through.max(state.trimmed_through);
        self.forgotten_trim = self.forgotten_trim.max(state.last_trim);
    }

    /// Returns the newest offset of this topic that may be lost.
    pub(crate) fn trimmed_through(&self, state: &TopicState) -> u64 {
        state.trimmed_through.max(self.lost_through)
    }

    /// Returns the newest offset that may be lost on topics that are not in the table.
    pub(crate) fn forgotten_through(&self) -> u64 {
        self.forgotten_through.max(self.lost_through)
    }

    /// Returns `true` if a topic that is not in the table has dropped entries after the trim with this number.
    pub(crate) fn forgotten_since(&self, trim: u64) -> bool {
        self.forgotten_trim > trim
    }

    /// Returns an upper bound for the newest offset of a record on a topic, in the table or not.
    pub(crate) fn newest(&self, key: Option<TopicKey>) -> u64 {
        let Some(state) = key.and_then(|key| self.get(key)) else {
            return self.forgotten_through();
        };
        let newest = state.entries.back().map(|entry| entry.id().offset());
        newest.map_or_else(|| self.trimmed_through(state), |newest| newest.max(self.lost_through))
    }

    /// Records that events of any topic up to `offset` may be lost.
    pub(crate) fn mark_lost_through(&mut self, offset: u64) {
        self.lost_through = offset;
    }

    /// Records that nothing after this offset is lost, because the log assigns those offsets again.
    pub(crate) fn lower_losses_to(&mut self, offset: u64) {
        self.forgotten_through = self.forgotten_through.min(offset);
        for state in self.states.values_mut().filter(|state| state.trimmed_through > offset) {
            state.trimmed_through = offset;
            // The order of all entries has no place of this loss, nor perhaps of those before it.
            self.forgotten_through = offset;
            self.forgotten_trim = self.forgotten_trim.max(state.last_trim);
        }
        self.lost_through = self.lost_through.min(offset);
    }

    /// Drops all entries and continues after this offset of another epoch.
    pub(crate) fn begin_epoch(&mut self, begins_after: u64) {
        let keys: Vec<_> = self.states.keys().map(TopicKey).collect();
        for key in keys {
            // Some topics are forgotten on the way, because too many become idle.
            let Some(state) = self.get_mut(key) else { continue };
            state.entries = VecDeque::new();
            (state.trimmed_through, state.expires_at) = (0, None);
            self.note_idle(key);
        }
        (self.forgotten_through, self.lost_through) = (0, begins_after);
    }
}

impl Index<TopicKey> for TopicTable {
    type Output = TopicState;

    /// Returns the state for a key that was found under the same lock.
    fn index(&self, key: TopicKey) -> &TopicState {
        &self.states[key.0]
    }
}

impl IndexMut<TopicKey> for TopicTable {
    fn index_mut(&mut self, key: TopicKey) -> &mut TopicState {
        &mut self.states[key.0]
    }
}

impl TopicState {
    /// Returns the limits of its history. They are asked for once, as they may depend on many patterns.
    pub(crate) fn limits(&mut self, ask: impl FnOnce(Option<&Topic>) -> Limits) -> Limits {
        *self.limits.get_or_insert_with(|| ask(self.name.as_ref()))
    }

    /// Returns the moment after which the oldest entry is too old, if it ever is.
    pub(crate) fn oldest_expires(&self) -> Option<Instant> {
        let age = self.limits?.age?;
        self.entries.front()?.at.checked_add(age)
    }

    /// Returns the topic; `None` for everyone.
    pub(crate) fn name(&self) -> Option<&Topic> {
        self.name.as_ref()
    }

    /// Returns the lists that an event on this topic goes to, and the number of subscribers in
    /// them.
    pub(crate) fn find_lists(&mut self, interests: &Interests) -> (ListIds, usize) {
        match &self.name {
            Some(topic) => interests.of_topic(topic, self.own_list, &mut self.patterns),
            None => interests.of_everyone(),
        }
    }

    /// Returns `true` if the topic has subscribers of its own or a history.
    pub(crate) fn is_in_use(&self) -> bool {
        self.idle_since.is_none()
    }

    /// Returns the number of subscribers, and keeps nothing: for topics that nobody may ever publish
    /// to.
    pub(crate) fn count_subscribers(&self, interests: &Interests) -> usize {
        match &self.name {
            Some(topic) => interests.count(topic, self.own_list, &self.patterns),
            None => interests.of_everyone().1,
        }
    }

    /// Returns the entries, oldest first.
    pub(crate) fn entries(&self) -> &VecDeque<Arc<Entry>> {
        &self.entries
    }

    /// Returns the entries after this offset, oldest first.
    pub(crate) fn after(&self, offset: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let from = self.entries.partition_point(|entry| entry.id().offset() <= offset);
        self.entries.range(from..)
    }

    /// Returns the entries before this offset, newest first.
    pub(crate) fn before(&self, offset: u64) -> impl Iterator<Item = &Arc<Entry>> {
        let to = self.entries.partition_point(|entry| entry.id().offset() < offset);
        self.entries.range(..to).rev()
    }

    /// Returns the memory that the topic takes in the table, in bytes, without its entries. Events for
    /// everyone have their place in every table, so it is not counted.
    pub(crate) fn weight(&self) -> usize {
        /// Hash tables, trees and arrays grow in steps, and are three quarters full on average.
        const TABLES: usize =
            (2 * size_of::<(Topic, TopicKey)>() + size_of::<[usize; 3]>()) * 4 / 3;
        /// The counts of the name, and the first array of entries.
        const ALLOCATIONS: usize = size_of::<[usize; 2]>() + size_of::<[Arc<Entry>; 4]>();
        let name = |name: &Topic| size_of::<Self>() + TABLES + ALLOCATIONS + name.as_str().len();
        self.name.as_ref().map_or(0, name)
    }

    pub(crate) fn push(&mut self, entry: &Arc<Entry>) {
        self.entries.push_back(Arc::clone(entry));
    }

    /// Returns `true` if the oldest entry has this offset.
    pub(crate) fn begins_with(&self, offset: u64) -> bool {
        self.entries.front().is_some_and(|front| front.id().offset() == offset)
    }

    /// Returns `true` if `offset` is that of an entry, or of the newest trimmed one. A reader that
    /// looks for losses needs no other.
    pub(crate) fn needs(&self, offset: u64) -> bool {
        offset == self.trimmed_through
            || self.entries.front().is_some_and(|front| front.id().offset() <= offset)
    }

    /// Removes the newest entry if it is after this offset.
    pub(crate) fn drop_back_after(&mut self, offset: u64) -> Option<Arc<Entry>> {
        self.entries.back().filter(|entry| entry.id().offset() > offset)?;
        let entry = self.entries.pop_back()?;
        self.free_if_empty();
        Some(entry)
    }

    /// Returns `true` if the topic has dropped entries after the trim with this number.
    pub(crate) fn trimmed_since(&self, trim: u64) -> bool {
        self.last_trim > trim
    }

    /// Drops the oldest entry, as the trim with this number.
    pub(crate) fn trim_front(&mut self, trim: u64) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.last_trim = trim;
        self.trimmed_through = self.trimmed_through.max(entry.id().offset());
        self.free_if_empty();
        Some(entry)
    }

    /// Frees the memory of a history without entries.
    fn free_if_empty(&mut self) {
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(n: usize) -> Topic {
        format!("users:{n}").parse().unwrap()
    }

    #[test]
    fn only_so_many_idle_topics_are_remembered_and_the_longest_idle_go_first() {
        let mut table = TopicTable::new(7);
        for n in 0..MAX_IDLE + 2 {
            let key = table.find_or_insert(&topic(n));
            table[key].trimmed_through = 10 + n as u64;
            table.note_idle(key);
        }
        assert_eq!((table.len(), table.by_name.len()), (0, MAX_IDLE));
        assert_eq!((table.states.len(), table.in_order.len()), (MAX_IDLE + 1, MAX_IDLE));
        assert_eq!(table.forgotten_through(), 11);
        assert!(table.find(&topic(1)).is_none() && table.find(&topic(2)).is_some());
        // One that is forgotten may have missed what those that were forgotten have.
        let again = table.find_or_insert(&topic(0));
        assert_eq!(table.trimmed_through(&table[again]), 11);
    }

    #[test]
    fn a_topic_that_is_used_again_is_idle_no_longer() {
        let mut table = TopicTable::new(0);
        let key = table.find_or_insert(&topic(1));
        for _ in 0..3 {
            table.note_idle(key);
            assert_eq!((table.len(), table.idle.len()), (0, 1));
            table[key].own_list = Some(ListId(DefaultKey::default()));
            table.note_idle(key);
            assert_eq!((table.len(), table.idle.len()), (1, 0));
            table[key].own_list = None;
        }
    }

    #[test]
    fn a_page_examines_so_many_topics_idle_ones_too() {
        let mut table = TopicTable::new(0);
        for n in 10..30 {
            let key = table.find_or_insert(&topic(n));
            table[key].own_list = (n >= 25).then(|| ListId(DefaultKey::default()));
            table.note_idle(key);
        }
        table.find_or_insert(&"zzz".parse().unwrap());
        let (first, next) = table.in_use("users:", None, 15);
        assert_eq!((first.len(), &next), (0, &Some(topic(24))));
        let (rest, next) = table.in_use("users:", next.as_ref(), 15);
        assert_eq!((rest.len(), rest[0].0, next), (5, &topic(25), None));
        assert_eq!(table.in_use("users:29", Some(&topic(11)), 15).0.len(), 1);
        assert_eq!(table.in_use("a", None, 15).0.len(), 0);
    }

    #[test]
    fn topics_are_found_by_how_they_begin() {
        let mut table = TopicTable::new(0);
        for name in ["a:1", "a:2", "b:1", "a1", "a"] {
            table.find_or_insert(&name.parse().unwrap());
        }
        let names: Vec<_> = table.begin_with("a:").map(|(topic, _)| topic.as_str()).collect();
        assert_eq!(names, ["a:1", "a:2"]);
        assert_eq!(table.begin_with("").count(), 5);
    }
}
