//! The first events of a subscription, which come before those in its queue.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sse_kit_event::{Audience, EventId, EventKey};

use crate::budget::Share;
use crate::connection::Connection;
use crate::entry::Entry;
use crate::node::Node;

/// The number of entries examined per acquisition of the lock.
const PAGE: usize = 128;

/// The first events of a subscription: a backfill from the log, or a search in history.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The events to deliver, oldest first.
    Entries(VecDeque<Arc<Entry>>),
    /// The events that were read from the log.
    Backfilled(Box<Backfilled>),
    /// The search that finds them.
    Search(Box<Search>),
}

/// Events that were read from the log, oldest first, and the memory that is reserved for them.
#[derive(Debug)]
pub(crate) struct Backfilled {
    pub(crate) entries: VecDeque<Arc<Entry>>,
    /// At least the weight of the entries.
    pub(crate) share: Share,
}

/// A search through history from the newest event backwards, one page at a time.
#[derive(Debug)]
pub(crate) struct Search {
    /// The position down to which history was examined.
    before: EventId,
    wanted: Wanted,
    /// The entries found so far, newest first.
    found: Vec<Arc<Entry>>,
    /// The remaining size limit in bytes: found entries stay in memory until the client has taken
    /// them.
    room: usize,
}

/// The events that a search selects.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// This many of the newest events.
    Last(usize),
    /// The newest event of each audience and key; the set holds those already found.
    PerKey(HashSet<(Audience, EventKey)>),
}

/// The next step of an opening.
pub(crate) enum Next {
    Entry(Arc<Entry>),
    /// An entry that the client has missed, so that it knows this position now.
    Backfilled(Arc<Entry>),
    /// The search continues with the next call.
    Searching,
    Nothing,
}

impl Default for Opening {
    fn default() -> Self {
        Self::Entries(VecDeque::new())
    }
}

impl Opening {
    /// Creates an opening of backfilled events.
    pub(crate) fn backfilled(backfilled: Backfilled) -> Self {
        if backfilled.entries.is_empty() {
            return Self::default();
        }
        Self::Backfilled(Box::new(backfilled))
    }

    /// Creates a search through everything published before the subscription joined, limited to
    /// `room` bytes.
    pub(crate) fn search(through: EventId, wanted: Wanted, room: usize) -> Self {
        let before = EventId::new(through.epoch(), through.offset().saturating_add(1));
        Self::Search(Box::new(Search { before, wanted, found: Vec::new(), room }))
    }

    /// Returns `true` if there is nothing to deliver and nothing to search.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Entries(entries) if entries.is_empty())
    }

    /// Returns the next event, or performs one step of the search.
    pub(crate) fn next(&mut self, node: &Node, connection: &Connection) -> Next {
        match self {
            Self::Entries(entries) => {
                let Some(entry) = entries.pop_front() else { return Next::Nothing };
                if entries.is_empty() {
                    *entries = VecDeque::new(); // frees its memory
                }
                Next::Entry(entry)
            }
            Self::Backfilled(backfilled) => {
                let Some(entry) = backfilled.entries.pop_front() else {
                    *self = Self::default();
                    return Next::Nothing;
                };
                backfilled.share.give_back(entry.weight());
                Next::Backfilled(entry)
            }
            Self::Search(search) => {
                if let Some(entries) = search.step(node, connection) {
                    *self = Self::Entries(entries);
                }
                Next::Searching
            }
        }
    }
}

impl Search {
    /// Examines one page. Returns the found entries, oldest first, if it was the last page.
    fn step(&mut self, node: &Node, connection: &Connection) -> Option<VecDeque<Arc<Entry>>> {
        let page = node.newest_before(&connection.topics, self.before, PAGE);
        for entry in page.entries {
            if self.is_done() {
                break;
            }
            if !entry.leaves_out(&connection.id) && self.wanted.take(&entry) {
                self.room = self.room.saturating_sub(entry.weight());
                self.found.push(entry);
            }
        }
        if let Some(before) = page.more_before.filter(|_| !self.is_done()) {
            self.before = EventId::new(self.before.epoch(), before);
            return None;
        }
        Some(std::mem::take(&mut self.found).into_iter().rev().collect())
    }

    fn is_done(&self) -> bool {
        self.room == 0 || matches!(self.wanted, Wanted::Last(0))
    }
}

impl Wanted {
    /// Returns `true` if the entry is selected; entries are passed newest first.
    fn take(&mut self, entry: &Entry) -> bool {
        match self {
            Self::Last(count) => {
                *count = count.saturating_sub(1);
                true
            }
            Self::PerKey(seen) => {
                let subject = entry.key().map(|key| (entry.audience().clone(), key.clone()));
                subject.is_some_and(|subject| seen.insert(subject))
            }
        }
    }
}
