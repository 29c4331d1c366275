//! The events that are recorded.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::filter::View;
use crate::ring::Ring;
use crate::seen_event::SeenEvent;

/// The number of events that are kept in each of the two lists.
const KEPT: usize = 256;

/// The recorded events: samples of all, and apart from them those that open pages filter for, which a
/// flood of others would drive out.
#[derive(Debug)]
pub(crate) struct SeenEvents {
    all: Ring<SeenEvent>,
    wanted: Ring<SeenEvent>,
    /// The number of the next event.
    next: u64,
    /// The number of events that were not recorded, because there were too many at a time.
    pub(crate) skipped: u64,
}

impl SeenEvents {
    pub(crate) fn new() -> Self {
        Self { all: Ring::new(KEPT), wanted: Ring::new(KEPT), next: 0, skipped: 0 }
    }

    /// Adds an event, and gives it its number.
    pub(crate) fn push(&mut self, event: SeenEvent, is_wanted: bool) {
        let number = self.next;
        self.next += 1;
        let list = if is_wanted { &mut self.wanted } else { &mut self.all };
        list.insert(number, SeenEvent { number, ..event });
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Arc<SeenEvent>> {
        self.all.get(number).or_else(|| self.wanted.get(number))
    }

    /// Returns the newest events that a page shows, newest first.
    pub(crate) fn shown(&self, view: &View, limit: usize) -> Vec<Arc<SeenEvent>> {
        let of = |list: &Ring<SeenEvent>| {
            let shown = list.newest_first().filter(|event| view.shows(event)).take(limit);
            shown.cloned().collect::<Vec<_>>()
        };
        let mut shown = of(&self.all);
        shown.extend(of(&self.wanted));
        shown.sort_by_key(|event| Reverse(event.number));
        shown.truncate(limit);
        shown
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len() + self.wanted.len()
    }
}
