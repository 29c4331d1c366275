//! Records of what happened, of two kinds.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::ring::Ring;

/// The newest records of two kinds, numbered together. The ones apart stay although a flood of others
/// drives those out.
#[derive(Debug)]
pub(crate) struct Samples<T> {
    all: Ring<T>,
    apart: Ring<T>,
    /// The number of the next record.
    next: u64,
    /// The number of those that were not recorded, because there were too many at a time.
    pub(crate) skipped: u64,
}

impl<T> Samples<T> {
    /// Creates an empty record that keeps this many of each kind.
    pub(crate) fn new(kept: usize) -> Self {
        Self { all: Ring::new(kept), apart: Ring::new(kept), next: 0, skipped: 0 }
    }

    /// Adds the record that is made of its number.
    pub(crate) fn push(&mut self, is_apart: bool, record: impl FnOnce(u64) -> T) {
        let list = if is_apart { &mut self.apart } else { &mut self.all };
        list.insert(self.next, record(self.next));
        self.next += 1;
    }

    pub(crate) fn get(&self, number: u64) -> Option<&Arc<T>> {
        self.all.get(number).or_else(|| self.apart.get(number))
    }

    /// Returns all that are kept, newest first.
    pub(crate) fn newest_first(&self) -> Vec<Arc<T>> {
        let mut all: Vec<_> = self.all.numbered().chain(self.apart.numbered()).collect();
        all.sort_by_key(|(number, _)| Reverse(*number));
        all.into_iter().map(|(_, record)| Arc::clone(record)).collect()
    }
}
