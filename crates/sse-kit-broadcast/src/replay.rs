//! Reads history for one subscription, one page at a time, so that no page delays publishers.

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

/// The maximum number of pattern matches per page. A page is read under the lock that publishers
/// take, so this bounds their wait to some ten microseconds.
const MAX_MATCHES: usize = 512;

/// A reader of history, used under the lock of the hub's state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replay<'a> {
    topics: &'a TopicTable,
    history: &'a History,
    wanted: &'a Topics,
}

/// A page of missed events.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// The oldest missed events, by offset.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The position after which the next page begins; `None` if this page is the last.
    pub(crate) more_after: Option<u64>,
    /// The newest offset that may be lost.
    pub(crate) lost_through: Option<u64>,
    /// The newest offset that was trimmed although the stream was promised all of history.
    pub(crate) broken_promise: Option<u64>,
    /// `true` if further pages are read in log order.
    pub(crate) in_order: bool,
}

/// A part of history that is read without the lock of the hub's state, so that a reader that is
/// descheduled delays nobody.
#[derive(Debug)]
pub(crate) struct Stretch {
    segment: Segment,
    lost: Lost,
}

/// The result of looking for lost events in one page.
#[derive(Debug)]
pub(crate) enum Loss {
    None,
    Some,
    /// Nothing is lost up to `after`; later events are not examined yet.
    Unknown {
        after: u64,
    },
}

/// A page of the newest events.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// The entries, newest first.
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The position before which the next page ends; `None` if this page is the last.
    pub(crate) more_before: Option<u64>,
}

