//! What a subscription gives before anything that its queue holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sse_kit_event::{Audience, EventId, EventKey};

use crate::connection::Connection;
use crate::entry::Entry;
use crate::node::Node;

/// The number of entries that are looked at under one lock.
const PAGE: usize = 128;

/// The first events of a subscription: those that were read from the log, or that are looked for in
/// history.
#[derive(Debug)]
pub(crate) enum Opening {
    /// These, the oldest first.
    Entries(VecDeque<Arc<Entry>>),
    /// What is looked for.
    Search(Box<Search>),
}

/// A search through history, from the newest event back, a page at a time.
#[derive(Debug)]
pub(crate) struct Search {
    /// Everything from here on has been looked at.
    before: EventId,
    wanted: Wanted,
    /// The newest first.
    found: Vec<Arc<Entry>>,
    /// What more may be found, in bytes: what is found is kept until the client has taken it.
    room: usize,
}

/// The events that are looked for.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// As many of the newest as this.
    Last(usize),
    /// The newest of each subject that was not seen yet.
    PerKey(HashSet<(Audience, EventKey)>),
}

/// What an opening has to give.
pub(crate) enum Next {
    Entry(Arc<Entry>),
    /// The search goes on with the next call.
    Searching,
    Nothing,
}

impl Default for Opening {
    fn default() -> Self {
        Self::Entries(VecDeque::new())
    }
}

impl Opening {
    /// A search through all that was published before this subscription joined, for as much as there is
    /// room for.
    pub(crate) fn search(through: EventId, wanted: Wanted, room: usize) -> Self {
        let before = EventId::new(through.epoch(), through.offset().saturating_add(1));
        Self::Search(Box::new(Search { before, wanted, found: Vec::new(), room }))
    }

    /// Returns `true` if there is nothing to give, and nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Entries(entries) if entries.is_empty())
    }

    /// The next event, or a step of the search for it.
    pub(crate) fn next(&mut self, node: &Node, connection: &Connection) -> Next {
        match self {
            Self::Entries(entries) => {
                let Some(entry) = entries.pop_front() else { return Next::Nothing };
                if entries.is_empty() {
                    *entries = VecDeque::new(); // and its memory is free
                }
                Next::Entry(entry)
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
    /// Looks through one page. Returns what was found, the oldest first, when that was the last one.
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
    /// Returns `true` if the entry, older than all that were shown before, is one of those wanted.
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
