//! An index of all subscribed patterns, by literal prefix.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use sse_kit_event::{Topic, TopicPattern};

use crate::lists::ListId;

/// Indexes patterns by literal prefix, so a topic is matched only against patterns that share its
/// prefix. Patterns per prefix are capped: otherwise clients could make every publish match
/// arbitrarily many.
#[derive(Debug)]
pub(crate) struct PatternIndex {
    by_prefix: BTreeMap<Box<str>, PrefixGroup>,
    len: usize,
    /// The maximum number of patterns, and of overlaps, per prefix.
    max_per_prefix: usize,
}

/// The patterns of one prefix.
#[derive(Debug, Default)]
pub(crate) struct PrefixGroup {
    pub(crate) patterns: HashMap<TopicPattern, Registered>,
    /// The sets of patterns in one subscription of which several may match the same topic. Each has
    /// a list that counts the subscribers with exactly this set, so that a subscriber in two
    /// matching lists is not counted twice. For each such pair of patterns, the set is stored at
    /// the longer prefix.
    pub(crate) overlaps: HashMap<Arc<[TopicPattern]>, Registered>,
}

/// A pattern, or a set of overlapping patterns, with its list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    pub(crate) list: ListId,
    /// The generation in which it was added.
    pub(crate) since: u64,
}

/// The lists of the entered patterns.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) lists: Vec<ListId>,
    pub(crate) overlap: Option<ListId>,
    /// `true` if a pattern or overlap was added.
    pub(crate) news: bool,
}

impl PatternIndex {
    pub(crate) fn new(max_per_prefix: usize) -> Self {
        Self { by_prefix: BTreeMap::new(), len: 0, max_per_prefix }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn has_room_for(&self, patterns: &[TopicPattern]) -> bool {
        let find = |prefix: &str| self.by_prefix.get(prefix);
        // One subscription may bring several patterns with the same prefix, so the limit may be
        // exceeded by that many.
        let listed = patterns.iter().all(|pattern| {
            find(pattern.literal_prefix()).is_none_or(|group| {
                group.patterns.contains_key(pattern) || group.patterns.len() < self.max_per_prefix
            })
        });
        listed
            && overlapping(patterns).iter().all(|prefix| {
                find(prefix).is_none_or(|group| {
                    group.overlaps.contains_key(patterns)
                        || group.overlaps.len() < self.max_per_prefix
                })
            })
    }

    /// Returns the list of each pattern, and of the overlap if there is one. Unknown patterns get a
    /// new list and the generation `since`.
    pub(crate) fn enter(
        &mut self,
        patterns: &[TopicPattern],
        since: u64,
        mut new_list: impl FnMut() -> ListId,
    ) -> Entered {
        let mut news = false;
        let mut new = || {
            news = true;
            Registered { list: new_list(), since }
        };
        let mut lists = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let group = self.by_prefix.entry(pattern.literal_prefix().into()).or_default();
            let list = group.patterns.entry(pattern.clone()).or_insert_with(|| {
                self.len += 1;
                new()
            });
            lists.push(list.list);
        }
        let overlap = self.overlap(patterns).or_else(|| {
            let prefixes = overlapping(patterns);
            let overlap = (!prefixes.is_empty()).then(&mut new)?;
            let set: Arc<[_]> = patterns.into();
            for prefix in prefixes {
                let group = self.by_prefix.entry(prefix.into()).or_default();
                group.overlaps.insert(Arc::clone(&set), overlap);
            }
            Some(overlap.list)
        });
        Entered { lists, overlap, news }
    }

    pub(crate) fn list(&self, pattern: &TopicPattern) -> Option<ListId> {
        self.by_prefix.get(pattern.literal_prefix())?.patterns.get(pattern).map(|known| known.list)
    }

    /// Returns the list that counts the subscribers with exactly these overlapping patterns.
    pub(crate) fn overlap(&self, patterns: &[TopicPattern]) -> Option<ListId> {
        let prefix = overlapping(patterns).first().copied()?;
        self.by_prefix.get(prefix)?.overlaps.get(patterns).map(|known| known.list)
    }

    pub(crate) fn forget(&mut self, pattern: &TopicPattern) {
        self.len -= 1;
        self.remove(pattern.literal_prefix(), |group| {
            group.patterns.remove(pattern);
        });
    }

    pub(crate) fn forget_overlap(&mut self, patterns: &[TopicPattern]) {
        for prefix in overlapping(patterns) {
            self.remove(prefix, |group| {
                group.overlaps.remove(patterns);
            });
        }
    }

    fn remove(&mut self, prefix: &str, from: impl FnOnce(&mut PrefixGroup)) {
        let Some(group) = self.by_prefix.get_mut(prefix) else { return };
        from(group);
        if group.patterns.is_empty() && group.overlaps.is_empty() {
            self.by_prefix.remove(prefix);
        }
    }

