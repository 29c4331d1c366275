//! The interests of subscribers: which lists an event on a topic goes to.

use std::sync::Arc;

use slotmap::{DefaultKey, SlotMap};
use sse_kit_event::{Topic, TopicPattern};

use crate::lists::{ListId, ListIds};
use crate::pattern_index::{PatternIndex, PrefixGroup, Registered};

/// The subscriber lists, their lengths, and the mapping from topics to lists.
///
/// The patterns of a topic are looked up on the first publish after patterns were added or removed,
/// never on subscribe. The cost of a subscribe is therefore independent of the number of topics.
#[derive(Debug)]
pub(crate) struct Interests {
    lengths: SlotMap<DefaultKey, usize>,
    everyone: ListId,
    patterns: PatternIndex,
    /// A counter that increases when a pattern, or a set of overlapping patterns, is added or
    /// removed.
    generation: u64,
    /// The empty set of lists, for topics that no pattern matches.
    none: Arc<[ListId]>,
}

/// The patterns that match one topic, as of the last look-up.
#[derive(Debug, Default)]
pub(crate) struct MatchedPatterns {
    generation: u64,
    lists: Arc<[ListId]>,
    /// The connections that are in several of the lists: the list that counts them, and how many
    /// times too often they are counted.
    surplus: Box<[(ListId, usize)]>,
}

impl Interests {
    /// Creates an empty set with room for this many patterns per prefix.
    pub(crate) fn new(max_patterns_per_prefix: usize) -> Self {
        let mut lengths = SlotMap::new();
        let everyone = ListId(lengths.insert(0));
        Self {
            lengths,
            everyone,
            patterns: PatternIndex::new(max_patterns_per_prefix),
            generation: 0,
            none: Arc::default(),
        }
    }

    /// Returns the list of all connections.
    pub(crate) fn everyone(&self) -> ListId {
        self.everyone
    }

