//! A budget in bytes that several owners share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that are left of a budget.
#[derive(Debug)]
pub(crate) struct Budget(AtomicUsize);

/// The bytes that one owner has taken from a budget. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self(AtomicUsize::new(bytes)))
    }

    /// Returns an empty share.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Share {
    /// Takes bytes from the budget. Returns `false`, and takes none, if so many are not left.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let Budget(left) = &*self.budget;
        let rest = |left: usize| left.checked_sub(bytes);
        let is_taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok();
        if is_taken {
            self.bytes += bytes;
        }
        is_taken
    }

    /// Gives bytes back, at most those of this share.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