    /// Returns the groups whose prefix is a prefix of `topic`, longest first: all patterns that can
    /// match it.
    pub(crate) fn candidates<'a>(
        &'a self,
        topic: &'a Topic,
    ) -> impl Iterator<Item = &'a PrefixGroup> {
        // Every prefix of the topic up to and including this one is still to be looked up. In
        // sorted order, the greatest key not above `longest` is either a prefix of the topic or
        // shares a shorter prefix with it; that shorter prefix is the next bound. So a look-up
        // takes one range query per group found or common prefix, never one per registered pattern.
        let mut longest = Some(topic.as_str());
        std::iter::from_fn(move || {
            loop {
                let text = longest?;
                let up_to = (Unbounded, Included(text));
                let (prefix, group) = self.by_prefix.range::<str, _>(up_to).next_back()?;
                if text.starts_with(&**prefix) {
                    longest = prefix.char_indices().next_back().map(|(last, _)| &text[..last]);
                    return Some(group);
                }
                // The key is not a prefix: anything longer than the common part would have been
                // found before it.
                longest = Some(in_common(text, prefix));
            }
        })
    }
}

/// Returns, for each two patterns that may match the same topic, the longer prefix; without
/// duplicates.
fn overlapping(patterns: &[TopicPattern]) -> Vec<&str> {
    let mut longer = Vec::new();
    for (at, one) in patterns.iter().enumerate() {
        for other in &patterns[at + 1..] {
            let (one, other) = (one.literal_prefix(), other.literal_prefix());
            if one.starts_with(other) {
                longer.push(one);
            } else if other.starts_with(one) {
                longer.push(other);
            }
        }
    }
    longer.sort_unstable();
    longer.dedup();
    longer
}

fn in_common<'a>(text: &'a str, other: &str) -> &'a str {
    let same = text.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
    &text[..same.last().map_or(0, |((at, last), _)| at + last.len_utf8())]
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    fn patterns(texts: &[&str]) -> Vec<TopicPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn index(texts: &[&str]) -> PatternIndex {
        let (mut index, mut lists) = (PatternIndex::new(2), SlotMap::new());
        for pattern in patterns(texts) {
            index.enter(&[pattern], 0, || ListId(lists.insert(())));
        }
        index
    }

    fn candidates(index: &PatternIndex, topic: &str) -> Vec<String> {
        let topic = topic.parse().unwrap();
        let patterns = index.candidates(&topic).flat_map(|group| group.patterns.keys());
        let mut all: Vec<_> = patterns.map(TopicPattern::to_string).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn only_what_begins_alike_is_looked_at() {
        let all = ["a:*", "a:b*", "a:b:**", "a:ö*", "a:ü*", "ab*", "b:*", "**:x", "a:b:c:d*"];
        let index = index(&all);
        assert_eq!(candidates(&index, "a:b:c"), ["**:x", "a:*", "a:b*", "a:b:**"]);
        assert_eq!(candidates(&index, "a:ü"), ["**:x", "a:*", "a:ü*"]);
        assert_eq!(candidates(&index, "c"), ["**:x"]);
        let users: Vec<_> = (0..1000).map(|n| format!("users:{n}:*")).collect();
        let users: Vec<_> = users.iter().map(String::as_str).collect();
        assert_eq!(candidates(&self::index(&users), "users:17:x"), ["users:17:*"]);
        assert!(candidates(&self::index(&users), "users:x").is_empty());
    }

    #[test]
    fn two_overlap_when_one_begins_as_the_other() {
        let overlapping = |texts: &[&str]| {
            overlapping(&patterns(texts)).into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(overlapping(&["a:*", "b:*", "c*"]).is_empty());
        assert_eq!(overlapping(&["a:*", "a:b:*", "b:*"]), ["a:b:"]);
        assert_eq!(overlapping(&["*:x", "a:*", "b:*", "*:y"]), ["", "a:", "b:"]);
    }

    #[test]
    fn there_is_room_for_so_many_that_begin_alike_and_for_all_that_are_known() {
        let index = index(&["a:*", "a:*:b", "b:*"]);
        assert!(index.has_room_for(&patterns(&["a:*", "b:*:c", "c:*"])));
        assert!(!index.has_room_for(&patterns(&["a:*:c"])));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let (mut index, mut lists) = (PatternIndex::new(2), SlotMap::new());
        let set = patterns(&["*:x", "a:*", "b:*"]);
        let entered = index.enter(&set, 0, || ListId(lists.insert(())));
        assert_eq!((entered.lists.len(), entered.overlap.is_some(), entered.news), (3, true, true));
        assert_eq!(index.overlap(&set), entered.overlap);
        assert!(!index.enter(&set, 0, || ListId(lists.insert(()))).news);
        for pattern in &set {
            index.forget(pattern);
        }
        index.forget_overlap(&set);
        assert!(index.by_prefix.is_empty());
        assert_eq!(index.len(), 0);
    }
}