    /// Returns the number of different patterns.
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.len()
    }

    /// Returns `true` if these patterns are registered already or there is room for them.
    pub(crate) fn have_room_for(&self, patterns: &[TopicPattern]) -> bool {
        self.patterns.has_room_for(patterns)
    }

    /// Adds a subscriber of a topic; `own` is the list of the topic, if it exists.
    pub(crate) fn enter_topic(&mut self, own: &mut Option<ListId>) -> ListId {
        let list = *own.get_or_insert_with(|| ListId(self.lengths.insert(0)));
        self.lengths[list.0] += 1;
        list
    }

    /// Removes a subscriber of a topic, and the list with its last subscriber.
    pub(crate) fn exit_topic(&mut self, own: &mut Option<ListId>) {
        if let Some(list) = *own
            && self.leave(list)
        {
            *own = None;
        }
    }

    pub(crate) fn enter_everyone(&mut self) -> ListId {
        self.lengths[self.everyone.0] += 1;
        self.everyone
    }

    pub(crate) fn exit_everyone(&mut self) {
        self.lengths[self.everyone.0] -= 1;
    }

    /// Adds a subscriber of all these patterns. Returns the list of each.
    pub(crate) fn enter_patterns(&mut self, patterns: &[TopicPattern]) -> Vec<ListId> {
        let next = self.generation + 1;
        let new_list = || ListId(self.lengths.insert(0));
        let entered = self.patterns.enter(patterns, next, new_list);
        self.generation += u64::from(entered.news);
        for list in entered.lists.iter().chain(&entered.overlap) {
            self.lengths[list.0] += 1;
        }
        entered.lists
    }

    /// Reverts [`Interests::enter_patterns`].
    pub(crate) fn exit_patterns(&mut self, patterns: &[TopicPattern]) {
        for pattern in patterns {
            if self.patterns.list(pattern).is_some_and(|list| self.leave(list)) {
                self.patterns.forget(pattern);
                self.generation += 1;
            }
        }
        if self.patterns.overlap(patterns).is_some_and(|list| self.leave(list)) {
            self.patterns.forget_overlap(patterns);
            self.generation += 1;
        }
    }

    /// Returns the list of everyone and its number of subscribers.
    pub(crate) fn of_everyone(&self) -> (ListIds, usize) {
        let lists = ListIds { own: Some(self.everyone), others: Arc::clone(&self.none) };
        (lists, self.lengths[self.everyone.0])
    }

    /// Returns the lists that an event on `topic` goes to, and the number of subscribers in them,
    /// each counted once. `own` is the topic's own list, `matched` the result of the last look-up.
    pub(crate) fn of_topic(
        &self,
        topic: &Topic,
        own: Option<ListId>,
        matched: &mut MatchedPatterns,
    ) -> (ListIds, usize) {
        let subscribers = self.count_own(own);
        if self.patterns.len() == 0 {
            return (ListIds { own, others: Arc::clone(&self.none) }, subscribers);
        }
        if matched.generation != self.generation {
            self.look_up(topic, matched);
        }
        let sum: usize = matched.lists.iter().map(|list| self.lengths[list.0]).sum();
        let surplus = matched.surplus.iter().map(|(list, times)| self.lengths[list.0] * times);
        let lists = ListIds { own, others: Arc::clone(&matched.lists) };
        (lists, subscribers + sum - surplus.sum::<usize>())
    }

    /// Returns the number of subscribers in the own list of a topic.
    pub(crate) fn count_own(&self, own: Option<ListId>) -> usize {
        own.map_or(0, |list| self.lengths[list.0])
    }

    /// Returns the number of subscribers that an event on `topic` goes to, each counted once. Unlike
    /// [`Interests::of_topic`], it keeps no result.
    pub(crate) fn count(
        &self,
        topic: &Topic,
        own: Option<ListId>,
        matched: &MatchedPatterns,
    ) -> usize {
        let own = self.count_own(own);
        if self.patterns.len() == 0 {
            return own;
        }
        let candidates = || self.patterns.candidates(topic);
        let lists = candidates().flat_map(|all| all.lists(topic, matched));
        let sum: usize = lists.map(|list| self.lengths[list.0]).sum();
        // A set of overlapping patterns is at each prefix of several, so it is found more than once.
        let mut surplus: Vec<_> =
            candidates().flat_map(|all| all.surplus(topic, matched)).collect();
        surplus.sort_unstable();
        surplus.dedup();
        let surplus = surplus.iter().map(|(list, times)| self.lengths[list.0] * times);
        own + sum - surplus.sum::<usize>()
    }

    /// Looks up the patterns that match `topic`. Results of the last look-up are reused for
    /// patterns that existed then.
    fn look_up(&self, topic: &Topic, matched: &mut MatchedPatterns) {
        let before = std::mem::take(matched);
        let candidates = || self.patterns.candidates(topic);
        let mut lists: Vec<_> = candidates().flat_map(|all| all.lists(topic, &before)).collect();
        lists.sort_unstable();
        let mut surplus: Vec<_> =
            candidates().flat_map(|all| all.surplus(topic, &before)).collect();
        surplus.sort_unstable();
        surplus.dedup();
        // Keeps the same allocation if the lists are equal, so that waiting events stay in one
        // batch.
        let lists = if *before.lists == *lists { before.lists } else { lists.into() };
        *matched = MatchedPatterns { generation: self.generation, lists, surplus: surplus.into() };
    }

    /// Removes one subscriber from a list. Returns `true` if that was the last one and the list is
    /// gone.
    fn leave(&mut self, list: ListId) -> bool {
        self.lengths[list.0] -= 1;
        let empty = self.lengths[list.0] == 0;
        if empty {
            self.lengths.remove(list.0);
        }
        empty
    }
}

