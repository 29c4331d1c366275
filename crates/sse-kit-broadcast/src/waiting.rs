//! What waits in a queue, in order, and what it weighs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::control::Gap;
use sse_kit_event::{Audience, EventId, EventKey};

use crate::entry::Entry;

/// The items that wait for one connection.
///
/// An item that is taken out of the middle leaves a hole, so that all others keep their numbers; the
/// first item is never a hole.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    items: VecDeque<Option<Item>>,
    /// The number of the first item.
    first: u64,
    holes: usize,
    /// How many of the items are events, and what these weigh: the rest is not held to the limits.
    events: usize,
    bytes: usize,
    /// No item before this number is an entry.
    entries_from: u64,
    /// The number of the newest entry of each key, where entries are conflated.
    #[expect(clippy::box_collection, reason = "few queues conflate, and all others stay small")]
    newest: Option<Box<HashMap<Subject, u64>>>,
}

/// What a keyed event is about: of two with the same subject the newer one stands in for the older.
type Subject = (Audience, EventKey);

/// An item. Kept small: most queues are empty most of the time, but their memory stays.
#[derive(Debug)]
pub(crate) enum Item {
    Entry(Arc<Entry>),
    Direct(Box<Bytes>),
    Gap(Box<Gap>),
    Heartbeat,
}

impl Waiting {
    /// Nothing, for a queue that conflates or not.
    pub(crate) fn new(conflates: bool) -> Self {
        Self { newest: conflates.then(Box::default), ..Self::default() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn events(&self) -> usize {
        self.events
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns `true` if a frame fits into so many bytes with all that waits. One always fits into an
    /// empty queue, however large.
    #[inline]
    pub(crate) fn has_room_for(&self, frame: &Bytes, bytes: usize) -> bool {
        self.events == 0 || self.bytes.saturating_add(frame.len()) <= bytes
    }

    pub(crate) fn front(&self) -> Option<&Item> {
        self.items.front()?.as_ref()
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item) {
        if let Some(frame) = item.frame() {
            self.events += 1;
            self.bytes += frame.len();
        }
        if self.newest.is_some() {
            self.note_newest(&item);
        }
        self.items.push_back(Some(item));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()??;
        self.release(&item);
        if self.newest.is_some() {
            self.forget_first(&item);
        }
        self.first += 1;
        if self.holes > 0 {
            self.drop_leading_holes();
        }
        Some(item)
    }

    /// Removes the older event that `entry` stands in for, where entries are conflated. The newer one
    /// goes to the end of the queue, not to the older one's place, as ids must not go back.
    #[inline]
    pub(crate) fn replace_same(&mut self, entry: &Entry) -> bool {
        self.newest.is_some() && self.take_out_same(entry)
    }

    fn take_out_same(&mut self, entry: &Entry) -> bool {
        let Some(newest) = &self.newest else { return false };
        let Some(number) = subject(entry).and_then(|subject| newest.get(&subject).copied()) else {
            return false;
        };
        self.take_out(number).is_some()
    }

    /// Notes an item that goes to the end of the queue as the newest of its key.
    fn note_newest(&mut self, item: &Item) {
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
        {
            newest.insert(subject, self.first + self.items.len() as u64);
        }
    }

    /// Forgets the first item as the newest of its key, if it is that.
    fn forget_first(&mut self, item: &Item) {
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
            && newest.get(&subject) == Some(&self.first)
        {
            newest.remove(&subject);
        }
    }

    /// Removes the oldest entry, wherever it stands.
    pub(crate) fn remove_oldest_entry(&mut self) -> Option<Arc<Entry>> {
        let from = self.index(self.entries_from.max(self.first))?;
        let is_entry = |item: &Option<Item>| matches!(item, Some(Item::Entry(_)));
        let Some(at) = self.items.range(from..).position(is_entry) else {
            self.entries_from = self.first + self.items.len() as u64;
            return None;
        };
        self.entries_from = self.first + (from + at) as u64;
        match self.take_out(self.entries_from)? {
            Item::Entry(entry) => Some(entry),
            Item::Direct(_) | Item::Gap(_) | Item::Heartbeat => None,
        }
    }

    /// Removes the entries of the epoch of `after`. A gap that says where that epoch ended begins there
    /// instead.
    pub(crate) fn remove_entries_of(&mut self, after: EventId) {
        let is_of_it = |id: EventId| id.epoch() == after.epoch();
        let items = std::mem::take(&mut self.items);
        (self.holes, self.events, self.bytes, self.entries_from) = (0, 0, 0, self.first);
        if let Some(newest) = &mut self.newest {
            newest.clear();
        }
        for mut item in items.into_iter().flatten() {
            match &mut item {
                Item::Entry(entry) if is_of_it(entry.id) => continue,
                Item::Gap(gap) if gap.from.is_some_and(is_of_it) => gap.from = Some(after),
                _ => {}
            }
            self.push(item);
        }
    }

    /// Takes an item out, whose place becomes a hole.
    fn take_out(&mut self, number: u64) -> Option<Item> {
        let at = self.index(number)?;
        let item = self.items.get_mut(at)?.take()?;
        self.holes += 1;
        self.release(&item);
        self.drop_leading_holes();
        if self.holes > 32 && self.holes * 2 > self.items.len() {
            self.close_holes();
        }
        Some(item)
    }

    /// The place of an item that was not popped yet.
    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok().filter(|at| *at <= self.items.len())
    }

    fn drop_leading_holes(&mut self) {
        while let Some(None) = self.items.front() {
            self.items.pop_front();
            self.first += 1;
            self.holes -= 1;
        }
    }

    /// Moves the items together, and numbers them anew.
    fn close_holes(&mut self) {
        self.items.retain(Option::is_some);
        (self.holes, self.entries_from) = (0, self.first);
        if let Some(newest) = &mut self.newest {
            newest.clear();
            for (number, item) in (self.first..).zip(&self.items) {
                if let Some(Item::Entry(entry)) = item
                    && let Some(subject) = subject(entry)
                {
                    newest.insert(subject, number);
                }
            }
        }
    }

    /// Subtracts an item that was removed from what waits.
    #[inline]
    fn release(&mut self, item: &Item) {
        if let Some(frame) = item.frame() {
            self.events -= 1;
            self.bytes -= frame.len();
        }
    }
}

fn subject(entry: &Entry) -> Option<Subject> {
    Some((entry.audience.clone(), entry.key.clone()?))
}

impl Item {
    /// The bytes of an event; what the hub itself has to say is none.
    #[inline]
    fn frame(&self) -> Option<&Bytes> {
        match self {
            Self::Entry(entry) => Some(&entry.frame),
            Self::Direct(frame) => Some(frame),
            Self::Gap(_) | Self::Heartbeat => None,
        }
    }
}
