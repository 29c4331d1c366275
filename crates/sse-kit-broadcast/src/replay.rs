//! Reading history for one subscription: a page at a time, so that no page holds up publishers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::convert::identity;
use std::iter::Peekable;
use std::sync::Arc;

use sse_kit_event::{TopicPattern, Topics};

use crate::entry::Entry;
use crate::history::History;
use crate::log_order::{Place, Segment};
use crate::topic_table::{TopicState, TopicTable};

/// How often a topic is matched with a pattern for one page, at most. A page is read under the lock
/// that publishers take, so this is what bounds their wait: some ten microseconds.
const MAX_MATCHES: usize = 512;

/// A reader of history, under the lock of the hub's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay<'a> {
    topics: &'a TopicTable,
    history: &'a History,
    wanted: &'a Topics,
}

/// A page of what a subscriber missed.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// The oldest events, by offset.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Where to go on after this page; `None` when it was the last one.
    pub(crate) more_after: Option<u64>,
    /// The newest offset that may be missing for good.
    pub(crate) lost_through: Option<u64>,
    /// Further pages are read in the order of the log.
    pub(crate) in_order: bool,
}

/// A part of history that is read without the lock of the hub's state, so that a reader that has to wait
/// for the processor holds up nobody.
#[derive(Debug)]
pub(crate) struct Stretch {
    segment: Segment,
    forgotten_through: u64,
    trimmed_through: u64,
}

/// What is known of missing events after one page.
#[derive(Debug)]
pub(crate) enum Loss {
    None,
    Some,
    /// Nothing is missing up to here; what comes after is still to be looked through.
    Unknown {
        after: u64,
    },
}

/// A page of the newest events.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// The newest first.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Where to go on before this page; `None` when it was the last one.
    pub(crate) more_before: Option<u64>,
}

