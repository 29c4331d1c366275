//! Ids of subscriber lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use slotmap::DefaultKey;

/// The id of one subscriber list, the same in every shard.
///
/// There is one list for each topic with subscribers, one for each pattern, and one of all
/// connections. An id is never reused (its slot is, with a new version), so an event on its way to
/// a list that was removed reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ListId(pub(crate) DefaultKey);

/// The lists that an event goes to.
///
/// A subscriber with several matching patterns is in several of them and accepts the event once:
/// its queue recognises the offset.
#[derive(Clone, Debug)]
pub(crate) struct ListIds {
    /// The list of the event's single topic, or of everyone.
    pub(crate) own: Option<ListId>,
    /// The lists of the matching patterns, sorted; for an event with several topics, all lists.
    pub(crate) others: Arc<[ListId]>,
}

impl ListIds {
    pub(crate) fn iter(&self) -> impl Iterator<Item = ListId> {
        self.own.into_iter().chain(self.others.iter().copied())
    }

    /// Returns `true` if `list` is one of them.
    pub(crate) fn contain(&self, list: ListId) -> bool {
        self.own == Some(list) || self.others.binary_search(&list).is_ok()
    }

    /// Returns `true` only if both share the same allocation. Equal lists may still compare
    /// `false`; that costs one batch and nothing else.
    pub(crate) fn same_as(&self, others: &Self) -> bool {
        self.own == others.own && Arc::ptr_eq(&self.others, &others.others)
    }
}

/// The place of a connection in a list, so that it can be removed without a search.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) list: ListId,
    at: AtomicUsize,
}

impl Place {
    pub(crate) fn new(list: ListId, at: usize) -> Self {
        Self { list, at: AtomicUsize::new(at) }
    }

    pub(crate) fn get(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }

    /// Sets the index. Call this under the lock of the shard's lists.
    pub(crate) fn set(&self, at: usize) {
        self.at.store(at, Ordering::Relaxed);
    }
}
