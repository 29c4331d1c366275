//! Fan-out: from the ring to the queues of the connections.

use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;

use async_broadcast::{Receiver, RecvError, TryRecvError};
use futures_core::future::BoxFuture;
use sse_kit_event::EventId;
use sse_kit_event::control::GapReason;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument, Level, Span};

use crate::coalescer::Coalescer;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::ending::CloseReason;
use crate::entry::Entry;
use crate::lists::{ListId, ListIds};
use crate::node::Node;
use crate::offer::Offer;
use crate::ring::{RingMessage, UnloggedEvent};
use crate::shard::{BATCH, Shard};
use crate::tracing_links::{Propagation, deliver_span};

/// The maximum number of events offered to a connection at once.
const MAX_TOGETHER: usize = 32;

/// The task of one shard: it offers each ring message to the connections of the shard.
#[derive(Debug)]
pub(crate) struct FanOut {
    shard: Arc<Shard>,
    /// The number of the shard.
    number: usize,
    ring: Receiver<RingMessage>,
    /// The list of all connections.
    everyone: ListId,
    counters: Arc<Counters>,
    /// The node, to evict connections that are too slow. The task does not keep the node alive.
    node: Weak<Node>,
    coalescer: Coalescer,
    propagation: Propagation,
}

impl FanOut {
    /// Creates the task of the shard with this number.
    pub(crate) fn new(
        node: &Arc<Node>,
        shard: usize,
        ring: Receiver<RingMessage>,
        coalescer: Coalescer,
        propagation: Propagation,
    ) -> Self {
        Self {
            shard: Arc::clone(&node.shards[shard]),
            number: shard,
            ring,
            everyone: node.state.lock().interests.everyone(),
            counters: Arc::clone(&node.counters),
            node: Arc::downgrade(node),
            coalescer,
            propagation,
        }
    }

    /// Runs until the hub is gone.
    pub(crate) async fn run(mut self) {
        // The last event that was offered to the connections.
        let mut through = None;
        let mut next = None;
        // The entries to offer, empty in between: kept, so that no event allocates its list.
        let mut entries = Vec::new();
        loop {
            // Lets other tasks run even if the ring is never empty.
            tokio::task::coop::consume_budget().await;
            self.coalescer.wake_when_due().await;
            let message = match (next.take(), self.coalescer.due()) {
                (Some(message), _) => message,
                (None, None) => self.receive().await,
                (None, Some(due)) => match timeout_at(due, self.receive()).await {
                    Ok(message) => message,
                    Err(_elapsed) => continue,
                },
            };
            match message {
                Ok(RingMessage::Entry(entry, lists)) => {
                    entries.push(entry);
                    next = self.take_more(&mut entries, &lists);
                    if tracing::span_enabled!(Level::DEBUG) {
                        self.hand_out_traced(&entries, &lists).await;
                    } else {
                        self.hand_out(&entries, &lists).await;
                    }
                    through = entries.last().map(|entry| entry.id);
                    entries.clear();
                }
                Ok(RingMessage::Heartbeat(position)) => {
                    let offer = |c: &Arc<Connection>| c.queue.lock().offer_heartbeat(position);
                    self.shard.visit(self.everyone, offer).await;
                }
                Ok(RingMessage::Unlogged(event)) => self.hand_out_unlogged(&event).await,
                Ok(RingMessage::Drained(connections)) => self.end_drained(&connections).await,
                Ok(RingMessage::End(goodbye)) => {
                    let end = |c: &Arc<Connection>| {
                        c.queue.lock().end(CloseReason::Shutdown, goodbye);
                    };
                    self.shard.visit(self.everyone, end).await;
                }
                Err(RecvError::Overflowed(missed)) => self.fall_behind(missed, through).await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Awaits the next message of the ring.
    ///
    /// The shard's waker takes less than a listener of the ring, which allocates for each wait.
    async fn receive(&mut self) -> Result<RingMessage, RecvError> {
        let Self { shard, ring, .. } = self;
        poll_fn(|cx| {
            let mut received = ring.try_recv();
            if matches!(received, Err(TryRecvError::Empty)) {
                // Before another look: a message that comes after it finds the waker. A task that has found a
                // message registers none, as it would be woken while it works.
                shard.fan_out.register(cx.waker());
                received = ring.try_recv();
            }
            Poll::Ready(match received {
                Ok(message) => Ok(message),
                Err(TryRecvError::Overflowed(missed)) => Err(RecvError::Overflowed(missed)),
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
                Err(TryRecvError::Empty) => return Poll::Pending,
            })
        })
        .await
    }

    /// Takes further entries for the same lists from the ring. Returns the first other message, if
    /// any.
    fn take_more(
        &mut self,
        entries: &mut Vec<Arc<Entry>>,
        lists: &ListIds,
    ) -> Option<Result<RingMessage, RecvError>> {
        while entries.len() < MAX_TOGETHER {
            match self.ring.try_recv() {
                Ok(RingMessage::Entry(entry, others)) if others.same_as(lists) => {
                    entries.push(entry);
                }
                Ok(other) => return Some(Ok(other)),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Overflowed(missed)) => {
                    return Some(Err(RecvError::Overflowed(missed)));
                }
                Err(TryRecvError::Closed) => return Some(Err(RecvError::Closed)),
            }
        }
        None
    }

    /// Does the same as [`FanOut::hand_out`] within a span, if there are receivers. In a box, so that
    /// it costs nothing where nobody records it.
    fn hand_out_traced<'a>(
        &'a mut self,
        entries: &'a [Arc<Entry>],
        lists: &'a ListIds,
    ) -> BoxFuture<'a, ()> {
        let span = match self.shard.count(lists) {
            0 => Span::none(),
            receivers => deliver_span(entries, receivers, &self.propagation),
        };
        Box::pin(self.hand_out(entries, lists).instrument(span))
    }