impl PrefixGroup {
    fn lists<'a>(
        &'a self,
        topic: &'a Topic,
        before: &'a MatchedPatterns,
    ) -> impl Iterator<Item = ListId> + 'a {
        let matching = |(pattern, known): &(&TopicPattern, &Registered)| {
            if before.knows(known) {
                before.lists.binary_search(&known.list).is_ok()
            } else {
                pattern.matches(topic)
            }
        };
        self.patterns.iter().filter(matching).map(|(_, known)| known.list)
    }

    fn surplus<'a>(
        &'a self,
        topic: &'a Topic,
        before: &'a MatchedPatterns,
    ) -> impl Iterator<Item = (ListId, usize)> + 'a {
        self.overlaps.iter().filter_map(|(patterns, known)| {
            if before.knows(known) {
                let at = before.surplus.binary_search_by_key(&known.list, |(list, _)| *list);
                return at.ok().map(|at| before.surplus[at]);
            }
            let matching = patterns.iter().filter(|pattern| pattern.matches(topic)).count();
            (matching > 1).then(|| (known.list, matching - 1))
        })
    }
}

impl MatchedPatterns {
    /// Returns `true` if the pattern existed at the last look-up, so that its result is still
    /// valid.
    fn knows(&self, known: &Registered) -> bool {
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

    /// Returns the lists of a topic without subscribers of its own.
    fn lists(interests: &Interests, matched: &mut MatchedPatterns) -> (ListIds, usize) {
        interests.of_topic(&topic("a:b"), None, matched)
    }

    #[test]
    fn what_did_not_change_stays_the_same_and_what_is_new_is_found() {
        let (mut interests, mut matched) = (Interests::new(10), MatchedPatterns::default());
        let [one, other] = [patterns(&["a:*"]), patterns(&["*:b", "a*:**", "b:*"])];
        interests.enter_patterns(&one);
        let (first, _) = lists(&interests, &mut matched);
        assert!(first.same_as(&lists(&interests, &mut matched).0));
        interests.enter_patterns(&patterns(&["c:*"]));
        assert!(first.same_as(&lists(&interests, &mut matched).0));
        interests.enter_patterns(&other);
        let (both, subscribers) = lists(&interests, &mut matched);
        assert_eq!((both.iter().count(), subscribers), (3, 2));
        interests.exit_patterns(&one);
        // The slot that has become free goes to one that does not match, under another id.
        interests.enter_patterns(&patterns(&["a:c*"]));
        let (one, subscribers) = lists(&interests, &mut matched);
        assert_eq!((one.iter().count(), subscribers), (2, 1));
        interests.exit_patterns(&other);
        assert_eq!(lists(&interests, &mut matched).1, 0);
    }

    #[test]
    fn a_count_is_that_of_a_look_up_and_stores_nothing() {
        let (mut interests, mut matched) = (Interests::new(10), MatchedPatterns::default());
        interests.enter_patterns(&patterns(&["a:*", "*:b", "c:*"]));
        interests.enter_patterns(&patterns(&["a:*", "*:b", "c:*"]));
        let count =
            |interests: &Interests, matched: &_| interests.count(&topic("a:b"), None, matched);
        assert_eq!(count(&interests, &matched), 2);
        assert_eq!((matched.generation, matched.lists.len()), (0, 0));
        assert_eq!(lists(&interests, &mut matched).1, 2);
        // After a look-up, with patterns that are newer.
        interests.enter_patterns(&patterns(&["a*:b", "**:b"]));
        assert_eq!(count(&interests, &matched), 3);
        assert_eq!(lists(&interests, &mut matched).1, 3);
    }

    #[test]
    fn the_id_of_a_list_that_has_ended_is_never_given_again() {
        let mut interests = Interests::new(10);
        let mut seen = std::collections::HashSet::new();
        for n in 0..1000 {
            let mut own = None;
            let list = interests.enter_topic(&mut own);
            let pattern = patterns(&[&format!("{n}:*")]);
            assert!(seen.insert(list) && seen.insert(interests.enter_patterns(&pattern)[0]));
            interests.exit_topic(&mut own);
            interests.exit_patterns(&pattern);
        }
        assert!(interests.lengths.capacity() < 10);
    }
}
