//! Counters and statistics.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::histogram::{Distribution, EventHistogram, Histogram};

/// A counter that only increases, for statistics.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds a number.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one and returns the sum before that.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the sum.
    pub fn get(&self) -> u64 {
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
    pub(crate) publish_to_write: Histogram,
    pub(crate) queue_depth: EventHistogram,
    pub(crate) replay: EventHistogram,
    pub(crate) backfill: EventHistogram,
}

/// A snapshot of a hub: its current sizes, and its counters since it was created.
///
/// The counters increase independently. Each is exact, but they are not read at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// The number of open connections.
    pub connections: usize,
    /// The number of topics that have subscribers or a history.
    pub topics: usize,
    /// The number of different patterns that have subscribers.
    pub patterns: usize,
    /// The number of events in all histories.
    pub history: usize,
    /// The memory that all histories take, in bytes: see
    /// [`HubBuilder::history_bytes`](crate::HubBuilder::history_bytes).
    pub history_bytes: usize,
    /// The number of connections opened.
    pub opened: u64,
    /// The number of connections ended, for any reason.
    pub closed: u64,
    /// The number of connections refused because hooks lag behind, because too many patterns share
    /// a prefix, or because too many subscriptions wait for a backfill.
    pub refused: u64,
    /// The number of events that the log delivered: from all nodes, including events from before
    /// this node started.
    pub published: u64,
    /// The number of events that the log did not accept and that this node delivered locally.
    pub published_here: u64,
    /// The number of events that a hook vetoed.
    pub vetoed: u64,
    /// The number of events that connections took from their queues.
    pub delivered: u64,
    /// The number of direct messages to single connections.
    pub sent_direct: u64,
    /// The number of connections that resumed from an id that the log knows.
    pub resumed: u64,
    /// The number of connections that resumed from before history and were backfilled from the log.
    pub backfilled: u64,
    /// The number of gaps sent to connections.
    pub gaps: u64,
    /// The number of times that a connection fell behind and caught up from history.
    pub lagged: u64,
    /// The number of events that a newer event with the same key replaced in a queue.
    pub conflated: u64,
    /// The number of events dropped from the front of queues.
    pub dropped: u64,
    /// The number of connections evicted because they were too slow.
    pub evicted: u64,
    /// The number of hook calls that failed, panicked or timed out.
    pub hook_failures: u64,
    /// The number of times that a fan-out task fell behind the log.
    pub fan_out_lags: u64,
    /// The time from the moment at which this node got an event from its log to the moment at which a
    /// stream took it to write it. One of 64 deliveries is measured; events from before the stream
    /// opened are not.
    pub publish_to_write: Distribution,
    /// The number of events that still waited in the queue of a stream when it took one, for the same
    /// deliveries.
    pub queue_depth: Distribution,
    /// The number of events of history that a stream got each time it resumed or had fallen behind.
    pub replay: Distribution,
    /// The number of events that a stream got from the log each time it was backfilled.
    pub backfill: Distribution,
}
