//! The plain model of the log: everything that was published, and what history should still have.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use sse_kit_event::{EventId, Topic};

use crate::actions::Settings;

/// Where an event goes: a topic, or everybody.
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
}

#[derive(Debug)]
pub(crate) struct Chronicle {
    settings: Settings,
    /// What an event costs besides its frame.
    overhead: usize,
    /// By offset, from 1 on.
    written: Vec<Written>,
    /// The offsets that history still has.
    kept: BTreeMap<Address, VecDeque<u64>>,
    pub(crate) bytes: usize,
    pub(crate) now: u32,
}

impl Chronicle {
    pub(crate) fn new(settings: Settings, overhead: usize) -> Self {
        Self { settings, overhead, written: Vec::new(), kept: BTreeMap::new(), bytes: 0, now: 0 }
    }

    pub(crate) fn position(&self) -> u64 {
        self.written.len() as u64
    }

    pub(crate) fn at(&self, offset: u64) -> Option<&Written> {
        self.written.get(usize::try_from(offset.checked_sub(1)?).ok()?)
    }

    pub(crate) fn write(
        &mut self,
        address: &Address,
        key: Option<&'static str>,
        except: Vec<usize>,
        frame: Bytes,
    ) {
        let at = self.now;
        self.bytes += frame.len() + self.overhead;
        self.written.push(Written {
            address: address.clone(),
            key,
            except,
            frame,
            at,
            trimmed: false,
        });
        let kept = self.kept.entry(address.clone()).or_default();
        kept.push_back(self.written.len() as u64);
        if kept.len() > self.settings.history {
            self.trim(address);
        }
        while self.settings.history_bytes.is_some_and(|limit| self.bytes > limit) {
            self.trim_oldest();
        }
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
        }
        let written = &mut self.written[usize::try_from(offset).expect("small") - 1];
        written.trimmed = true;
        self.bytes -= written.frame.len() + self.overhead;
    }
}

/// The offset, if the id is of this epoch.
pub(crate) fn offset_in(epoch: EventId, id: EventId) -> Option<u64> {
    (id.epoch() == epoch.epoch()).then_some(id.offset())
}
