//! Wakes connections a little later, so that more is written at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::queue::Queue;
use crate::shard::BATCH;

/// The connections that have something in their queues, and may wait for more.
///
/// Only their wake-up waits. Events are in the queues at once, so that what bounds a queue holds; and
/// whatever else wakes a connection, such as its end, does so as ever.
#[derive(Debug)]
pub(crate) struct Coalescer {
    /// How long they wait at most.
    max_delay: Duration,
    connections: Vec<Arc<Connection>>,
    /// When the one that waits for longest has waited long enough.
    due: Option<Instant>,
}

impl Coalescer {
    pub(crate) fn new(max_delay: Duration) -> Self {
        Self { max_delay, connections: Vec::new(), due: None }
    }

    /// Wakes a connection that was offered events, or lets it wait; one whose queue is half full waits
    /// no longer.
    pub(crate) fn wake_or_defer(
        &mut self,
        connection: &Arc<Connection>,
        queue: &mut Queue,
        now: Instant,
    ) {
        if self.max_delay.is_zero() || queue.is_half_full() {
            queue.wake();
        } else if queue.defer_wake() {
            self.due.get_or_insert(now + self.max_delay);
            self.connections.push(Arc::clone(connection));
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Wakes all that wait, if the time has come, and lets others run in between.
    pub(crate) async fn wake_when_due(&mut self) {
        if self.due.is_none_or(|due| Instant::now() < due) {
            return;
        }
        self.due = None;
        for (nth, connection) in self.connections.drain(..).enumerate() {
            connection.queue.lock().wake_deferred();
            if nth % BATCH == BATCH - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}
