//! Who is interested in which topic.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use sse_kit_event::{Topic, TopicPattern};

use crate::pattern_index::{Alike, Known, PatternIndex};

/// Names one list of subscribers, in every shard.
///
/// A subscriber stands in one list for each of its topics, and in one for each of its patterns.
pub(crate) type Key = usize;

/// The list of all subscribers.
pub(crate) const EVERYBODY: Key = 0;

/// The lists that an event goes to.
///
/// Who has several patterns that match stands in several of them, and is handed the event once: it
/// knows by the offset that it has it already.
#[derive(Clone, Debug)]
pub(crate) struct Lists {
    own: Option<Key>,
    of_patterns: Arc<[Key]>,
}

impl Lists {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Key> {
        self.own.into_iter().chain(self.of_patterns.iter().copied())
    }

    /// Whether they are the same lists, as far as that is seen without looking at each.
    pub(crate) fn are(&self, others: &Self) -> bool {
        self.own == others.own && Arc::ptr_eq(&self.of_patterns, &others.of_patterns)
    }
}

/// Which lists there are, how long they are, and which of them a topic goes to.
///
/// A topic's patterns are looked up when it is first published to after patterns have come or gone,
/// never when somebody subscribes: so to subscribe costs the same however many topics there are.
#[derive(Debug)]
pub(crate) struct Interests {
    /// The length of each list, by its key.
    lengths: Slab<usize>,
    patterns: PatternIndex,
    /// Goes up when a pattern, or a set of overlapping ones, comes or goes.
    generation: u64,
    resolved: HashMap<Topic, Resolved>,
    /// What a topic without patterns goes to.
    none: Arc<[Key]>,
}

/// The patterns that match a topic.
#[derive(Debug, Default)]
struct Resolved {
    generation: u64,
    lists: Arc<[Key]>,
    /// Those who stand in several of the lists, by the key that counts them, and in how many too
    /// many.
    surplus: Box<[(Key, usize)]>,
}

impl Interests {
    /// With room for so many patterns that begin alike.
    pub(crate) fn new(alike: usize) -> Self {
        let mut lengths = Slab::new();
        let everybody = lengths.insert(0);
        debug_assert_eq!(everybody, EVERYBODY);
        Self {
            lengths,
            patterns: PatternIndex::new(alike),
            generation: 0,
            resolved: HashMap::new(),
            none: Arc::default(),
        }
    }

    /// How many different patterns there are.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Whether these patterns are known, or not too many are known that begin as they do.
    pub(crate) fn have_room_for(&self, patterns: &[TopicPattern]) -> bool {
        self.patterns.has_room_for(patterns)
    }

    /// Takes a subscriber of a topic in; `own` is the list of the topic, if it has one.
    pub(crate) fn enter_topic(&mut self, own: &mut Option<Key>) -> Key {
        let key = *own.get_or_insert_with(|| self.lengths.insert(0));
        self.lengths[key] += 1;
        key
    }

    /// Lets a subscriber of a topic go, and its list with the last one.
    pub(crate) fn exit_topic(&mut self, own: &mut Option<Key>) {
        if let Some(key) = *own
            && self.leave(key)
        {
            *own = None;
        }
    }

    pub(crate) fn enter_everybody(&mut self) -> Key {
        self.lengths[EVERYBODY] += 1;
        EVERYBODY
    }

    pub(crate) fn exit_everybody(&mut self) {
        self.lengths[EVERYBODY] -= 1;
    }

    /// Takes a subscriber of all these patterns in, and returns the list of each.
    pub(crate) fn enter_patterns(&mut self, patterns: &[TopicPattern]) -> Vec<Key> {
        let next = self.generation + 1;
        let entered = self.patterns.enter(patterns, next, || self.lengths.insert(0));
        self.generation += u64::from(entered.news);
        for key in entered.lists.iter().chain(&entered.overlap) {
            self.lengths[*key] += 1;
        }
        entered.lists
    }

    /// Takes back what [`Interests::enter_patterns`] did.
    pub(crate) fn exit_patterns(&mut self, patterns: &[TopicPattern]) {
        for pattern in patterns {
            if self.patterns.key(pattern).is_some_and(|key| self.leave(key)) {
                self.patterns.forget(pattern);
                self.generation += 1;
            }
        }
        if self.patterns.overlap(patterns).is_some_and(|key| self.leave(key)) {
            self.patterns.forget_overlap(patterns);
            self.generation += 1;
        }
    }

    /// The lists that events to everybody go to, and how many subscribers they have.
    pub(crate) fn of_everybody(&self) -> (Lists, usize) {
        let lists = Lists { own: Some(EVERYBODY), of_patterns: Arc::clone(&self.none) };
        (lists, self.lengths[EVERYBODY])
    }

