//! The plain model of the log: everything that was published, and what history should still have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use sse_kit_broadcast::{Hub, HubBuilder};
use sse_kit_event::{ConnectionId, Epoch, Event, EventId, Topic, Topics};

use crate::actions::{OF_THEIR_OWN, Settings};
use crate::epochs::Epochs;

/// The address of an event: a topic, or everybody.
pub(crate) type Address = Option<Topic>;

/// One event that was published.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) address: Address,
    pub(crate) key: Option<&'static str>,
    /// The clients who are not to get it.
    pub(crate) except: Vec<usize>,
    pub(crate) frame: Bytes,
    /// The unit of time in which it was published.
    at: u32,
    /// History no longer has it.
    pub(crate) trimmed: bool,
    /// The epoch that lacks it.
    pub(crate) lost: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Chronicle {
    settings: Settings,
    costs: Costs,
    pub(crate) epochs: Epochs,
    /// By number, from 1 on.
    written: Vec<Written>,
    /// The numbers of what history still has.
    kept: BTreeMap<Address, VecDeque<u64>>,
    pub(crate) bytes: usize,
    pub(crate) now: u32,
}

impl Chronicle {
    pub(crate) fn new(settings: Settings, costs: Costs) -> Self {
        let (epochs, written, kept) = (Epochs::new(), Vec::new(), BTreeMap::new());
        Self { settings, costs, epochs, written, kept, bytes: 0, now: 0 }
    }

    pub(crate) fn position(&self) -> u64 {
        self.written.len() as u64
    }

