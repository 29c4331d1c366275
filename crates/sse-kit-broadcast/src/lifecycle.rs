//! Connect and disconnect hooks, called in the order of the events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::ending::CloseReason;
use crate::hooks::{Guard, Hooks};

/// The queue of connects and disconnects for the hooks.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    sender: mpsc::UnboundedSender<Change>,
    backlog: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Change {
    Connected(Arc<Connection>),
    Disconnected(Arc<Connection>, CloseReason),
}

impl Lifecycle {
    /// The maximum number of queued changes before new connections are refused. Each open
    /// connection can add only one more change, its end, so this bounds the memory.
    const MAX_BACKLOG: usize = 65_536;

    /// Returns the queue and the task that calls the hooks. The task ends when `Lifecycle` is
    /// dropped.
    pub(crate) fn new(hooks: Arc<Hooks>, guard: Guard) -> (Self, impl Future<Output = ()>) {
        let (sender, mut changes) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&backlog);
        let task = async move {
            while let Some(change) = changes.recv().await {
                match change {
                    Change::Connected(connection) => {
                        hooks.connected(&connection, &guard).await;
                    }
                    Change::Disconnected(connection, why) => {
                        hooks.disconnected(&connection, why, &guard).await;
                    }
                }
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        };
        (Self { sender, backlog }, task)
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > Self::MAX_BACKLOG
    }

    pub(crate) fn connected(&self, connection: &Arc<Connection>) {
        self.tell(Change::Connected(Arc::clone(connection)));
    }

    pub(crate) fn disconnected(&self, connection: &Arc<Connection>, why: CloseReason) {
        self.tell(Change::Disconnected(Arc::clone(connection), why));
    }

    fn tell(&self, change: Change) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        // Fails only if the task has ended, together with the runtime.
        let _ = self.sender.send(change);
    }
}
