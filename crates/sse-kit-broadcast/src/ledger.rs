//! The memory that history holds beyond what each event takes when it is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The memory of shared [`Bytes`](bytes::Bytes) besides the bytes themselves: two words and a count.
pub(crate) const BYTES_OVERHEAD: usize = 3 * size_of::<usize>();

/// The number of bytes of all compressed forms in one history.
#[derive(Debug, Default)]
pub(crate) struct Ledger(AtomicIsize);

impl Ledger {
    /// Returns the number of bytes. A form that is made while its event leaves history is added after
    /// it was subtracted, so the sum may be negative for a moment.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }

    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes.cast_signed(), Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes.cast_signed(), Ordering::Relaxed);
    }
}

/// The share of one event.
#[derive(Debug)]
pub(crate) struct Share {
    ledger: Arc<Ledger>,
    /// A number that no other event of this process has.
    number: u64,
    /// The number of topics whose history has the event. Changed under the lock of the hub's state.
    topics: AtomicU32,
    /// The bytes of its compressed forms, and [`LEFT`].
    bytes: AtomicUsize,
}

/// The bit that says that history no longer has the event.
const LEFT: usize = 1 << (usize::BITS - 1);

impl Share {
    pub(crate) fn new(ledger: &Arc<Ledger>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            ledger: Arc::clone(ledger),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            topics: AtomicU32::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the bytes of its compressed forms.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed) & !LEFT
    }

    /// Adds the bytes of a compressed form, unless history no longer has the event.
    pub(crate) fn add(&self, bytes: usize) {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) & LEFT == 0 {
            self.ledger.add(bytes);
        }
    }

    /// Notes that a topic has the event. Returns `true` if no other topic has it.
    pub(crate) fn enter(&self) -> bool {
        let is_first = self.topics.fetch_add(1, Ordering::Relaxed) == 0;
        if is_first {
            // An event of several topics may leave the first before it enters the second.
            let before = self.bytes.fetch_and(!LEFT, Ordering::Relaxed);
            if before & LEFT != 0 {
                self.ledger.add(before & !LEFT);
            }
        }
        is_first
    }

    /// Notes that a topic no longer has the event. Returns `true` if it was the last.
    pub(crate) fn leave(&self) -> bool {
        let is_last = self.topics.fetch_sub(1, Ordering::Relaxed) == 1;
        if is_last {
            self.ledger.subtract(self.bytes.fetch_or(LEFT, Ordering::Relaxed));
        }
        is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_leaves_one_topic_before_it_enters_another_counts_again() {
        let ledger = Arc::<Ledger>::default();
        let share = Share::new(&ledger);
        for turn in 1..4 {
            assert!(share.enter());
            share.add(100);
            assert_eq!(ledger.bytes(), 200 * turn - 100);
            assert!(share.leave());
            assert_eq!(ledger.bytes(), 0);
            share.add(100);
            assert_eq!(ledger.bytes(), 0);
        }
    }
}
