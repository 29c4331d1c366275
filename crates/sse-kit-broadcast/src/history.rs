//! The bounds of what is kept for those who come back, over all topics.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Entry;
use crate::log_order::{LogOrder, Place, Segment};
use crate::topic_table::{TopicKey, TopicTable};

/// The most entries that are dropped at once because they are too old: many may become so at the same
/// moment, and publishers wait meanwhile.
const MAX_EXPIRED: usize = 256;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) events_per_topic: usize,
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: usize,
}

/// The order of all entries that are kept, and what they cost together. The entries themselves stand
/// with their topics.
#[derive(Debug)]
pub(crate) struct History {
    retention: Retention,
    bytes: usize,
    entries: usize,
    /// The place of each entry, oldest first over all topics. The newest entry that a topic has
    /// trimmed keeps its place, so that whoever looks for what he missed finds that it is missing.
    /// Other places that are of no use are dropped when there are many.
    order: LogOrder,
    /// The newest offset that any topic has trimmed.
    trimmed_through: u64,
}

impl History {
    pub(crate) fn new(retention: Retention) -> Self {
        Self { retention, bytes: 0, entries: 0, order: LogOrder::default(), trimmed_through: 0 }
    }

    /// Forgets all places; the entries are dropped with [`TopicTable::begin_epoch`].
    pub(crate) fn begin_epoch(&mut self) {
        *self = Self::new(self.retention);
    }

    /// Returns the number of entries, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries, self.bytes)
    }

    /// The newest offset that any topic has trimmed.
    pub(crate) fn trimmed_through(&self) -> u64 {
        self.trimmed_through
    }

    /// The places of all entries after `offset`, oldest first.
    pub(crate) fn after(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.after(offset)
    }

    /// The places of all entries before `offset`, newest first.
    pub(crate) fn before(&self, offset: u64) -> impl Iterator<Item = &Place> {
        self.order.before(offset)
    }

    /// The next places after `offset`, unless they are among the newest of all.
    pub(crate) fn segment_after(&self, offset: u64) -> Option<Segment> {
        self.order.sealed_after(offset)
    }

    /// Keeps an entry with a topic, and drops what is too old or too much then.
    pub(crate) fn push(&mut self, topics: &mut TopicTable, key: TopicKey, entry: &Arc<Entry>) {
        let state = &mut topics[key];
        state.push(entry);
        let surplus = state.entries().len() > self.retention.events_per_topic;
        let surplus = if surplus { state.trim_front() } else { None };
        self.entries += 1;
        self.bytes += entry.weight();
        self.order.push(Place::new(key, state.name().cloned(), entry));
        self.account_for(surplus.as_ref(), key);
        // Before others become idle, or the topic could be the one that is forgotten for them.
        topics.note_idle(key);
        self.trim(topics, entry.at);
        if self.order.len() > 2 * (self.entries + topics.known()) + 64 {
            self.compact(topics);
        }
    }

    /// Drops what is too much, and of what is too old as much as one call should take. Returns `true`
    /// if there is more that is too old.
    pub(crate) fn trim(&mut self, topics: &mut TopicTable, now: Instant) -> bool {
        let oldest = self.retention.age.and_then(|age| now.checked_sub(age));
        let mut budget = MAX_EXPIRED;
        while let Some(Place { offset, key, .. }) = self.order.oldest() {
            let (offset, key) = (*offset, *key);
            let front = topics.get_mut(key).filter(|state| state.begins_with(offset));
            if let Some(state) = front {
                let expired = oldest.is_some_and(|oldest| state.entries()[0].at < oldest);
                if self.bytes <= self.retention.bytes {
                    if !expired || budget == 0 {
                        return expired;
                    }
                    budget -= 1;
                }
                let trimmed = state.trim_front();
                self.account_for(trimmed.as_ref(), key);
                topics.note_idle(key);
            }
            self.order.pass_oldest();
        }
        false
    }

    fn account_for(&mut self, trimmed: Option<&Arc<Entry>>, key: TopicKey) {
        if let Some(entry) = trimmed {
            self.order.trim(entry.id().offset(), key);
            self.entries -= 1;
            self.bytes -= entry.weight();
            self.trimmed_through = self.trimmed_through.max(entry.id().offset());
        }
    }

    fn compact(&mut self, topics: &TopicTable) {
        let state = |key| topics.get(key);
        self.order.retain(|place| state(place.key).is_some_and(|state| state.needs(place.offset)));
    }
}