/// The place to look for the events of a subscription.
enum Source<'a> {
    /// The states of these topics, which are few.
    Topics(Vec<&'a TopicState>),
    /// The order of all entries: too many topics share the prefixes of the patterns.
    Order,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(topics: &'a TopicTable, history: &'a History, wanted: &'a Topics) -> Self {
        Self { topics, history, wanted }
    }

    /// Reads the oldest events after `after`, up to `limit`; fewer if many topics must be examined.
    /// Losses up to `gap_told_through` are not reported again.
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

    /// Reads as [`Replay::missed`] does, for patterns whose prefixes are known to match too many
    /// topics.
    pub(crate) fn missed_in_order(self, after: u64, gap_told_through: u64, limit: usize) -> Missed {
        let Self { topics, history, wanted } = self;
        let from = Start { after, gap_told_through };
        let lost = Lost::now(topics, history);
        read_in_order(history.after(after), wanted, from, limit, MAX_MATCHES, lost)
    }

    /// Notes in a page after `after` what was trimmed after the trim `promised_from`.
    pub(crate) fn note_broken_promise(self, missed: &mut Missed, after: u64, promised_from: u64) {
        if self.history.trims() <= promised_from {
            return;
        }
        let forgets = self.wants_forgotten() && self.topics.forgotten_since(promised_from);
        let forgotten = forgets.then(|| self.topics.forgotten_through());
        let broken = match self.source() {
            Source::Topics(states) => {
                let trimmed = states.iter().filter(|state| state.trimmed_since(promised_from));
                let through = trimmed.map(|state| self.topics.trimmed_through(state));
                through.filter(|through| *through > after).max()
            }
            Source::Order => {
                let through = missed.more_after.unwrap_or(u64::MAX);
                let page = self.history.after(after).take_while(|place| place.offset <= through);
                // The entry of a place may have been trimmed before, but the newest trimmed one of its topic was not.
                let trimmed = page.filter_map(|place| match look_at(place, self.wanted) {
                    Found::Trimmed => self.topics.get(place.key),
                    _ => None,
                });
                let broken = trimmed.filter(|state| state.trimmed_since(promised_from));
                broken.map(|state| self.topics.trimmed_through(state)).max()
            }
        };
        missed.broken_promise = broken.max(forgotten.filter(|through| *through > after));
    }

    /// Returns the next part of history after `after` that can be read without the lock.
    pub(crate) fn stretch_after(self, after: u64) -> Option<Stretch> {
        Some(Stretch {
            segment: self.history.segment_after(after)?,
            lost: Lost::now(self.topics, self.history),
        })
    }

    /// Looks for lost events after `after`, one page per call.
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

    /// Reads the newest events before `before`, up to `limit`; fewer if many topics must be
    /// examined.
    pub(crate) fn newest(self, before: u64, limit: usize) -> Newest {
        match self.source() {
            Source::Topics(states) => newest_of(&states, before, limit),
            Source::Order => self.newest_in_order(before, limit),
        }
    }

    /// Collects the topics if they are few. A topic that does not match costs as much as one that
    /// does, so both count.
    fn source(self) -> Source<'a> {
        let own = self.wanted.topics().iter().filter_map(|topic| self.topics.find(topic));
        let keys = own.chain([self.topics.everyone()]);
        let mut states: Vec<_> = keys.filter_map(|key| self.topics.get(key)).collect();
        let patterns = self.wanted.patterns();
        let mut prefixes: Vec<_> = patterns.iter().map(TopicPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        // A longer prefix is covered by a shorter prefix of it.
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

    /// Returns `true` if a forgotten topic may be wanted. The topics of a joined subscription are
    /// in the table, but not those of one that is about to join.
    fn wants_forgotten(self) -> bool {
        let is_unknown = |topic| self.topics.find(topic).is_none();
        !self.wanted.patterns().is_empty() || self.wanted.topics().iter().any(is_unknown)
    }
}

impl Stretch {
    /// Reads as [`Replay::missed`] does, within this stretch; there is always more after it.
    pub(crate) fn read(
        &self,
        wanted: &Topics,
        after: u64,
        gap_told_through: u64,
        limit: usize,
    ) -> Missed {
        let first = self.segment.partition_point(|place| place.offset <= after);
        let places = &self.segment[first..];
        let from = Start { after, gap_told_through };
        let mut missed = read_in_order(places, wanted, from, limit, usize::MAX, self.lost);
        let last = self.segment.last().map_or(after, |place| place.offset);
        missed.more_after.get_or_insert(last);
        missed
    }
}

/// The position of a reader.
#[derive(Clone, Copy)]
struct Start {
    /// The newest offset that the reader has.
    after: u64,
    /// The newest offset of the gaps that it was already told about.
    gap_told_through: u64,
}

/// The newest offsets that may be lost.
#[derive(Clone, Copy, Debug)]
struct Lost {
    /// The newest offset of a topic that was forgotten.
    forgotten_through: u64,
    /// The newest offset that was trimmed from any topic.
    trimmed_through: u64,
}

impl Lost {
    fn now(topics: &TopicTable, history: &History) -> Self {
        Self {
            forgotten_through: topics.forgotten_through(),
            trimmed_through: history.trimmed_through(),
        }
    }
}

/// Reads places from a position until it has `limit` events or has used up the budget of matches.
fn read_in_order<'a>(
    places: impl IntoIterator<Item = &'a Place>,
    wanted: &Topics,
    from: Start,
    limit: usize,
    mut budget: usize,
    lost: Lost,
) -> Missed {
    let mut missed = Missed { in_order: true, ..Missed::default() };
    missed.lose(lost.forgotten_through);
    let mut last = from.after;
    for place in places {
        let offset = place.offset;
        // An event for several topics has several places, which are examined together.
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
            // Losses are reported once, for everything that may be lost. The entry may have been
            // trimmed after the lock was released.
            Found::Trimmed if offset > from.gap_told_through => {
                missed.lose(lost.trimmed_through.max(offset));
            }
            Found::Entry(_) | Found::Trimmed | Found::NotWanted => {}
        }
    }
    missed.forget_what_was_told(from.after, from.gap_told_through);
    missed
}

fn look_at(place: &Place, wanted: &Topics) -> Found {
    if !place.topic.as_ref().is_none_or(|topic| wanted.cover(topic)) {
        return Found::NotWanted;
    }
    place.entry().map_or(Found::Trimmed, Found::Entry)
}

/// The result of examining a place.
enum Found {
    Entry(Arc<Entry>),
    Trimmed,
    NotWanted,
}

/// Returns `true` if the last entry has another offset.
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

/// Merges the entries of several topics, each of which is sorted. `order` maps an offset to its
/// sort key; the greatest key comes first, and each entry once. The cost is proportional to the
/// entries taken, plus a little per topic.
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
            // An event for several topics is in each of their histories.
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
