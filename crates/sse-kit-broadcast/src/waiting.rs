//! The items in a queue, in order, and their size.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::control::Gap;
use sse_kit_event::{Audience, EventId, EventKey};

use crate::entry::Entry;
use crate::slow_consumer::SlowConsumer;

/// The items that wait for one connection.
///
/// Removing an item from the middle leaves a hole, so that all other items keep their numbers. The
/// first item is never a hole.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    items: VecDeque<Option<Item>>,
    /// The number of items that are events, and their size in bytes. Other items are not limited.
    events: usize,
    bytes: usize,
    /// The numbering of the items, for policies that remove from the middle; most queues have none.
    places: Option<Box<Places>>,
}

/// The numbering of the items in a queue from whose middle items are removed. Its methods are
/// marked as cold, so that other queues pay one comparison.
#[derive(Debug, Default)]
struct Places {
    /// The number of the first item.
    first: u64,
    holes: usize,
    /// The number before which no item is an entry, and the number of gaps before it.
    entries_from: u64,
    gaps_before: usize,
    /// The number of the newest entry of each subject, if entries are conflated.
    newest: Option<HashMap<Subject, u64>>,
}

/// The subject of a keyed event: of two with the same subject, the newer one replaces the older.
type Subject = (Audience, EventKey);

/// An item of a queue. It is small, because most queues are empty most of the time but keep their
/// memory.
#[derive(Debug)]
pub(crate) enum Item {
    Entry(Arc<Entry>),
    Direct(Box<Bytes>),
    Gap(Box<Gap>),
    Heartbeat,
}

