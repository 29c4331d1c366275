//! The places of all events in history, in log order.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_event::Topic;

use crate::entry::Entry;
use crate::topic_table::TopicKey;

/// The number of places at which a segment is sealed.
const SEALED_AT: usize = 256;

/// The number of pushes after which two more segments are compacted, if there are too many places.
const COMPACTED_EVERY: usize = 32;

/// The place of an entry on one topic. An event for several topics has one place per topic.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) offset: u64,
    pub(crate) key: TopicKey,
    /// The topic; `None` for everyone.
    pub(crate) topic: Option<Topic>,
    /// The entry; `None` after the topic trimmed it.
    entry: Mutex<Option<Arc<Entry>>>,
}

/// The places, in segments. All segments except the last are sealed: no place is added to them or
/// removed, so they can be read without the lock of the hub's state. [`LogOrder::compact`] replaces
/// segments.
#[derive(Debug, Default)]
pub(crate) struct LogOrder {
    sealed: VecDeque<Sealed>,
    open: Vec<Place>,
    len: usize,
    /// The position of the oldest place whose entry may still exist: segment, and index in it.
    oldest: (usize, usize),
    /// The sealed segment to compact next.
    compacts_at: usize,
    /// The pushes since the last compaction.
    pushes: usize,
}

#[derive(Debug)]
struct Sealed {
    last: u64,
    places: Segment,
}

/// A sealed segment. Its places are fixed; only their entries may be trimmed.
pub(crate) type Segment = Arc<[Place]>;

impl Place {
    pub(crate) fn new(key: TopicKey, topic: Option<Topic>, entry: &Arc<Entry>) -> Self {
        let offset = entry.id().offset();
        Self { offset, key, topic, entry: Mutex::new(Some(Arc::clone(entry))) }
    }

    /// Returns the entry, unless it was trimmed.
    pub(crate) fn entry(&self) -> Option<Arc<Entry>> {
        self.entry.lock().clone()
    }

    fn moved(&self) -> Self {
        let Self { offset, key, topic, entry } = self;
        let entry = Mutex::new(entry.lock().clone());
        Self { offset: *offset, key: *key, topic: topic.clone(), entry }
    }
}

impl LogOrder {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push(&mut self, place: Place) {
        // All places of one event are in the same segment.
        let last = self.open.last().map(|last| last.offset);
        if let Some(last) = last.filter(|last| *last != place.offset)
            && self.open.len() >= SEALED_AT
        {
            let places = std::mem::replace(&mut self.open, Vec::with_capacity(SEALED_AT)).into();
            self.sealed.push_back(Sealed { last, places });
            self.skip_segment_that_has_passed();
        }
        self.open.push(place);
        self.len += 1;
        self.pushes += 1;
    }

    /// Returns the places after `offset`, oldest first.
    pub(crate) fn after(&self, offset: u64) -> impl Iterator<Item = &Place> {
        let from = self.sealed.partition_point(|sealed| sealed.last <= offset);
        let sealed = self.sealed.range(from..).flat_map(|sealed| sealed.places.iter());
        sealed.chain(&self.open).skip_while(move |place| place.offset <= offset)
    }

    /// Returns the places before `offset`, newest first.
    pub(crate) fn before(&self, offset: u64) -> impl Iterator<Item = &Place> {
        let to = self.sealed.partition_point(|sealed| sealed.last < offset);
        let sealed = self.sealed.range(..(to + 1).min(self.sealed.len())).rev();
        let sealed = sealed.flat_map(|sealed| sealed.places.iter().rev());
        let all = self.open.iter().rev().chain(sealed);
        all.skip_while(move |place| place.offset >= offset)
    }

    /// Returns the sealed segment that contains the first place after `offset`, if that place is
    /// sealed.
    pub(crate) fn sealed_after(&self, offset: u64) -> Option<Segment> {
        let at = self.sealed.partition_point(|sealed| sealed.last <= offset);
        self.sealed.get(at).map(|sealed| Arc::clone(&sealed.places))
    }

    /// Marks the entry of this offset and topic as trimmed.
    pub(crate) fn trim(&self, offset: u64, key: TopicKey) {
        let at = self.sealed.partition_point(|sealed| sealed.last < offset);
        let places = self.sealed.get(at).map_or(&self.open[..], |sealed| &sealed.places);
        let from = places.partition_point(|place| place.offset < offset);
        let same_offset = places[from..].iter().take_while(|place| place.offset == offset);
        for place in same_offset.filter(|place| place.key == key) {
            *place.entry.lock() = None;
        }
    }

