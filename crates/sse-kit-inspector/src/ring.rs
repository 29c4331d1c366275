//! A list of the newest items, bounded.

use std::collections::VecDeque;
use std::sync::Arc;

/// The newest items, each with a number that is greater than those before. The oldest gives way.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    items: VecDeque<(u64, Arc<T>)>,
    capacity: usize,
    /// The least number of the next item.
    next: u64,
}

impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { items: VecDeque::with_capacity(capacity), capacity, next: 0 }
    }

    /// Adds the item that is made of its number, which is the next one, and returns the number.
    pub(crate) fn push(&mut self, item: impl FnOnce(u64) -> T) -> u64 {
        let number = self.next;
        self.insert(number, item(number));
        number
    }

    /// Adds an item with its number, greater than those before.
    pub(crate) fn insert(&mut self, number: u64, item: T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
        }
        self.items.push_back((number, Arc::new(item)));
        self.next = number + 1;
    }

    /// Returns the item with this number, if it is still there.
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<T>> {
        let at = self.items.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        self.items.get(at).map(|(_, item)| item)
    }

    /// Returns the items with their numbers, oldest first.
    pub(crate) fn numbered(&self) -> impl DoubleEndedIterator<Item = (u64, &Arc<T>)> {
        self.items.iter().map(|(number, item)| (*number, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_numbers_stay() {
        let mut ring = Ring::new(3);
        for _ in 0..4 {
            ring.push(|number| number * 10);
        }
        ring.insert(7, 70);
        let all: Vec<_> = ring.numbered().rev().map(|(_, item)| **item).collect();
        assert_eq!(all, [70, 30, 20]);
        assert_eq!(
            (ring.get(2).map(|item| **item), ring.get(7).map(|item| **item)),
            (Some(20), Some(70))
        );
        assert_eq!((ring.get(1), ring.get(5), ring.get(u64::MAX)), (None, None, None));
    }
}