    pub(crate) fn at(&self, number: u64) -> Option<&Written> {
        self.written.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    pub(crate) fn write(
        &mut self,
        address: &Address,
        key: Option<&'static str>,
        except: Vec<usize>,
        frame: Bytes,
    ) {
        let at = self.now;
        let written = Written {
            address: address.clone(),
            key,
            except,
            frame,
            at,
            trimmed: false,
            lost: None,
        };
        self.bytes += self.costs.of(&written);
        self.written.push(written);
        if !self.kept.contains_key(address) {
            self.bytes += self.costs.of_topic(address, &self.settings);
        }
        let kept = self.kept.entry(address.clone()).or_default();
        kept.push_back(self.written.len() as u64);
        let kept = kept.len();
        if kept > self.keeps(address) {
            self.trim(address);
        }
        while self.settings.history_bytes.is_some_and(|limit| self.bytes > limit) {
            self.trim_oldest();
        }
    }

    /// An epoch begins, which shares all up to an offset of the one before, or nothing. Returns the
    /// number through which it does.
    pub(crate) fn begin_epoch(&mut self, epoch: Epoch, shared: Option<EventId>) -> u64 {
        let through = shared.and_then(|shared| self.epochs.number(shared)).unwrap_or(0);
        self.epochs.begin(epoch, self.position(), shared.map(EventId::offset));
        let shared = usize::try_from(through).expect("small");
        let begun = self.epochs.count() - 1;
        for written in &mut self.written[shared..] {
            written.lost.get_or_insert(begun);
        }
        for (address, kept) in &mut self.kept {
            for number in kept.iter().filter(|number| **number > through) {
                let at = usize::try_from(*number).expect("small") - 1;
                self.bytes -= self.costs.of(&self.written[at]);
            }
            kept.retain(|number| *number <= through);
            if kept.is_empty() {
                self.bytes -= self.costs.of_topic(address, &self.settings);
            }
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

    fn is_older(&self, offset: u64, age: u32) -> bool {
        self.at(offset).is_some_and(|written| written.at + age < self.now)
    }

    pub(crate) fn kept(&self, address: &Address) -> Vec<u64> {
        self.kept.get(address).into_iter().flatten().copied().collect()
    }

    pub(crate) fn kept_in_all(&self) -> usize {
        self.kept.values().map(VecDeque::len).sum()
    }

    pub(crate) fn topics_with_history(&self) -> impl Iterator<Item = &Topic> {
        self.kept.keys().filter_map(Option::as_ref)
    }

    fn keeps(&self, address: &Address) -> usize {
        let own = address.as_ref().is_some_and(|topic| of_their_own().cover(topic));
        self.settings.history_for.filter(|_| own).unwrap_or(self.settings.history)
    }

    fn oldest(&self) -> Option<(u32, Address)> {
        let fronts = self.kept.iter().filter_map(|(address, kept)| Some((kept.front()?, address)));
        let (offset, address) = fronts.min()?;
        Some((self.at(*offset)?.at, address.clone()))
    }

    fn trim_oldest(&mut self) {
        if let Some((_, address)) = self.oldest() {
            self.trim(&address);
        }
    }

    fn trim(&mut self, address: &Address) {
        let Some(kept) = self.kept.get_mut(address) else { return };
        let Some(offset) = kept.pop_front() else { return };
        if kept.is_empty() {
            self.kept.remove(address);
            self.bytes -= self.costs.of_topic(address, &self.settings);
        }
        let written = &mut self.written[usize::try_from(offset).expect("small") - 1];
        written.trimmed = true;
        self.bytes -= self.costs.of(written);
    }
}

/// The bytes that history counts besides frames and texts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    event: usize,
    topic: usize,
    /// Of a topic whose events expire.
    expiry: usize,
    key: usize,
    left_out: usize,
}

impl Costs {
    /// Asks a hub of its own.
    pub(crate) async fn measure() -> Self {
        let lasting = Hub::builder;
        let expiring = || Hub::builder().history_age(Duration::from_secs(60));
        let event = Self::counted(lasting(), None, Event::new("x"), &[]).await;
        let topic = Self::counted(lasting(), Some("a"), Event::new("x"), &[]).await;
        let expiry = Self::counted(expiring(), None, Event::new("x"), &[]).await;
        let keyed = Event::new("x").with_key("key".parse().expect("a key"));
        let keyed = Self::counted(lasting(), None, keyed, &[]).await;
        let left_out = Self::counted(lasting(), None, Event::new("x"), &["id"]).await;
        Self {
            event,
            topic: topic - event - "a".len(),
            expiry: expiry - event,
            key: keyed - event - "key".len(),
            left_out: left_out - event - "id".len(),
        }
    }

    /// Returns what a hub counts for a single event, without its frame.
    async fn counted(hub: HubBuilder, topic: Option<&str>, event: Event, except: &[&str]) -> usize {
        let hub = hub.heartbeat(None).shards(1).build().expect("it is right");
        let publish = hub.except(except.iter().map(|id| id.parse().expect("an id")));
        let topic: Option<Topic> = topic.map(|topic| topic.parse().expect("a topic"));
        match &topic {
            Some(topic) => publish.publish(topic, event).await,
            None => publish.broadcast(event).await,
        }
        .expect("it is open");
        let entry = topic.map_or_else(|| hub.broadcast_history(1), |topic| hub.history(&topic, 1));
        hub.stats().history_bytes - entry[0].frame().len()
    }

    fn of(&self, written: &Written) -> usize {
        let key = written.key.map_or(0, |key| self.key + key.len());
        let except: BTreeSet<_> = written.except.iter().collect();
        let except = except.into_iter().map(|n| self.left_out + id_of(*n).as_str().len());
        written.frame.len() + self.event + key + except.sum::<usize>()
    }

    fn of_topic(&self, address: &Address, settings: &Settings) -> usize {
        let expires = settings.age_of(address.as_ref()).is_some();
        let expiry = if expires { self.expiry } else { 0 };
        address.as_ref().map_or(0, |topic| self.topic + topic.as_str().len()) + expiry
    }
}

pub(crate) fn id_of(number: usize) -> ConnectionId {
    format!("client-{number}").parse().expect("it is right")
}

/// The topics that may have a length of history of their own.
pub(crate) fn of_their_own() -> Topics {
    Topics::parse([OF_THEIR_OWN]).expect("it is right")
}
