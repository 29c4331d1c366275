//! The receiving end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use sse_kit_event::EventId;

use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::ending::{CloseReason, Goodbye};
use crate::entry::Entry;
use crate::node::Node;
use crate::offer::Taken;
use crate::opening::{Next, Opening};
use crate::shard::Shard;

/// The number of pages of history that one poll reads without finding anything.
const MAX_PAGES: usize = 4;

/// The receiving end of one connection: gives what is published to its topics, in order.
///
/// Dropping it ends the connection at once. It ends by itself, after what is queued, when the
/// hub shuts down or the connection is ended; then it gives `None`.
#[derive(Debug)]
pub struct Subscription {
    node: Arc<Node>,
    shard: Arc<Shard>,
    connection: Arc<Connection>,
    cursor: EventId,
    begins_with_gap: bool,
    begins_at_cursor: bool,
    /// What comes before all that is in the queue.
    opening: Opening,
}

impl Subscription {
    /// `begins_at_cursor` says that a client that knows the cursor, and nothing else, misses nothing
    /// when it resumes from there.
    pub(crate) fn new(
        node: Arc<Node>,
        connection: Arc<Connection>,
        (cursor, begins_at_cursor): (EventId, bool),
        opening: Opening,
    ) -> Self {
        let begins_with_gap = opening.is_empty() && connection.queue.lock().is_gap_next();
        let shard = Arc::clone(&node.shards[connection.shard]);
        Self { node, shard, connection, cursor, begins_with_gap, begins_at_cursor, opening }
    }

    /// Gives these before anything else.
    pub(crate) fn begin_with(&mut self, entries: VecDeque<Arc<Entry>>) {
        self.opening = Opening::Entries(entries);
        self.begins_with_gap =
            self.opening.is_empty() && self.connection.queue.lock().is_gap_next();
    }

    /// The next delivery; `None` when the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken before the future is ready.
    pub async fn recv(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`Subscription::recv`], for those who write futures by hand.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match self.opening.next(&self.node, &self.connection) {
            Next::Entry(entry) => return self.ready(Delivery::Entry(entry)),
            Next::Searching => return wait_a_moment(cx),
            Next::Nothing => {}
        }
        let mut pages = 0;
        loop {
            let taken = self.connection.queue.lock().take(cx.waker());
            match taken {
                Taken::Delivery(delivery) => return self.ready(delivery),
                Taken::Nothing => return Poll::Pending,
                Taken::End => return Poll::Ready(None),
                // A page may have nothing for this subscription, and there may be many such.
                Taken::Behind if pages == MAX_PAGES => return wait_a_moment(cx),
                Taken::Behind => self.node.catch_up(&self.connection),
            }
            pages += 1;
        }
    }

    fn ready(&self, delivery: Delivery) -> Poll<Option<Delivery>> {
        match delivery {
            Delivery::Entry(_) | Delivery::Direct(_) => self.shard.delivered.add(1),
            Delivery::Gap(_) => self.node.counters.gaps.add(1),
            Delivery::Heartbeat { .. } | Delivery::Goodbye(_) => {}
        }
        Poll::Ready(Some(delivery))
    }

    /// Lets nothing more into the queue, and ends after what waits there, with a goodbye. Events that
    /// were published but did not come to the queue yet are not lost to a client that resumes.
    pub fn finish(&self, goodbye: Goodbye) {
        self.connection.queue.lock().end(CloseReason::Expired, Some(goodbye));
        self.node.leave(&self.connection);
    }

    /// Where it began: everything after this is given, or stands behind a gap that is told.
    pub fn cursor(&self) -> EventId {
        self.cursor
    }

    /// Whether the first thing it gave, or gives, is a gap: the client could not resume from where it
    /// wanted to.
    pub fn begins_with_gap(&self) -> bool {
        self.begins_with_gap
    }

    /// The id that the client may be told before the first event: when it resumes from there, it misses
    /// nothing. `None` for a subscription that begins with a gap, or somewhere in history: a client
    /// that is cut off before its first event must begin again in the same way.
    pub fn resumes_from(&self) -> Option<EventId> {
        (self.begins_at_cursor && !self.begins_with_gap).then_some(self.cursor)
    }

    /// The connection as others see it.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// How often a heartbeat comes; `None` when none does.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.node.heartbeat
    }

    /// Why it is ending, once that is decided by somebody else than its owner.
    pub fn ending(&self) -> Option<CloseReason> {
        self.connection.queue.lock().ending()
    }
}

/// Lets others run, and goes on then.
fn wait_a_moment(cx: &Context<'_>) -> Poll<Option<Delivery>> {
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_recv(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.node.leave(&self.connection);
    }
}