    /// Returns the oldest place whose entry may still exist.
    pub(crate) fn oldest(&self) -> Option<&Place> {
        let (segment, at) = self.oldest;
        match self.sealed.get(segment) {
            Some(sealed) => sealed.places.get(at),
            None => self.open.get(at),
        }
    }

    /// Advances past the oldest place, whose entry was trimmed.
    pub(crate) fn pass_oldest(&mut self) {
        self.oldest.1 += 1;
        self.skip_segment_that_has_passed();
    }

    fn skip_segment_that_has_passed(&mut self) {
        let (mut segment, mut at) = self.oldest;
        while self.sealed.get(segment).is_some_and(|sealed| at >= sealed.places.len()) {
            (segment, at) = (segment + 1, 0);
        }
        self.oldest = (segment, at);
    }

    /// Drops the places that are not needed from the next two sealed segments, if a few places were
    /// pushed since the last time, and joins the segments if they are small. A look at all places at
    /// once would keep publishers waiting.
    pub(crate) fn compact(&mut self, is_needed: impl Fn(&Place) -> bool) {
        if self.pushes < COMPACTED_EVERY {
            return;
        }
        self.pushes = 0;
        if self.compacts_at + 1 >= self.sealed.len() {
            self.compacts_at = 0;
        }
        let first = self.compacts_at;
        self.thin(first + 1, &is_needed);
        self.thin(first, &is_needed);
        self.compacts_at = if self.join(first) { first } else { first + 1 };
    }

    /// Drops the places of a sealed segment that are not needed, and the segment if it needs none.
    fn thin(&mut self, segment: usize, is_needed: impl Fn(&Place) -> bool) {
        let Some(sealed) = self.sealed.get(segment) else { return };
        let is_needed: Vec<_> = sealed.places.iter().map(is_needed).collect();
        let count = |needed: &[bool]| needed.iter().filter(|is_needed| **is_needed).count();
        let (before, after) = (is_needed.len(), count(&is_needed));
        if before == after {
            return;
        }
        if self.oldest.0 == segment {
            self.oldest.1 = count(&is_needed[..self.oldest.1]);
        }
        self.len -= before - after;
        let places = sealed.places.iter().zip(is_needed).filter(|(_, is_needed)| *is_needed);
        let places = places.map(|(place, _)| place.moved()).collect();
        self.replace(segment, places);
    }

    /// Joins a sealed segment with the next one, unless they are too large together. Returns `true`
    /// if it has joined them.
    fn join(&mut self, segment: usize) -> bool {
        let Some(next) = self.sealed.get(segment + 1) else { return false };
        let first = &self.sealed[segment];
        let (before, more) = (first.places.len(), next.places.len());
        if before + more > SEALED_AT {
            return false;
        }
        let places = first.places.iter().chain(&*next.places).map(Place::moved).collect();
        self.sealed.remove(segment + 1);
        self.oldest = match self.oldest {
            (at, place) if at == segment + 1 => (segment, before + place),
            (at, place) if at > segment => (at - 1, place),
            oldest => oldest,
        };
        self.replace(segment, places);
        true
    }

    /// Replaces the places of a sealed segment. An empty one is removed: a reader would not get past
    /// it.
    fn replace(&mut self, segment: usize, places: Segment) {
        if let Some(last) = places.last().map(|last| last.offset) {
            self.sealed[segment] = Sealed { last, places };
        } else {
            self.sealed.remove(segment);
            if self.oldest.0 > segment {
                self.oldest.0 -= 1;
            }
        }
        self.skip_segment_that_has_passed();
    }