/// Where the events of a subscription are found.
enum Source<'a> {
    /// With these topics, which are few.
    Topics(Vec<&'a TopicState>),
    /// Somewhere in the order of all entries: too many topics begin as the patterns do.
    Order,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(topics: &'a TopicTable, history: &'a History, wanted: &'a Topics) -> Self {
        Self { topics, history, wanted }
    }

    /// Reads the oldest events after `after`, up to `limit` of them; fewer where there are many topics
    /// to look through. What is missing up to `gap_told_through` is not news.
    pub(crate) fn missed(self, after: u64, gap_told_through: u64, limit: usize) -> Missed {
        let mut missed = match self.source() {
            Source::Topics(states) => self.missed_of(&states, after, limit),
            Source::Order => return self.missed_in_order(after, gap_told_through, limit),
        };
        if self.wants_forgotten() {
            missed.lose(self.topics.forgotten_through());
        }
        missed.forget_what_was_told(after, gap_told_through);
        missed
    }

    /// As [`Replay::missed`], where it is known that too many topics begin as the patterns do.
    pub(crate) fn missed_in_order(self, after: u64, gap_told_through: u64, limit: usize) -> Missed {
        let Self { topics, history, wanted } = self;
        let lost = (topics.forgotten_through(), history.trimmed_through());
        read_in_order(
            history.after(after),
            wanted,
            (after, gap_told_through),
            limit,
            MAX_MATCHES,
            lost,
        )
    }

    /// The next part of history after `after` that can be read without the lock.
    pub(crate) fn stretch_after(self, after: u64) -> Option<Stretch> {
        Some(Stretch {
            segment: self.history.segment_after(after)?,
            forgotten_through: self.topics.forgotten_through(),
            trimmed_through: self.history.trimmed_through(),
        })
    }

    /// Looks for events after `after` that are missing for good, a page further each time.
    pub(crate) fn loss(self, after: u64) -> Loss {
        let lost = |through: u64| through > after;
        match self.source() {
            Source::Topics(states) => {
                let forgotten = self.wants_forgotten() && lost(self.topics.forgotten_through());
                let trimmed = |state: &&TopicState| lost(self.topics.trimmed_through(state));
                let is_lost = forgotten || states.iter().any(trimmed);
                if is_lost { Loss::Some } else { Loss::None }
            }
            Source::Order => match self.missed_in_order(after, after, usize::MAX) {
                Missed { lost_through: Some(through), .. } if lost(through) => Loss::Some,
                Missed { more_after: Some(after), .. } => Loss::Unknown { after },
                _ => Loss::None,
            },
        }
    }

    /// Reads the newest events before `before`, up to `limit` of them; fewer where there are many
    /// topics to look through.
    pub(crate) fn newest(self, before: u64, limit: usize) -> Newest {
        match self.source() {
            Source::Topics(states) => newest_of(&states, before, limit),
            Source::Order => self.newest_in_order(before, limit),
        }
    }

    /// Finds the topics, if they are few. Looking at those that do not match costs as much as looking
    /// at those that do, so their number is what counts.
    fn source(self) -> Source<'a> {
        let own = self.wanted.topics().iter().filter_map(|topic| self.topics.find(topic));
        let keys = own.chain([self.topics.everyone()]);
        let mut states: Vec<_> = keys.filter_map(|key| self.topics.get(key)).collect();
        let patterns = self.wanted.patterns();
        let mut prefixes: Vec<_> = patterns.iter().map(TopicPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        // What begins as one that begins as a shorter one is found with that.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
        let mut budget = MAX_MATCHES;
        for prefix in prefixes {
            for (topic, key) in self.topics.begin_with(prefix) {
                let Some(left) = budget.checked_sub(patterns.len()) else { return Source::Order };
                budget = left;
                if patterns.iter().any(|pattern| pattern.matches(topic)) {
                    states.extend(self.topics.get(key));
                }
            }
        }
        Source::Topics(states)
    }

    fn missed_of(self, states: &[&TopicState], after: u64, limit: usize) -> Missed {
        let mut missed = Missed::default();
        for state in states {
            missed.lose(self.topics.trimmed_through(state));
        }
        let mut oldest = merged(states.iter().map(|state| state.after(after)), Reverse);
        missed.entries = oldest.by_ref().take(limit).cloned().collect();
        if oldest.next().is_some() {
            missed.more_after =
                Some(missed.entries.last().map_or(after, |entry| entry.id().offset()));
        }
        missed
    }

    fn newest_in_order(self, before: u64, limit: usize) -> Newest {
        let mut newest = Newest { entries: Vec::new(), more_before: None };
        let mut budget = MAX_MATCHES;
        let mut last = before;
        for place in self.history.before(before) {
            let is_next = place.offset != last;
            if is_next && (budget == 0 || newest.entries.len() >= limit) {
                newest.more_before = Some(last);
                break;
            }
            last = place.offset;
            budget = budget.saturating_sub(self.wanted.patterns().len());
            if let Found::Entry(entry) = look_at(place, self.wanted)
                && is_next_of(&newest.entries, place.offset)
            {
                newest.entries.push(entry);
            }
        }
        newest
    }

    /// Returns `true` if a topic that was forgotten may be wanted. Those of a subscription that has joined
    /// are known, but not those of one that is about to.
    fn wants_forgotten(self) -> bool {
        let is_unknown = |topic| self.topics.find(topic).is_none();
        !self.wanted.patterns().is_empty() || self.wanted.topics().iter().any(is_unknown)
    }
}

impl Stretch {
    /// As [`Replay::missed`], of this stretch: there is always more after it.
    pub(crate) fn read(
        &self,
        wanted: &Topics,
        after: u64,
        gap_told_through: u64,
        limit: usize,
    ) -> Missed {
        let lost = (self.forgotten_through, self.trimmed_through);
        let from = self.segment.partition_point(|place| place.offset <= after);
        let places = &self.segment[from..];
        let mut missed =
            read_in_order(places, wanted, (after, gap_told_through), limit, usize::MAX, lost);
        let last = self.segment.last().map_or(after, |place| place.offset);
        missed.more_after.get_or_insert(last);
        missed
    }
}

