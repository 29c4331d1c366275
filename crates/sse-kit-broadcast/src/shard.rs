//! A share of the connections, in lists.

use std::sync::Arc;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use crate::connection::Connection;
use crate::counters::Counter;
use crate::lists::{ListId, ListIds, Place};

/// A share of the connections, with one task that offers events to them: see
/// [`FanOut`](crate::fan_out::FanOut).
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// The lists by id. The ids are our own numbers, so the hash need not resist attacks.
    lists: Mutex<FxHashMap<ListId, Vec<Arc<Connection>>>>,
    /// The number of events that the connections of this shard have taken. It is counted per shard,
    /// so that cores do not contend for one counter.
    pub(crate) delivered: Counter,
    /// The waker of the shard's task, while it waits for the ring.
    pub(crate) fan_out: AtomicWaker,
}

/// The number of connections after which a task yields, so that their streams can run.
pub(crate) const BATCH: usize = 256;

impl Shard {
    /// Adds the connection to these lists.
    pub(crate) fn join(&self, connection: &Arc<Connection>, ids: &[ListId]) {
        let mut lists = self.lists.lock();
        let places = ids.iter().map(|id| {
            let list = lists.entry(*id).or_default();
            list.push(Arc::clone(connection));
            Place::new(*id, list.len() - 1)
        });
        let places = places.collect();
        connection.places.set(places).expect("a connection joins once");
    }

    /// Removes the connection from its lists.
    pub(crate) fn leave(&self, connection: &Connection) {
        let mut lists = self.lists.lock();
        for place in connection.places.get().into_iter().flatten() {
            let Some(list) = lists.get_mut(&place.list) else { continue };
            let at = place.get();
            list.swap_remove(at);
            if let Some(moved) = list.get(at).and_then(|moved| moved.place(place.list)) {
                moved.set(at);
            }
            if list.is_empty() {
                lists.remove(&place.list);
            } else if list.len() * 4 < list.capacity() {
                list.shrink_to(list.len() * 2);
            }
        }
    }

    /// Returns the connections in these lists, each once.
    pub(crate) fn members(&self, ids: &ListIds) -> Vec<Arc<Connection>> {
        let lists = self.lists.lock();
        let members = ids.iter().filter_map(|id| lists.get(&id)).flatten();
        let mut members: Vec<_> = members.cloned().collect();
        members.sort_unstable_by_key(Arc::as_ptr);
        members.dedup_by_key(|member| Arc::as_ptr(member));
        members
    }

    /// Counts the connections in these lists, each once, without iterating over the longest list.
    pub(crate) fn count(&self, ids: &ListIds) -> usize {
        let lists = self.lists.lock();
        let found = || ids.iter().filter_map(|id| Some((id, lists.get(&id)?)));
        let Some((longest, most)) = found().max_by_key(|(_, list)| list.len()) else { return 0 };
        // A connection counts in the longest list if it is there, otherwise in the first list that
        // contains it.
        let counts_in = |id: ListId, connection: &Connection| {
            connection.place(longest).is_none()
                && connection.lists().find(|list| ids.contain(*list)) == Some(id)
        };
        let others = found().filter(|(id, _)| *id != longest);
        let other = others.map(|(id, list)| list.iter().filter(|c| counts_in(id, c)).count());
        most.len() + other.sum::<usize>()
    }

    /// Returns the connections of a list before the position `end`, at most a batch of them, and the
    /// position to continue from. As for [`Shard::visit`], positions go from the end to the
    /// beginning.
    pub(crate) fn batch_before(&self, id: ListId, end: usize) -> (Vec<Arc<Connection>>, usize) {
        let lists = self.lists.lock();
        let Some(list) = lists.get(&id) else { return (Vec::new(), 0) };
        let end = end.min(list.len());
        let begin = end.saturating_sub(BATCH);
        (list[begin..end].to_vec(), begin)
    }

    /// Calls `act` for every connection in the list, and yields in between.
    ///
    /// It iterates from the end to the beginning: a removal swaps the last connection into the gap,
    /// so only visited connections move. A connection may be visited twice, which `act` must
    /// tolerate. Connections that join meanwhile are not visited: they are newer than the event.
    pub(crate) async fn visit(&self, id: ListId, mut act: impl FnMut(&Arc<Connection>)) {
        let mut end = usize::MAX;
        loop {
            {
                let lists = self.lists.lock();
                let Some(list) = lists.get(&id) else { return };
                end = end.min(list.len());
                let begin = end.saturating_sub(BATCH);
                for connection in list[begin..end].iter().rev() {
                    act(connection);
                }
                end = begin;
            }
            if end == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}