impl Waiting {
    /// Creates an empty queue for this policy.
    pub(crate) fn new(policy: SlowConsumer) -> Self {
        let places = policy.removes_from_the_middle().then(|| {
            let newest = policy.conflates().then(HashMap::new);
            Box::new(Places { newest, ..Places::default() })
        });
        Self { places, ..Self::default() }
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

    /// Returns `true` if a frame fits into the limit of `bytes` together with the waiting items. A
    /// frame always fits into an empty queue.
    #[inline]
    pub(crate) fn has_room_for(&self, frame: &Bytes, bytes: usize) -> bool {
        self.events == 0 || self.bytes.saturating_add(frame.len()) <= bytes
    }

    pub(crate) fn front(&self) -> Option<&Item> {
        self.items.front()?.as_ref()
    }

    /// Returns the first gap, if no entry waits before it.
    pub(crate) fn leading_gap(&self) -> Option<&Gap> {
        let leading = self.items.iter().flatten().find_map(|item| match item {
            Item::Gap(gap) => Some(Some(&**gap)),
            Item::Entry(_) => Some(None),
            Item::Direct(_) | Item::Heartbeat => None,
        });
        leading.flatten()
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item) {
        if let Some(frame) = item.frame() {
            self.events += 1;
            self.bytes += frame.len();
        }
        if let Some(places) = &mut self.places {
            places.pushed(&item, self.items.len());
        }
        self.items.push_back(Some(item));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()??;
        self.release(&item);
        if let Some(places) = &mut self.places {
            places.popped(&item, &mut self.items);
        }
        Some(item)
    }

    /// Removes the older event that `entry` replaces, if entries are conflated. The newer event
    /// goes to the end of the queue, not to the place of the older one, because ids must increase.
    #[inline]
    pub(crate) fn replace_same(&mut self, entry: &Entry) -> bool {
        self.places.is_some() && self.take_out_same(entry)
    }

    #[cold]
    fn take_out_same(&mut self, entry: &Entry) -> bool {
        let older = self.places.as_ref().and_then(|places| places.newest_like(entry));
        older.is_some_and(|number| self.take_out(number).is_some())
    }

    /// Removes the oldest entry at any place, for a queue that drops the oldest. Returns it with the number
    /// of gaps before it.
    pub(crate) fn remove_oldest_entry(&mut self) -> Option<(Arc<Entry>, usize)> {
        let places = self.places.as_mut()?;
        let number = places.find_oldest_entry(&self.items)?;
        let gaps = places.gaps_before;
        match self.take_out(number)? {
            Item::Entry(entry) => Some((entry, gaps)),
            Item::Direct(_) | Item::Gap(_) | Item::Heartbeat => None,
        }
    }

    /// Removes the entries of the epoch of `after`. If a gap reports the end of that epoch, it
    /// begins at `after` instead.
    pub(crate) fn remove_entries_of(&mut self, after: EventId) {
        let is_of_it = |id: EventId| id.epoch() == after.epoch();
        let items = std::mem::take(&mut self.items);
        (self.events, self.bytes) = (0, 0);
        if let Some(places) = &mut self.places {
            places.clear();
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

    /// Removes an item and leaves a hole.
    fn take_out(&mut self, number: u64) -> Option<Item> {
        let places = self.places.as_mut()?;
        let item = self.items.get_mut(places.index(number)?)?.take()?;
        places.holes += 1;
        places.drop_leading_holes(&mut self.items);
        if places.holes > 32 && places.holes * 2 > self.items.len() {
            places.close_holes(&mut self.items);
        }
        self.release(&item);
        Some(item)
    }

    /// Subtracts a removed item from the event and byte counts.
    #[inline]
    fn release(&mut self, item: &Item) {
        if let Some(frame) = item.frame() {
            self.events -= 1;
            self.bytes -= frame.len();
        }
    }
}

impl Places {
    /// Records an item that is appended after `behind` others.
    #[cold]
    fn pushed(&mut self, item: &Item, behind: usize) {
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
        {
            newest.insert(subject, self.first + behind as u64);
        }
    }

    /// Forgets the first item, which has left the queue, and the holes after it.
    #[cold]
    fn popped(&mut self, item: &Item, rest: &mut VecDeque<Option<Item>>) {
        if self.first < self.entries_from && matches!(item, Item::Gap(_)) {
            self.gaps_before -= 1;
        }
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
            && newest.get(&subject) == Some(&self.first)
        {
            newest.remove(&subject);
        }
        self.first += 1;
        self.drop_leading_holes(rest);
    }

    /// Returns the number of the newest entry with the same subject.
    fn newest_like(&self, entry: &Entry) -> Option<u64> {
        self.newest.as_ref()?.get(&subject(entry)?).copied()
    }

    fn find_oldest_entry(&mut self, items: &VecDeque<Option<Item>>) -> Option<u64> {
        let from = self.index(self.entries_from.max(self.first)).filter(|at| *at <= items.len())?;
        let is_entry = |item: &Option<Item>| matches!(item, Some(Item::Entry(_)));
        let ahead = items.range(from..).position(is_entry);
        let to = ahead.map_or(items.len(), |ahead| from + ahead);
        let passed = items.range(from..to);
        self.gaps_before += passed.filter(|item| matches!(item, Some(Item::Gap(_)))).count();
        self.entries_from = self.first + to as u64;
        ahead.map(|_| self.entries_from)
    }

    /// Resets the numbering for an empty queue.
    fn clear(&mut self) {
        *self = Self { newest: self.newest.take().map(|_| HashMap::new()), ..Self::default() };
    }

    /// Returns the index of an item that was not popped yet.
    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    fn drop_leading_holes(&mut self, items: &mut VecDeque<Option<Item>>) {
        while self.holes > 0 && matches!(items.front(), Some(None)) {
            items.pop_front();
            self.first += 1;
            self.holes -= 1;
        }
    }

    /// Removes all holes and renumbers the items.
    fn close_holes(&mut self, items: &mut VecDeque<Option<Item>>) {
        items.retain(Option::is_some);
        (self.holes, self.entries_from, self.gaps_before) = (0, self.first, 0);
        if let Some(newest) = &mut self.newest {
            newest.clear();
            for (number, item) in (self.first..).zip(items) {
                if let Some(Item::Entry(entry)) = item
                    && let Some(subject) = subject(entry)
                {
                    newest.insert(subject, number);
                }
            }
        }
    }
}

/// Returns the subject of a keyed event.
fn subject(entry: &Entry) -> Option<Subject> {
    Some((entry.audience.clone(), entry.key.clone()?))
}

impl Item {
    /// Returns the bytes of an event or direct message; gaps and heartbeats have none.
    #[inline]
    fn frame(&self) -> Option<&Bytes> {
        match self {
            Self::Entry(entry) => Some(&entry.frame),
            Self::Direct(frame) => Some(frame),
            Self::Gap(_) | Self::Heartbeat => None,
        }
    }
}