/// Reads places after `after` until there are `limit` events, or so many matches were tried. `lost` are the
/// newest offsets that may be missing of topics that are forgotten, and of any topic.
fn read_in_order<'a>(
    places: impl IntoIterator<Item = &'a Place>,
    wanted: &Topics,
    (after, gap_told_through): (u64, u64),
    limit: usize,
    mut budget: usize,
    (forgotten_through, trimmed_through): (u64, u64),
) -> Missed {
    let mut missed = Missed { in_order: true, ..Missed::default() };
    missed.lose(forgotten_through);
    let mut last = after;
    for place in places {
        let offset = place.offset;
        // An event for several topics has as many places, and they are looked at together.
        let is_next = offset != last;
        if is_next && (budget == 0 || missed.entries.len() >= limit) {
            missed.more_after = Some(last);
            break;
        }
        last = offset;
        budget = budget.saturating_sub(wanted.patterns().len());
        match look_at(place, wanted) {
            Found::Entry(entry) if is_next_of(&missed.entries, offset) => {
                missed.entries.push(entry);
            }
            // That something is missing is told once, for all that may be. It may have been trimmed
            // since the lock was held.
            Found::Trimmed if offset > gap_told_through => missed.lose(trimmed_through.max(offset)),
            Found::Entry(_) | Found::Trimmed | Found::NotWanted => {}
        }
    }
    missed.forget_what_was_told(after, gap_told_through);
    missed
}

fn look_at(place: &Place, wanted: &Topics) -> Found {
    if !place.topic.as_ref().is_none_or(|topic| wanted.cover(topic)) {
        return Found::NotWanted;
    }
    place.entry().map_or(Found::Trimmed, Found::Entry)
}

/// What stands at a place.
enum Found {
    Entry(Arc<Entry>),
    Trimmed,
    NotWanted,
}

/// Returns `true` if the entry of this offset is not the last one already.
fn is_next_of(entries: &[Arc<Entry>], offset: u64) -> bool {
    entries.last().is_none_or(|last| last.id().offset() != offset)
}

fn newest_of(states: &[&TopicState], before: u64, limit: usize) -> Newest {
    let mut newest = merged(states.iter().map(|state| state.before(before)), identity);
    let entries: Vec<_> = newest.by_ref().take(limit).cloned().collect();
    let more_before = newest
        .next()
        .map(|_| entries.last().map_or(before, |entry: &Arc<Entry>| entry.id().offset()));
    Newest { entries, more_before }
}

/// Goes through the entries of several topics, each of which has its own in order, by what `order` makes
/// of their offsets: the greatest first, and each once. Costs what is taken, and a little for each
/// topic.
fn merged<'a, I, K>(
    topics: impl Iterator<Item = I>,
    order: fn(u64) -> K,
) -> impl Iterator<Item = &'a Arc<Entry>>
where
    I: Iterator<Item = &'a Arc<Entry>>,
    K: Ord + Copy,
{
    let place = move |rest: &mut Peekable<I>| rest.peek().map(|entry| order(entry.id().offset()));
    let mut rests: Vec<_> = topics.map(Iterator::peekable).collect();
    let firsts = rests.iter_mut().enumerate();
    let mut firsts: BinaryHeap<_> =
        firsts.filter_map(|(topic, rest)| Some((place(rest)?, topic))).collect();
    let mut last = None;
    std::iter::from_fn(move || {
        loop {
            let mut first = firsts.peek_mut()?;
            let (at, topic) = *first;
            let entry = rests[topic].next()?;
            match place(&mut rests[topic]) {
                Some(next) => first.0 = next,
                None => _ = PeekMut::pop(first),
            }
            // An event for several topics stands with each of them.
            if last.replace(at) != Some(at) {
                return Some(entry);
            }
        }
    })
}

impl Missed {
    fn forget_what_was_told(&mut self, after: u64, gap_told_through: u64) {
        self.lost_through = self.lost_through.filter(|lost| *lost > gap_told_through.max(after));
    }

    fn lose(&mut self, through: u64) {
        self.lost_through = self.lost_through.max(Some(through));
    }
}
