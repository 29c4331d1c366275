//! Delays the wake-up of connections so that they write several events at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::queue::Queue;
use crate::shard::BATCH;

/// The connections that have events in their queues and whose wake-up is deferred.
///
/// Only the wake-up is deferred. Events enter the queues at once, so the limits of a queue hold;
/// anything else that wakes a connection, such as its end, still wakes it immediately.
#[derive(Debug)]
pub(crate) struct Coalescer {
    /// The maximum time that a wake-up is deferred.
    max_delay: Duration,
    connections: Vec<Arc<Connection>>,
    /// The time of the earliest deferred wake-up.
    due: Option<Instant>,
}

impl Coalescer {
    pub(crate) fn new(max_delay: Duration) -> Self {
        Self { max_delay, connections: Vec::new(), due: None }
    }

    /// Wakes a connection that was offered events, or defers its wake-up. A connection whose queue
    /// is half full is woken immediately, and one that fell behind because an event did not fit.
    #[inline]
    pub(crate) fn wake_or_defer(
        &mut self,
        connection: &Arc<Connection>,
        queue: &mut Queue,
        now: Instant,
    ) {
        if self.max_delay.is_zero() || queue.is_half_full() || queue.is_behind() {
            queue.wake();
        } else if queue.defer_wake() {
            self.due.get_or_insert(now + self.max_delay);
            self.connections.push(Arc::clone(connection));
        }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Wakes all deferred connections if the time has come, and yields in between.
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