    /// The lists that events on `topic` go to, given the one of its own subscribers; and how many
    /// subscribers they have, each counted once.
    ///
    /// What was found is kept for some more topics than the `known` ones, so that those that are
    /// forgotten between two events are not looked up for each.
    pub(crate) fn of(&mut self, topic: &Topic, own: Option<Key>, known: usize) -> (Lists, usize) {
        let subscribers = own.map_or(0, |key| self.lengths[key]);
        if self.patterns.len() == 0 {
            self.resolved.clear();
            return (Lists { own, of_patterns: Arc::clone(&self.none) }, subscribers);
        }
        let found = self.resolved.get(topic);
        if found.is_none_or(|found| found.generation != self.generation) {
            self.resolve(topic, 2 * known + 1024);
        }
        let found = &self.resolved[topic];
        let sum: usize = found.lists.iter().map(|key| self.lengths[*key]).sum();
        let surplus = found.surplus.iter().map(|(key, times)| self.lengths[*key] * times);
        let lists = Lists { own, of_patterns: Arc::clone(&found.lists) };
        (lists, subscribers + sum - surplus.sum::<usize>())
    }

    /// Finds the patterns that match. Of those that were there when it was last done, what was found
    /// then still holds.
    fn resolve(&mut self, topic: &Topic, room: usize) {
        let before = self.resolved.remove(topic).unwrap_or_default();
        let candidates = || self.patterns.candidates(topic);
        let mut lists: Vec<_> = candidates().flat_map(|all| all.lists(topic, &before)).collect();
        lists.sort_unstable();
        let mut surplus: Vec<_> =
            candidates().flat_map(|all| all.surplus(topic, &before)).collect();
        surplus.sort_unstable();
        surplus.dedup();
        // The same lists stay the same, so that events that wait for them are handed out together.
        let lists = if *before.lists == *lists { before.lists } else { lists.into() };
        if self.resolved.len() >= room {
            self.resolved.clear();
        }
        let found = Resolved { generation: self.generation, lists, surplus: surplus.into() };
        self.resolved.insert(topic.clone(), found);
    }

    /// Takes one subscriber off a list, and forgets it with the last one: then that is true.
    ///
    /// An event under way may still name its key, and the key may be given again: its new
    /// subscribers are past that event, and skip it.
    fn leave(&mut self, key: Key) -> bool {
        self.lengths[key] -= 1;
        let empty = self.lengths[key] == 0;
        if empty {
            self.lengths.remove(key);
        }
        empty
    }
}

impl Alike {
    fn lists<'a>(
        &'a self,
        topic: &'a Topic,
        before: &'a Resolved,
    ) -> impl Iterator<Item = Key> + 'a {
        let matching = |(pattern, known): &(&TopicPattern, &Known)| {
            if before.knows(known) {
                before.lists.binary_search(&known.key).is_ok()
            } else {
                pattern.matches(topic)
            }
        };
        self.patterns.iter().filter(matching).map(|(_, known)| known.key)
    }

    fn surplus<'a>(
        &'a self,
        topic: &'a Topic,
        before: &'a Resolved,
    ) -> impl Iterator<Item = (Key, usize)> + 'a {
        self.overlaps.iter().filter_map(|(patterns, known)| {
            if before.knows(known) {
                let at = before.surplus.binary_search_by_key(&known.key, |(key, _)| *key);
                return at.ok().map(|at| before.surplus[at]);
            }
            let matching = patterns.iter().filter(|pattern| pattern.matches(topic)).count();
            (matching > 1).then(|| (known.key, matching - 1))
        })
    }
}

impl Resolved {
    /// Whether it says of this whether it matches. A key that was given to another since is of a
    /// later generation.
    fn knows(&self, known: &Known) -> bool {
        known.since <= self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(text: &str) -> Topic {
        text.parse().unwrap()
    }

    fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_topic_that_is_forgotten_between_two_events_is_not_looked_up_for_each() {
        let mut interests = Interests::new(10);
        interests.enter_patterns(&patterns(&["a:*"]));
        let (first, _) = interests.of(&topic("a:b"), None, 0);
        let (second, _) = interests.of(&topic("a:b"), None, 0);
        assert!(first.are(&second));
        for n in 0..10_000 {
            interests.of(&topic(&format!("a:{n}")), None, 0);
        }
        assert!(interests.resolved.len() <= 1024, "{}", interests.resolved.len());
    }

    #[test]
    fn what_did_not_change_stays_the_same_and_what_is_new_is_found() {
        let mut interests = Interests::new(10);
        let [one, other] = [patterns(&["a:*"]), patterns(&["*:b", "a*:**", "b:*"])];
        interests.enter_patterns(&one);
        let (first, _) = interests.of(&topic("a:b"), None, 1);
        interests.enter_patterns(&patterns(&["c:*"]));
        assert!(first.are(&interests.of(&topic("a:b"), None, 1).0));
        interests.enter_patterns(&other);
        let (lists, subscribers) = interests.of(&topic("a:b"), None, 1);
        assert_eq!((lists.iter().count(), subscribers), (3, 2));
        interests.exit_patterns(&one);
        // The key that has become free goes to one that does not match.
        interests.enter_patterns(&patterns(&["a:c*"]));
        let (lists, subscribers) = interests.of(&topic("a:b"), None, 1);
        assert_eq!((lists.iter().count(), subscribers), (2, 1));
        interests.exit_patterns(&other);
        assert_eq!(interests.of(&topic("a:b"), None, 1).1, 0);
    }
}
