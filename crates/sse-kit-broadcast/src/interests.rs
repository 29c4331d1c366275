//! Who is interested in which topic.

use std::sync::Arc;

use slotmap::{DefaultKey, SlotMap};
use sse_kit_event::{Topic, TopicPattern};

use crate::lists::{ListId, ListIds};
use crate::pattern_index::{PatternIndex, PrefixGroup, Registered};

/// The lists that there are, how long they are, and which of them a topic goes to.
///
/// A topic's patterns are looked up when it is first published to after patterns have come or gone,
/// never when somebody subscribes: so to subscribe costs the same however many topics there are.
#[derive(Debug)]
pub(crate) struct Interests {
    lengths: SlotMap<DefaultKey, usize>,
    everyone: ListId,
    patterns: PatternIndex,
    /// Goes up when a pattern, or a set of overlapping ones, comes or goes.
    generation: u64,
    /// What a topic without patterns goes to.
    none: Arc<[ListId]>,
}

/// The patterns that match one topic, as they were when they were last looked up.
#[derive(Debug, Default)]
pub(crate) struct MatchedPatterns {
    generation: u64,
    lists: Arc<[ListId]>,
    /// Those who stand in several of the lists, by the list that counts them, and in how many too
    /// many.
    surplus: Box<[(ListId, usize)]>,
}

impl Interests {
    /// With room for so many patterns that begin alike.
    pub(crate) fn new(alike: usize) -> Self {
        let mut lengths = SlotMap::new();
        let everyone = ListId(lengths.insert(0));
        Self {
            lengths,
            everyone,
            patterns: PatternIndex::new(alike),
            generation: 0,
            none: Arc::default(),
        }
    }

    /// The list of all connections.
    pub(crate) fn everyone(&self) -> ListId {
        self.everyone
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
    pub(crate) fn enter_topic(&mut self, own: &mut Option<ListId>) -> ListId {
        let list = *own.get_or_insert_with(|| ListId(self.lengths.insert(0)));
        self.lengths[list.0] += 1;
        list
    }

    /// Lets a subscriber of a topic go, and its list with the last one.
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

    /// Takes a subscriber of all these patterns in, and returns the list of each.
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

    /// Takes back what [`Interests::enter_patterns`] did.
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

    /// The lists that an event for everyone goes to, and how many subscribers they have.
    pub(crate) fn of_everyone(&self) -> (ListIds, usize) {
        let lists = ListIds { own: Some(self.everyone), others: Arc::clone(&self.none) };
        (lists, self.lengths[self.everyone.0])
    }

    /// The lists that an event on `topic` goes to, given the one of its own subscribers and the
    /// patterns that matched it last time; and how many subscribers they have, each counted once.
    pub(crate) fn of_topic(
        &self,
        topic: &Topic,
        own: Option<ListId>,
        matched: &mut MatchedPatterns,
    ) -> (ListIds, usize) {
        let subscribers = own.map_or(0, |list| self.lengths[list.0]);
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

    /// Finds the patterns that match. Of those that were there when it was last done, what was found
    /// then still holds.
    fn look_up(&self, topic: &Topic, matched: &mut MatchedPatterns) {
        let before = std::mem::take(matched);
        let candidates = || self.patterns.candidates(topic);
        let mut lists: Vec<_> = candidates().flat_map(|all| all.lists(topic, &before)).collect();
        lists.sort_unstable();
        let mut surplus: Vec<_> =
            candidates().flat_map(|all| all.surplus(topic, &before)).collect();
        surplus.sort_unstable();
        surplus.dedup();
        // The same lists stay the same, so that events that wait for them are handed out together.
        let lists = if *before.lists == *lists { before.lists } else { lists.into() };
        *matched = MatchedPatterns { generation: self.generation, lists, surplus: surplus.into() };
    }

    /// Takes one subscriber off a list, and ends it with the last one: then that is true.
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
    /// Returns `true` if the pattern was there when the topic was looked up, so that what was found
    /// then still holds.
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

    /// What a topic without subscribers of its own goes to.
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
