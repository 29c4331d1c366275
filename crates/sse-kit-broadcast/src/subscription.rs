//! The receiving end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use sse_kit_event::EventId;

use crate::connection::{Connection, Departure};
use crate::core::Core;
use crate::delivery::Delivery;
use crate::entry::Entry;
use crate::queue::Taken;
use crate::shard::Shard;

/// The receiving end of one connection: gives what is published to its topics, in order.
///
/// Dropping it ends the connection at once. It ends by itself, after what is queued, when the
/// broadcaster shuts down or the connection is ended; then it gives `None`.
#[derive(Debug)]
pub struct Subscription {
    core: Arc<Core>,
    shard: Arc<Shard>,
    connection: Arc<Connection>,
    cursor: EventId,
    begins_with_gap: bool,
    /// What comes before all that is in the queue.
    old: VecDeque<Arc<Entry>>,
}

impl Subscription {
    pub(crate) fn new(
        core: Arc<Core>,
        connection: Arc<Connection>,
        cursor: EventId,
        old: VecDeque<Arc<Entry>>,
    ) -> Self {
        let begins_with_gap = old.is_empty() && connection.queue.lock().is_gap_next();
        let shard = Arc::clone(&core.shards[connection.shard]);
        Self { core, shard, connection, cursor, begins_with_gap, old }
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
        if let Some(entry) = self.old.pop_front() {
            if self.old.is_empty() {
                self.old = VecDeque::new(); // and its memory is free
            }
            let delivery = Delivery::Entry(entry);
            self.count(&delivery);
            return Poll::Ready(Some(delivery));
        }
        loop {
            let taken = self.connection.queue.lock().take(cx.waker());
            match taken {
                Taken::Delivery(delivery) => {
                    self.count(&delivery);
                    return Poll::Ready(Some(delivery));
                }
                Taken::Behind => self.core.catch_up(&self.connection),
                Taken::Nothing => return Poll::Pending,
                Taken::End => return Poll::Ready(None),
            }
        }
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

    /// The connection as others see it.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// How often a heartbeat comes; `None` when none does.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.core.heartbeat
    }

    /// Why it is ending, once that is decided by somebody else than its owner.
    pub fn ending(&self) -> Option<Departure> {
        self.connection.queue.lock().ending()
    }

    fn count(&self, delivery: &Delivery) {
        match delivery {
            Delivery::Entry(_) | Delivery::Direct(_) => {
                self.shard.delivered.add(1);
            }
            Delivery::Gap(_) => self.core.counters.gaps.add(1),
            Delivery::Heartbeat | Delivery::Goodbye(_) => {}
        }
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_recv(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.core.leave(&self.connection);
    }
}
