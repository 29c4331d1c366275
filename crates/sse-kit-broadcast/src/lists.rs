//! The lists of subscribers, by id.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use slotmap::DefaultKey;

/// The id of one list of subscribers, the same in every shard.
///
/// There is a list for each topic that somebody subscribes to, one for each pattern, and one of all
/// connections. An id is never given again (its slot is, with another version), so an event that is
/// still on its way to a list that has ended reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ListId(pub(crate) DefaultKey);

/// The lists that an event goes to.
///
/// A subscriber with several matching patterns stands in several of them, and takes the event once:
/// its queue knows by the offset that it has it already.
#[derive(Clone, Debug)]
pub(crate) struct ListIds {
    /// The list of the one topic that the event is for, or of everyone.
    pub(crate) own: Option<ListId>,
    /// The lists of the patterns that match, in order; of an event for several topics, all lists.
    pub(crate) others: Arc<[ListId]>,
}

impl ListIds {
    pub(crate) fn iter(&self) -> impl Iterator<Item = ListId> {
        self.own.into_iter().chain(self.others.iter().copied())
    }

    /// Returns `true` if this is one of them.
    pub(crate) fn contain(&self, list: ListId) -> bool {
        self.own == Some(list) || self.others.binary_search(&list).is_ok()
    }

    /// Returns `true` only if both are the same lists, as far as that is seen without comparing them
    /// one by one. Equal lists may give `false`, which costs a batch and nothing else.
    pub(crate) fn same_as(&self, others: &Self) -> bool {
        self.own == others.own && Arc::ptr_eq(&self.others, &others.others)
    }
}

/// The place of a connection in a list, so that it leaves without a search.
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

    /// Called under the lock of the shard's lists.
    pub(crate) fn set(&self, at: usize) {
        self.at.store(at, Ordering::Relaxed);
    }
}
