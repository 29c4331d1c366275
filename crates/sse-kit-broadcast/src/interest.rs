//! Who is interested in which topic.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use sse_kit_event::{Topic, TopicPattern, Topics};

/// Names one list of subscribers, in every shard.
///
/// A subscriber stands in one list for each of its topics, and in one more for all its patterns
/// together; so it stands at most once in the lists that a topic goes to, and counts are exact.
pub(crate) type Key = usize;

/// The list of all subscribers.
pub(crate) const EVERYBODY: Key = 0;

/// Which lists there are, how long they are, and which of them a topic goes to.
///
/// Patterns are matched when a topic or a set of patterns first appears, never per event.
#[derive(Debug)]
pub(crate) struct Interests {
    /// The length of each list, by its key.
    lengths: Slab<usize>,
    pattern_sets: HashMap<Box<[TopicPattern]>, Key>,
}

impl Interests {
    pub(crate) fn new() -> Self {
        let mut lengths = Slab::new();
        let everybody = lengths.insert(0);
        debug_assert_eq!(everybody, EVERYBODY);
        Self { lengths, pattern_sets: HashMap::new() }
    }

    /// How many subscribers the lists have together.
    pub(crate) fn subscribers(&self, keys: &[Key]) -> usize {
        keys.iter().map(|key| self.lengths[*key]).sum()
    }

    pub(crate) fn pattern_sets(&self) -> usize {
        self.pattern_sets.len()
    }

    /// The key of the list of this topic's own subscribers, which is made when it has none.
    pub(crate) fn topic_list(&mut self, key: &mut Option<Key>) -> Key {
        *key.get_or_insert_with(|| self.lengths.insert(0))
    }

    /// The key of the list for this set of patterns, and whether it is a new one.
    pub(crate) fn pattern_list(&mut self, topics: &Topics) -> (Key, bool) {
        if let Some(key) = self.pattern_sets.get(topics.patterns()) {
            return (*key, false);
        }
        let key = self.lengths.insert(0);
        self.pattern_sets.insert(topics.patterns().into(), key);
        (key, true)
    }

    pub(crate) fn pattern_key(&self, topics: &Topics) -> Option<Key> {
        self.pattern_sets.get(topics.patterns()).copied()
    }

    pub(crate) fn join(&mut self, key: Key) {
        self.lengths[key] += 1;
    }

    /// Takes one subscriber off the list; true when that leaves it empty.
    pub(crate) fn leave(&mut self, key: Key) -> bool {
        self.lengths[key] -= 1;
        self.lengths[key] == 0
    }

    /// Forgets an empty list. An event under way may still name its key, and the key may be given
    /// again: its new subscribers are past that event, and skip it.
    pub(crate) fn forget(&mut self, key: Key) {
        self.lengths.remove(key);
    }

    pub(crate) fn forget_patterns(&mut self, topics: &Topics) {
        if let Some(key) = self.pattern_sets.remove(topics.patterns()) {
            self.lengths.remove(key);
        }
    }

    /// The lists that `topic` goes to, given the list of its own subscribers.
    pub(crate) fn of(&self, topic: &Topic, own: Option<Key>) -> Arc<[Key]> {
        let matching =
            self.pattern_sets.iter().filter(|(set, _)| set.iter().any(|p| p.matches(topic)));
        own.into_iter().chain(matching.map(|(_, key)| *key)).collect()
    }
}
