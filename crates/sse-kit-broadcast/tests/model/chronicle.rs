//! The plain model of the log: everything that was published, and what history should still have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use sse_kit_broadcast::{ConnectionSet, Record};
use sse_kit_event::{
    Audience, ConnectionId, EncodedEvent, Epoch, EventId, EventKey, Topic, Topics,
};
use tokio::time::Instant;

use crate::actions::{OF_THEIR_OWN, Settings};
use crate::costs::Costs;
use crate::epochs::Epochs;

/// A history: that of a topic, or that of events for everybody.
pub(crate) type Address = Option<Topic>;

/// One event that was published.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) audience: Audience,
    pub(crate) key: Option<EventKey>,
    /// The clients who are not to get it.
    pub(crate) except: ConnectionSet,
    event: EncodedEvent,
    /// The event as it was delivered. Read from the log later, it has the id of a later epoch.
    pub(crate) frame: Bytes,
    /// The unit of time in which it was delivered.
    unit: u32,
    pub(crate) at: Instant,
    /// The histories that had it, and no longer do.
    trimmed: Vec<Address>,
    /// The node never saw it: the log deleted it before.
    pub(crate) is_unseen: bool,
    /// The epoch that lacks it.
    pub(crate) lost: Option<usize>,
}

impl Written {
    /// Returns the event with the id that it has in an epoch.
    pub(crate) fn frame_with(&self, id: EventId) -> Bytes {
        self.event.clone().finish(Some(id))
    }

    /// Returns the histories that it belongs to.
    fn addresses(&self) -> Vec<Address> {
        if self.audience.is_everyone() {
            return vec![None];
        }
        self.audience.topics().iter().cloned().map(Some).collect()
    }

    fn addresses_in<'a>(&self, topics: &'a Topics) -> impl Iterator<Item = Address> + use<'a> {
        let is_covered =
            |address: &Address| address.as_ref().is_none_or(|topic| topics.cover(topic));
        self.addresses().into_iter().filter(is_covered)
    }

    /// Returns `true` if a subscriber of these topics finds it in history: one of its topics still has it.
    pub(crate) fn is_in_history_of(&self, topics: &Topics) -> bool {
        let is_there = |address: &Address| !self.trimmed.contains(address);
        !self.is_unseen && self.addresses_in(topics).any(|address| is_there(&address))
    }

    /// Returns `true` if the history of one of these topics has dropped it. A gap may end with it, even
    /// if another topic still has it.
    pub(crate) fn is_trimmed_in(&self, topics: &Topics) -> bool {
        self.is_unseen || self.addresses_in(topics).any(|address| self.trimmed.contains(&address))
    }
}

#[derive(Debug)]
pub(crate) struct Chronicle {
    settings: Settings,
    costs: Costs,
    pub(crate) epochs: Epochs,
    /// By number, from 1 on.
    written: Vec<Written>,
    /// The numbers of what each history still has.
    kept: BTreeMap<Address, VecDeque<u64>>,
    pub(crate) now: u32,
    /// The number of events that the node never saw.
    pub(crate) unseen: u64,
}

impl Chronicle {
    pub(crate) fn new(settings: Settings, costs: Costs) -> Self {
        let (epochs, written, kept) = (Epochs::new(), Vec::new(), BTreeMap::new());
        Self { settings, costs, epochs, written, kept, now: 0, unseen: 0 }
    }

    pub(crate) fn position(&self) -> u64 {
        self.written.len() as u64
    }

