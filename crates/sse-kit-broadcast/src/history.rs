//! All entries of history: their order, their size, and the dropping of those beyond its limits.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::time::Instant;

use crate::entry::Entry;
use crate::ledger::{Ledger, Share};
use crate::log_order::{LogOrder, Place, Segment};
use crate::retention::Retention;
use crate::topic_table::{TopicKey, TopicState, TopicTable};

/// The number of entries dropped at once, or of topics looked at. Many entries may expire at the same moment, and
/// streams may compress much of history between two events; publishers wait meanwhile.
const MAX_DROPPED: usize = 256;

/// The number of bytes that an event drops for each byte that it adds, if history is too large. With its
/// compressed forms, of which it has at most five, it grows to less, so history shrinks with each event.
const DROPPED_PER_ADDED: usize = 8;

/// The order and the total size of all entries in history. The entries themselves are stored with
/// their topics.
#[derive(Debug)]
pub(crate) struct History {
    retention: Retention,
    /// The bytes of topics and entries, without compressed forms.
    bytes: usize,
    /// The bytes of compressed forms, which streams add.
    compressed: Arc<Ledger>,
    entries: usize,
    /// The place of each entry, oldest first over all topics. The newest trimmed entry of each
    /// topic keeps its place, so that a reader finds out that it is missing. Other unneeded places
    /// are dropped when there are many.
    order: LogOrder,
    /// The newest offset that any topic has trimmed.
    trimmed_through: u64,
    /// The number of entries that were trimmed.
    trims: u64,
    /// The topics with entries that expire, once each, by a lower bound for the moment at which their oldest
    /// entry does: [`TopicState::expires_at`].
    expiries: BTreeSet<(Instant, TopicKey)>,
}

