//! What has happened so far.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) refused: Counter,
    pub(crate) published: Counter,
    pub(crate) published_here: Counter,
    pub(crate) vetoed: Counter,
    pub(crate) sent_direct: Counter,
    pub(crate) resumed: Counter,
    pub(crate) backfilled: Counter,
    pub(crate) gaps: Counter,
    pub(crate) lagged: Counter,
    pub(crate) conflated: Counter,
    pub(crate) dropped: Counter,
    pub(crate) evicted: Counter,
    pub(crate) hook_failures: Counter,
    pub(crate) fan_out_lags: Counter,
}

/// What a hub holds, and what has happened to it since it was made.
///
/// Counts grow by themselves; each is right, but they are not read at one and the same instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Connections that are open.
    pub connections: usize,
    /// Topics that are subscribed to or have a history.
    pub topics: usize,
    /// Different patterns that are subscribed to.
    pub patterns: usize,
    /// Events in all histories.
    pub history: usize,
    /// What they cost, in bytes.
    pub history_bytes: usize,
    /// Connections opened.
    pub opened: u64,
    /// Connections ended, for whatever reason.
    pub closed: u64,
    /// Connections refused because hooks lag behind, or patterns are crowded.
    pub refused: u64,
    /// Events that came from the log: with their ids, from all nodes, and from before the start of this
    /// one.
    pub published: u64,
    /// Events that the log did not take, and that were delivered on this node alone.
    pub published_here: u64,
    /// Events that a hook vetoed.
    pub vetoed: u64,
    /// Events that connections took from their queues.
    pub delivered: u64,
    /// Events sent to one connection alone.
    pub sent_direct: u64,
    /// Connections that resumed from an id the log knows.
    pub resumed: u64,
    /// Connections that resumed from before history, and got what it lacks from the log.
    pub backfilled: u64,
    /// Gaps that connections were told of.
    pub gaps: u64,
    /// How often a connection fell behind and went back to history.
    pub lagged: u64,
    /// Events that a newer one of the same key replaced in a queue.
    pub conflated: u64,
    /// Events dropped from the front of queues.
    pub dropped: u64,
    /// Connections ended because they were too slow.
    pub evicted: u64,
    /// Hooks that failed, panicked or took too long.
    pub hook_failures: u64,
    /// How often a fan-out task fell behind the log.
    pub fan_out_lags: u64,
}