    pub(crate) fn at(&self, number: u64) -> Option<&Written> {
        self.written.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// Adds an event that the log delivers. Returns its number.
    pub(crate) fn write(&mut self, record: &Record) -> u64 {
        let number = self.add(record, false);
        let addresses = self.written[self.written.len() - 1].addresses();
        for address in &addresses {
            self.kept.entry(address.clone()).or_default().push_back(number);
        }
        for address in &addresses {
            if self.kept.get(address).is_some_and(|kept| kept.len() > self.keeps(address)) {
                self.trim(address);
            }
        }
        while self.settings.history_bytes.is_some_and(|limit| self.bytes() > limit) {
            self.trim_oldest();
        }
        number
    }

    /// Adds an event that the log deleted before the node had it. Returns its number.
    pub(crate) fn write_unseen(&mut self, record: &Record) -> u64 {
        self.unseen += 1;
        self.add(record, true)
    }

    fn add(&mut self, record: &Record, is_unseen: bool) -> u64 {
        let number = self.position() + 1;
        let event = record.event.clone();
        self.written.push(Written {
            audience: record.audience.clone(),
            key: record.key.clone(),
            except: record.except.clone(),
            frame: event.clone().finish(Some(self.epochs.id(number))),
            event,
            unit: self.now,
            at: Instant::now(),
            trimmed: Vec::new(),
            is_unseen,
            lost: None,
        });
        number
    }

    /// An epoch begins, which shares all up to an id of the one before, or nothing. Returns the number
    /// through which it does; that may be of an event that the log has not delivered yet.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch, shared: Option<EventId>) -> u64 {
        let through = shared.and_then(|shared| self.epochs.number(shared)).unwrap_or(0);
        self.epochs.begin(epoch, self.position(), shared.map(EventId::offset));
        let shared = self.written.len().min(usize::try_from(through).expect("small"));
        let begun = self.epochs.count() - 1;
        for written in &mut self.written[shared..] {
            written.lost.get_or_insert(begun);
        }
        for kept in self.kept.values_mut() {
            kept.retain(|number| *number <= through);
        }
        self.kept.retain(|_, kept| !kept.is_empty());
        through
    }

    /// Time passes, and what is too old goes.
    pub(crate) fn pass(&mut self, units: u32) {
        self.now += units;
        let addresses: Vec<_> = self.kept.keys().cloned().collect();
        for address in addresses {
            let Some(age) = self.settings.age_of(address.as_ref()) else { continue };
            while self.kept(&address).first().is_some_and(|oldest| self.is_older(*oldest, age)) {
                self.trim(&address);
            }
        }
    }

    fn is_older(&self, number: u64, age: u32) -> bool {
        self.at(number).is_some_and(|written| written.unit + age < self.now)
    }

    pub(crate) fn kept(&self, address: &Address) -> Vec<u64> {
        self.kept.get(address).into_iter().flatten().copied().collect()
    }

    /// Returns the number of events in all histories. One of several topics is in several.
    pub(crate) fn kept_in_all(&self) -> usize {
        self.kept.values().map(VecDeque::len).sum()
    }

    /// Returns the bytes that history takes. An event of several topics counts once.
    pub(crate) fn bytes(&self) -> usize {
        let places = self.kept_in_all() * self.costs.place;
        let topics = self.kept.keys().map(|address| self.costs.of_topic(address, &self.settings));
        let events: BTreeSet<_> = self.kept.values().flatten().collect();
        let events = events.into_iter().filter_map(|number| self.at(*number));
        let events = events.map(|written| self.costs.of(written));
        places + topics.sum::<usize>() + events.sum::<usize>()
    }

    pub(crate) fn topics_with_history(&self) -> impl Iterator<Item = &Topic> {
        self.kept.keys().filter_map(Option::as_ref)
    }

    fn keeps(&self, address: &Address) -> usize {
        let own = address.as_ref().is_some_and(|topic| of_their_own().cover(topic));
        self.settings.history_for.filter(|_| own).unwrap_or(self.settings.history)
    }

    /// Drops the oldest event from a history; one of several topics from the first of these.
    fn trim_oldest(&mut self) {
        let fronts = self.kept.iter().filter_map(|(address, kept)| Some((kept.front()?, address)));
        if let Some(address) = fronts.min().map(|(_, address)| address.clone()) {
            self.trim(&address);
        }
    }

    fn trim(&mut self, address: &Address) {
        let Some(kept) = self.kept.get_mut(address) else { return };
        let Some(number) = kept.pop_front() else { return };
        if kept.is_empty() {
            self.kept.remove(address);
        }
        let written = &mut self.written[usize::try_from(number).expect("small") - 1];
        written.trimmed.push(address.clone());
    }
}

pub(crate) fn id_of(number: usize) -> ConnectionId {
    format!("client-{number}").parse().expect("it is right")
}

/// The topics that may have a length of history of their own.
pub(crate) fn of_their_own() -> Topics {
    Topics::parse([OF_THEIR_OWN]).expect("it is right")
}