    /// Offers entries to all connections in `lists`, so that events published together are written
    /// together. A connection in two of the lists skips the entries the second time.
    async fn hand_out(&mut self, entries: &[Arc<Entry>], lists: &ListIds) {
        let Self { shard, counters, coalescer, node, .. } = self;
        let mut too_slow = Vec::new();
        for list in lists.iter() {
            let now = Instant::now();
            let offer = |c: &Arc<Connection>| {
                let mut queue = c.queue.lock();
                for entry in entries {
                    match queue.offer(entry, &c.id, now) {
                        Offer::Queued | Offer::NotWanted => {}
                        Offer::Conflated => counters.conflated.add(1),
                        Offer::Dropped(events) => counters.dropped.add(events as u64),
                        Offer::Lagged => counters.lagged.add(1),
                        Offer::TooSlow => too_slow.push(Arc::clone(c)),
                    }
                }
                coalescer.wake_or_defer(c, &mut queue, now);
            };
            shard.visit(list, offer).await;
        }
        if let Some(node) = node.upgrade() {
            for connection in &too_slow {
                node.leave(connection);
            }
        }
    }

    /// Offers an event without an id to the connections in its lists. A connection without room
    /// misses it: such events are delivered at most once.
    async fn hand_out_unlogged(&self, event: &UnloggedEvent) {
        // Without an offset a queue cannot tell that it already has the event.
        let mut handed = HashSet::new();
        for list in event.lists.iter() {
            let offer = |c: &Arc<Connection>| {
                if !event.except.contains(&c.id) && handed.insert(c.number) {
                    c.queue.lock().offer_direct(event.frame.clone());
                }
            };
            self.shard.visit(list, offer).await;
        }
    }

    /// Ends those of the connections that are in this shard and have received everything they
    /// should.
    async fn end_drained(&self, connections: &[Arc<Connection>]) {
        for batch in connections.chunks(BATCH) {
            for connection in batch {
                if connection.shard == self.number {
                    connection.queue.lock().drained();
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Makes every connection catch up from history, because publishers were faster than this task.
    async fn fall_behind(&self, missed: u64, through: Option<EventId>) {
        tracing::debug!(missed, "a fan-out task lags behind the log");
        self.counters.fan_out_lags.add(1);
        let lag = |c: &Arc<Connection>| c.queue.lock().fall_behind(through, GapReason::Lagged);
        self.shard.visit(self.everyone, lag).await;
    }
}
