//! A list of the newest items, bounded.

use std::collections::VecDeque;
use std::sync::Arc;

/// The newest items, each with a number. The oldest gives way.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    items: VecDeque<Arc<T>>,
    capacity: usize,
    /// The number of the next item.
    next: u64,
}

impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { items: VecDeque::with_capacity(capacity), capacity, next: 0 }
    }

    /// Adds the item that is made of its number.
    pub(crate) fn push(&mut self, item: impl FnOnce(u64) -> T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
        }
        self.items.push_back(Arc::new(item(self.next)));
        self.next += 1;
    }

    /// Returns the items, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Arc<T>> {
        self.items.iter().rev()
    }

    /// Returns the item with this number, if it is still there.
    pub(crate) fn get(&self, number: u64) -> Option<&Arc<T>> {
        let first = self.next - self.items.len() as u64;
        self.items.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_numbers_stay() {
        let mut ring = Ring::new(3);
        for _ in 0..5 {
            ring.push(|number| number * 10);
        }
        let all: Vec<_> = ring.newest_first().map(|item| **item).collect();
        assert_eq!(all, [40, 30, 20]);
        assert_eq!(ring.get(2).map(|item| **item), Some(20));
        assert_eq!((ring.get(1), ring.get(5), ring.get(u64::MAX)), (None, None, None));
    }
}