impl History {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            bytes: 0,
            compressed: Arc::default(),
            entries: 0,
            order: LogOrder::default(),
            trimmed_through: 0,
            trims: 0,
            expiries: BTreeSet::new(),
        }
    }

    /// Drops all places. [`TopicTable::begin_epoch`] drops the entries.
    pub(crate) fn begin_epoch(&mut self) {
        *self = Self { trims: self.trims, ..Self::new(self.retention.clone()) };
    }

    /// Drops everything after this offset: the log has lost it, and assigns its offsets again.
    pub(crate) fn drop_after(&mut self, topics: &mut TopicTable, offset: u64) {
        let keys: Vec<_> = self.order.after(offset).map(|place| place.key).collect();
        for key in keys {
            let Some(state) = topics.get_mut(key) else { continue };
            while let Some(entry) = state.drop_back_after(offset) {
                self.entries -= 1;
                self.bytes -= weight_that_leaves(state, &entry);
            }
            self.update_expiry(state, key);
            topics.note_idle(key);
        }
        topics.lower_losses_to(offset);
        self.order.retain(|place| place.offset <= offset);
        self.trimmed_through = self.trimmed_through.min(offset);
    }

    /// Returns the number of entries, and the bytes that they and their topics take.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries, self.bytes + self.expiries.len() * EXPIRY + self.compressed.bytes())
    }

    /// Returns the account of compressed forms.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.compressed
    }

    /// Returns the newest offset that any topic has trimmed.
    pub(crate) fn trimmed_through(&self) -> u64 {
        self.trimmed_through
    }

    /// Returns the number of entries that were trimmed so far.
    pub(crate) fn trims(&self) -> u64 {
        self.trims
    }

    /// Returns the places of all entries after `offset`, oldest first.
    pub(crate) fn after(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.after(offset)
    }

    /// Returns the places of all entries before `offset`, newest first.
    pub(crate) fn before(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.before(offset)
    }

    /// Returns the sealed segment that contains the next place after `offset`, if that place is
    /// sealed.
    pub(crate) fn segment_after(&self, offset: u64) -> Option<Segment> {
        self.order.sealed_after(offset)
    }

    /// Adds an entry to a topic, then drops entries that exceed the limits.
    pub(crate) fn push(&mut self, topics: &mut TopicTable, key: TopicKey, entry: &Arc<Entry>) {
        let added = self.add(topics, key, entry);
        self.fit(topics, entry.at, added);
    }

    /// Adds an entry to one of its topics, and drops the oldest one of the topic if it has too many. Returns
    /// the number of bytes added. After the last topic, [`History::fit`] must follow.
    pub(crate) fn add(
        &mut self,
        topics: &mut TopicTable,
        key: TopicKey,
        entry: &Arc<Entry>,
    ) -> usize {
        let state = &mut topics[key];
        let weight = weight_that_enters(state, entry);
        self.bytes += weight;
        state.push(entry);
        let limits = state.limits(|topic| self.retention.limits_of(topic));
        let surplus = state.entries().len() > limits.events;
        self.entries += 1;
        self.order.push(Place::new(key, state.name().cloned(), entry));
        if surplus {
            self.trim_topic(state, key);
        }
        self.update_expiry(state, key);
        // Do this before other topics become idle: otherwise this topic could be the one that is
        // forgotten.
        topics.note_idle(key);
        weight
    }

    /// Drops entries that exceed the limits over all topics, after so many bytes were added. Between two topics
    /// of an event it is too early: in the second one the event may take the place of another one.
    pub(crate) fn fit(&mut self, topics: &mut TopicTable, now: Instant, added: usize) {
        self.trim_by_age(topics, now);
        self.trim_by_size(topics, added * DROPPED_PER_ADDED);
        let needed = self.entries + topics.known();
        if self.order.len() > 2 * needed + 64 {
            let state = |key| topics.get(key);
            let is_needed =
                |place: &Place| state(place.key).is_some_and(|state| state.needs(place.offset));
            self.order.compact(is_needed);
        }
    }

    /// Drops a bounded number of expired entries, and of entries beyond the size limit. Returns `true` if more
    /// remain.
    pub(crate) fn trim(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let is_too_old = self.trim_by_age(topics, now);
        let is_too_large = self.trim_by_size(topics, 0);
        is_too_old || is_too_large
    }

    fn trim_by_age(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let mut budget = MAX_DROPPED;
        while let Some(&(at, key)) = self.expiries.first()
            && at < now
        {
            if budget == 0 {
                return true;
            }
            self.expiries.pop_first();
            let Some(state) = topics.get_mut(key) else { continue };
            state.expires_at = None;
            let before = budget;
            while budget > 0 && state.oldest_expires().is_some_and(|at| at < now) {
                self.trim_topic(state, key);
                budget -= 1;
            }
            self.update_expiry(state, key);
            topics.note_idle(key);
            budget = budget.min(before - 1);
        }
        false
    }

    /// Drops the oldest entries until the size is within its limit, or until it has dropped [`MAX_DROPPED`]
    /// entries and `enough` bytes. Returns `true` if more remain.
    fn trim_by_size(&mut self, topics: &mut TopicTable, enough: usize) -> bool {
        let (trims, bytes) = (self.trims, self.bytes);
        while let Some(Place { offset, key, .. }) = self.order.oldest() {
            let (offset, key) = (*offset, *key);
            let front = topics.get_mut(key).filter(|state| state.begins_with(offset));
            if let Some(state) = front {
                if self.size().1 <= self.retention.bytes {
                    return false;
                }
                let dropped = usize::try_from(self.trims - trims).unwrap_or(usize::MAX);
                if dropped >= MAX_DROPPED && bytes - self.bytes >= enough {
                    return true;
                }
                self.trim_topic(state, key);
                self.update_expiry(state, key);
                topics.note_idle(key);
            }
            self.order.pass_oldest();
        }
        false
    }

    /// Drops the oldest entry of a topic.
    fn trim_topic(&mut self, state: &mut TopicState, key: TopicKey) {
        if let Some(entry) = state.trim_front(self.trims + 1) {
            self.order.trim(entry.id().offset(), key);
            self.entries -= 1;
            self.bytes -= weight_that_leaves(state, &entry);
            self.trims += 1;
            self.trimmed_through = self.trimmed_through.max(entry.id().offset());
        }
    }

    /// Adds the expiry of a topic that has none yet, and removes that of a topic without entries. Otherwise
    /// it stays: the oldest entry can only become newer.
    fn update_expiry(&mut self, state: &mut TopicState, key: TopicKey) {
        match (state.expires_at, state.oldest_expires()) {
            (Some(at), None) => {
                self.expiries.remove(&(at, key));
                state.expires_at = None;
            }
            (None, Some(at)) => {
                self.expiries.insert((at, key));
                state.expires_at = Some(at);
            }
            _ => {}
        }
    }
}

/// The memory of an expiry. The nodes of a tree that grows at its end are half full.
const EXPIRY: usize = 2 * size_of::<(Instant, TopicKey)>();

/// The memory of an entry's place in the order of the log, and in its topic. Trimmed entries leave half as
/// many places behind, on average, until these are dropped together.
const PLACE: usize = size_of::<Place>() * 3 / 2 + size_of::<Arc<Entry>>() * 3 / 2;

/// Returns the bytes that history grows by when a topic gets this entry next. An event of several topics
/// counts once.
fn weight_that_enters(state: &TopicState, entry: &Entry) -> usize {
    let topic = if state.entries().is_empty() { state.weight() } else { 0 };
    let is_new = entry.share().is_none_or(Share::enter);
    topic + PLACE + if is_new { entry.weight() } else { 0 }
}

/// Returns the bytes that history shrinks by, now that a topic has lost this entry.
fn weight_that_leaves(state: &TopicState, entry: &Entry) -> usize {
    let topic = if state.entries().is_empty() { state.weight() } else { 0 };
    let is_gone = entry.share().is_none_or(Share::leave);
    topic + PLACE + if is_gone { entry.weight() } else { 0 }
}

#[cfg(test)]
mod tests;
