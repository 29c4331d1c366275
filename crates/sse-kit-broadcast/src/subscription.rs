//! The receiving end of a connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use sse_kit_event::EventId;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;

use crate::connection::Connection;
use crate::connection_watch::ConnectionEvent;
use crate::delivery::Delivery;
use crate::ending::{CloseReason, Goodbye};
use crate::entry::Entry;
use crate::lineage::Lineage;
use crate::node::Node;
use crate::offer::Taken;
use crate::opening::{Backfilled, Next, Opening};
use crate::shard::Shard;
use crate::tracing_links::StreamSpan;

/// One of so many deliveries is measured: reading the clock costs as much as taking an event.
const MEASURED: u64 = 64;

/// The maximum number of pages without a match that one poll reads.
const MAX_PAGES: usize = 4;

/// The receiving end of one connection: yields the events on its topics, in order.
///
/// Dropping it ends the connection immediately. It ends by itself, after the queued items, when the
/// hub shuts down or the connection is ended; then it yields `None`.
///
/// ```
/// use sse_kit_broadcast::{Delivery, Hub};
/// use sse_kit_event::{Event, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new();
/// let news: Topic = "news".parse()?;
/// let mut subscription = hub.subscribe(&news).open()?;
/// hub.publish(&news, Event::new("It rains.")).await?;
/// let Some(Delivery::Entry(entry)) = subscription.recv().await else { panic!("an event") };
/// assert!(entry.frame().starts_with(b"data: It rains."));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Subscription {
    node: Arc<Node>,
    shard: Arc<Shard>,
    connection: Arc<Connection>,
    place: Place,
    begins_with_gap: bool,
    /// The events before those in the queue.
    opening: Opening,
    span: StreamSpan,
}

/// The place in the log at which a subscription begins.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cursor: EventId,
    /// `true` if a client that knows only the cursor misses nothing when it resumes from there.
    pub(crate) begins_at_cursor: bool,
    pub(crate) newest: Option<EventId>,
    pub(crate) lineage: Lineage,
    /// The time at which the subscription began.
    pub(crate) opened: Instant,
}

impl Subscription {
    pub(crate) fn new(
        node: Arc<Node>,
        connection: Arc<Connection>,
        place: Place,
        opening: Opening,
        span: StreamSpan,
    ) -> Self {
        let begins_with_gap = opening.is_empty() && connection.queue.lock().is_gap_next();
        let shard = Arc::clone(&node.shards[connection.shard]);
        Self { node, shard, connection, place, begins_with_gap, opening, span }
    }

    /// Sets the events that are yielded before anything else.
    pub(crate) fn begin_with(&mut self, backfilled: Backfilled) {
        self.opening = Opening::backfilled(backfilled);
        self.begins_with_gap =
            self.opening.is_empty() && self.connection.queue.lock().is_gap_next();
    }

    /// Waits for the next delivery. Returns `None` after the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is taken until the future completes.
    pub async fn recv(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next delivery, for hand-written futures: see [`Subscription::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match self.opening.next(&self.node, &self.connection) {
            Next::Entry(entry) => return self.ready(Delivery::Entry(entry)),
            Next::Backfilled(entry) => {
                self.connection.queue.lock().note_backfilled(entry.id());
                return self.ready(Delivery::Entry(entry));
            }
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
                // A page may hold nothing for this subscription, and there may be many such pages.
                Taken::Behind if pages == MAX_PAGES => return wait_a_moment(cx),
                Taken::Behind => self.node.catch_up(&self.connection),
            }
            pages += 1;
        }
    }

    /// Returns why it ended. A function, as the lock must not be held while that is logged.
    fn ended_by(&self) -> CloseReason {
        self.connection.queue.lock().ending().unwrap_or(CloseReason::ClientGone)
    }

    fn ready(&self, delivery: Delivery) -> Poll<Option<Delivery>> {
        match &delivery {
            Delivery::Entry(entry) => {
                let is_measured = self.shard.delivered.next().is_multiple_of(MEASURED);
                if is_measured || LevelFilter::current() == LevelFilter::TRACE {
                    self.note(entry, is_measured);
                }
            }
            Delivery::Direct(_) => self.shard.delivered.add(1),
            Delivery::Gap(gap) => {
                self.node.counters.gaps.add(1);
                self.span.gap(&self.connection, gap);
                let connection = || Arc::clone(&self.connection);
                self.node.watchers.tell(|| ConnectionEvent::Gap(connection(), gap.clone()));
            }
            Delivery::Heartbeat { .. } | Delivery::Goodbye(_) => {}
        }
        Poll::Ready(Some(delivery))
    }

    /// Logs a delivery, and measures it, unless it is of an event from before the stream. Few
    /// deliveries come here, so it is not inlined.
    #[cold]
    fn note(&self, entry: &Entry, is_measured: bool) {
        self.span.delivered(entry);
        if is_measured && entry.at >= self.place.opened {
            let counters = &self.node.counters;
            let delay = Instant::now().duration_since(entry.at);
            counters.publish_to_write.observe(delay);
            counters.queue_depth.observe(self.connection.stats().queued);
        }
    }

    /// Closes the queue and ends the stream after the queued items, with a goodbye. A client that
    /// resumes receives the events that were published but not queued yet.
    pub fn finish(&self, goodbye: Goodbye) {
        self.connection.queue.lock().end(CloseReason::Expired, Some(goodbye));
        self.node.leave(&self.connection);
    }

    /// Returns the position at which the subscription started: all later events are delivered or
    /// covered by a gap.
    pub fn cursor(&self) -> EventId {
        self.place.cursor
    }

    /// Returns the newest position when the subscription was opened, if the client resumed and would
    /// otherwise have started [now](crate::Start::Now). Clients that share the stream and have no cursor of
    /// their own begin here.
    pub fn newest(&self) -> Option<EventId> {
        self.place.newest
    }

    /// Returns the earlier epochs that the epoch of the cursor continues.
    pub fn lineage(&self) -> &Lineage {
        &self.place.lineage
    }

    /// Returns the position through which everything was delivered or covered by a gap, whether or
    /// not it was for this subscription; `None` while deliveries wait or history must be read. Events
    /// of other topics may advance it only with a heartbeat.
    pub fn delivered_through(&self) -> Option<EventId> {
        if !self.opening.is_empty() {
            return None;
        }
        self.connection.queue.lock().taken_through()
    }

    /// Returns `true` if the first delivery is a gap: the client could not resume from its last
    /// event.
    pub fn begins_with_gap(&self) -> bool {
        self.begins_with_gap
    }

    /// Returns the id that the client may receive before the first event: a client that resumes
    /// from it misses nothing. `None` if the subscription starts with a gap or within history; a
    /// client that is cut off before its first event must then start the same way again.
    pub fn resumes_from(&self) -> Option<EventId> {
        (self.place.begins_at_cursor && !self.begins_with_gap).then_some(self.place.cursor)
    }

    /// Returns the connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Returns the heartbeat interval; `None` if heartbeats are disabled.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.node.heartbeat
    }

    /// Returns the reason for the end, once the hub or the app has decided on one.
    pub fn ending(&self) -> Option<CloseReason> {
        self.connection.queue.lock().ending()
    }
}

/// Yields to other tasks and polls again.
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
        self.span.end(&self.connection, self.ended_by());
    }
}
