//! The newest of the items that are there at one look.

use std::collections::VecDeque;

/// The newest items within a bound. Older ones give way, and are counted.
#[derive(Debug)]
pub(crate) struct Newest<T> {
    items: VecDeque<(usize, T)>,
    max_items: usize,
    bytes: usize,
    max_bytes: usize,
    pub(crate) dropped: u64,
}

impl<T> Newest<T> {
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self { items: VecDeque::new(), max_items, bytes: 0, max_bytes, dropped: 0 }
    }

    /// Adds an item of this size. The newest one stays, however large it is.
    pub(crate) fn push(&mut self, item: T, bytes: usize) {
        self.items.push_back((bytes, item));
        self.bytes += bytes;
        while self.items.len() > self.max_items
            || self.bytes > self.max_bytes && self.items.len() > 1
        {
            let Some((bytes, _)) = self.items.pop_front() else { return };
            self.bytes -= bytes;
            self.dropped += 1;
        }
    }

    pub(crate) fn into_items(self) -> impl Iterator<Item = T> {
        self.items.into_iter().map(|(_, item)| item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way_by_number_and_by_size() {
        let mut newest = Newest::new(3, 10);
        for item in 0..5 {
            newest.push(item, 1);
        }
        assert_eq!(newest.dropped, 2);
        newest.push(5, 9);
        newest.push(6, 100);
        assert_eq!(newest.dropped, 6);
        assert_eq!(newest.into_items().collect::<Vec<_>>(), [6]);
    }
}
