//! What waits in a queue, in order, and what it weighs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use sse_kit_event::control::Gap;
use sse_kit_event::{Audience, EventId, EventKey};

use crate::entry::Entry;
use crate::slow_consumer::SlowConsumer;

/// The items that wait for one connection.
///
/// An item that is taken out of the middle leaves a hole, so that all others keep their numbers; the
/// first item is never a hole.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    items: VecDeque<Option<Item>>,
    /// How many of the items are events, and what these weigh: the rest is not held to the limits.
    events: usize,
    bytes: usize,
    /// Where items are taken out of the middle: most queues do without.
    places: Option<Box<Places>>,
}

/// The places of the items in a queue from whose middle some are taken. What it does is marked as cold,
/// so that it costs the other queues one comparison.
#[derive(Debug, Default)]
struct Places {
    /// The number of the first item.
    first: u64,
    holes: usize,
    /// No item before this number is an entry.
    entries_from: u64,
    /// The number of the newest entry of each key, where entries are conflated.
    newest: Option<HashMap<Subject, u64>>,
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
    /// Nothing, for a queue that deals with a slow consumer in this way.
    pub(crate) fn new(policy: SlowConsumer) -> Self {
        let places = match policy {
            SlowConsumer::Heal | SlowConsumer::Disconnect => None,
            SlowConsumer::DropOldest => Some(Places::default()),
            SlowConsumer::Conflate => {
                Some(Places { newest: Some(HashMap::new()), ..Places::default() })
            }
        };
        Self { places: places.map(Box::new), ..Self::default() }
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

    /// Removes the older event that `entry` stands in for, where entries are conflated. The newer one
    /// goes to the end of the queue, not to the older one's place, as ids must not go back.
    #[inline]
    pub(crate) fn replace_same(&mut self, entry: &Entry) -> bool {
        self.places.is_some() && self.take_out_same(entry)
    }

    #[cold]
    fn take_out_same(&mut self, entry: &Entry) -> bool {
        let older = self.places.as_ref().and_then(|places| places.newest_like(entry));
        older.is_some_and(|number| self.take_out(number).is_some())
    }

    /// Removes the oldest entry, wherever it stands, of a queue that drops the oldest.
    pub(crate) fn remove_oldest_entry(&mut self) -> Option<Arc<Entry>> {
        let number = self.places.as_mut()?.find_oldest_entry(&self.items)?;
        match self.take_out(number)? {
            Item::Entry(entry) => Some(entry),
            Item::Direct(_) | Item::Gap(_) | Item::Heartbeat => None,
        }
    }

    /// Removes the entries of the epoch of `after`. A gap that says where that epoch ended begins there
    /// instead.
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

    /// Takes an item out, whose place becomes a hole.
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

    /// Subtracts an item that was removed from what waits.
    #[inline]
    fn release(&mut self, item: &Item) {
        if let Some(frame) = item.frame() {
            self.events -= 1;
            self.bytes -= frame.len();
        }
    }
}

impl Places {
    /// Notes an item that goes to the end of the queue, behind so many others.
    #[cold]
    fn pushed(&mut self, item: &Item, behind: usize) {
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
        {
            newest.insert(subject, self.first + behind as u64);
        }
    }

    /// Forgets the first item, which has left the queue, and the holes behind it.
    #[cold]
    fn popped(&mut self, item: &Item, rest: &mut VecDeque<Option<Item>>) {
        if let (Some(newest), Item::Entry(entry)) = (&mut self.newest, item)
            && let Some(subject) = subject(entry)
            && newest.get(&subject) == Some(&self.first)
        {
            newest.remove(&subject);
        }
        self.first += 1;
        self.drop_leading_holes(rest);
    }

    /// The number of the newest entry that is about the same as this one.
    fn newest_like(&self, entry: &Entry) -> Option<u64> {
        self.newest.as_ref()?.get(&subject(entry)?).copied()
    }

    fn find_oldest_entry(&mut self, items: &VecDeque<Option<Item>>) -> Option<u64> {
        let from = self.index(self.entries_from.max(self.first)).filter(|at| *at <= items.len())?;
        let is_entry = |item: &Option<Item>| matches!(item, Some(Item::Entry(_)));
        let ahead = items.range(from..).position(is_entry);
        self.entries_from = self.first + ahead.map_or(items.len(), |ahead| from + ahead) as u64;
        ahead.map(|_| self.entries_from)
    }

    /// Begins anew, with an empty queue.
    fn clear(&mut self) {
        *self = Self { newest: self.newest.take().map(|_| HashMap::new()), ..Self::default() };
    }

    /// The place of an item that was not popped yet.
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

    /// Moves the items together, and numbers them anew.
    fn close_holes(&mut self, items: &mut VecDeque<Option<Item>>) {
        items.retain(Option::is_some);
        (self.holes, self.entries_from) = (0, self.first);
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

/// What a keyed event is about.
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