    /// Drops the places that are not needed, at once.
    pub(crate) fn retain(&mut self, is_needed: impl Fn(&Place) -> bool) {
        let before = std::mem::take(self);
        for sealed in before.sealed {
            for place in sealed.places.iter().filter(|place| is_needed(place)) {
                self.push(place.moved());
            }
        }
        for place in before.open.into_iter().filter(is_needed) {
            self.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use slotmap::{DefaultKey, SlotMap};
    use sse_kit_event::{Epoch, Event, EventId};
    use sse_kit_test_support::rng;

    use super::*;
    use crate::record::Record;

    fn place(offset: u64, key: DefaultKey, topic: &str) -> Place {
        let topic: Topic = topic.parse().unwrap();
        let record = Record::new(&topic, Event::new("x").encode());
        let entry = Arc::new(Entry::new(EventId::new(Epoch::new(1), offset), record));
        Place::new(TopicKey(key), Some(topic), &entry)
    }

    fn seen(place: &Place) -> (u64, bool) {
        (place.offset, place.entry().is_some())
    }

    /// Compares the order with a plain list of places and whether each is trimmed.
    #[test]
    fn it_is_as_a_plain_list() {
        let (mut random, mut keys) = (rng(), SlotMap::new());
        let keys = [keys.insert(()), keys.insert(())];
        let (mut order, mut list) = (LogOrder::default(), Vec::new());
        let mut offset = 0;
        for _ in 0..5_000 {
            offset += random.u64(1..3);
            // Some events are for both topics.
            for (n, key) in keys.iter().enumerate().take(random.usize(1..3)) {
                order.push(place(offset, *key, &format!("t{n}")));
                list.push((offset, *key, true));
            }
            if random.u8(..3) > 0 {
                let at = random.usize(..list.len());
                let (offset, key, is_kept) = &mut list[at];
                order.trim(*offset, TopicKey(*key));
                *is_kept = false;
            }
            if random.u16(..1_000) == 0 {
                order.retain(|place| place.entry().is_some());
                list.retain(|(_, _, is_kept)| *is_kept);
            }
            if random.u8(..10) == 0 {
                order.compact(|place| place.entry().is_some());
                let rest: HashSet<_> =
                    order.after(0).map(|place| (place.offset, place.key.0)).collect();
                list.retain(|(offset, key, is_kept)| *is_kept || rest.contains(&(*offset, *key)));
            }
            if random.u8(..200) == 0 {
                let from = random.usize(..list.len());
                for (offset, key, is_kept) in list[from..].iter_mut().take(1_000) {
                    order.trim(*offset, TopicKey(*key));
                    *is_kept = false;
                }
            }
            while order.oldest().is_some_and(|place| place.entry().is_none()) {
                order.pass_oldest();
            }
            let last = |sealed: &Sealed| sealed.places.last().map(|place| place.offset);
            assert!(order.sealed.iter().all(|sealed| last(sealed) == Some(sealed.last)));
            let kept = list.iter().find(|(_, _, is_kept)| *is_kept).map(|(offset, ..)| *offset);
            assert_eq!(order.oldest().map(|place| place.offset), kept);
            assert_eq!(order.len(), list.len());
        }
        let all: Vec<_> = list.iter().map(|(offset, _, is_kept)| (*offset, *is_kept)).collect();
        for at in (0..offset + 2).step_by(97) {
            let after: Vec<_> = order.after(at).map(seen).collect();
            assert_eq!(after, all[all.partition_point(|(offset, _)| *offset <= at)..]);
            let mut before: Vec<_> = order.before(at).map(seen).collect();
            before.reverse();
            assert_eq!(before, all[..all.partition_point(|(offset, _)| *offset < at)]);
            if let Some(segment) = order.sealed_after(at) {
                let places: Vec<_> = segment.iter().map(seen).filter(|(o, _)| *o > at).collect();
                assert_eq!(places, after[..places.len()]);
                let next = after.get(places.len()).expect("what is open comes after it");
                assert_ne!(next.0, places[places.len() - 1].0, "an event stands in two segments");
            }
        }
    }

    /// Publishers wait meanwhile, so its cost must not grow with history.
    #[test]
    fn a_compaction_looks_at_two_segments_at_most() {
        let key = SlotMap::new().insert(());
        let mut order = LogOrder::default();
        let mut most = 0;
        for offset in 1..=50_000 {
            order.push(place(offset, key, "t"));
            order.trim(offset, TopicKey(key));
            let looked = Cell::new(0);
            if offset > 40_000 {
                order.compact(|place| {
                    looked.set(looked.get() + 1);
                    place.offset % 100 == 0
                });
            }
            most = most.max(looked.get());
        }
        assert!((SEALED_AT..=2 * SEALED_AT).contains(&most), "{most}");
        assert!(order.len() < 2_000, "{}", order.len());
        assert!(order.sealed.len() < 10, "small segments are joined: {}", order.sealed.len());
    }
}
