//! The places of all events in history, in log order.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_event::Topic;

use crate::entry::Entry;
use crate::topic_table::TopicKey;

/// The number of places at which a segment is sealed.
const SEALED_AT: usize = 256;

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
/// removed, so they can be read without the lock of the hub's state.
#[derive(Debug, Default)]
pub(crate) struct LogOrder {
    sealed: VecDeque<Sealed>,
    open: Vec<Place>,
    len: usize,
    /// The position of the oldest place whose entry may still exist: segment, and index in it.
    oldest: (usize, usize),
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
        let (segment, at) = self.oldest;
        if self.sealed.get(segment).is_some_and(|sealed| at >= sealed.places.len()) {
            self.oldest = (segment + 1, 0);
        }
    }

    /// Drops the places that are not needed.
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
            while order.oldest().is_some_and(|place| place.entry().is_none()) {
                order.pass_oldest();
            }
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
}
