//! Connect and disconnect hooks, called in the order in which things happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::connection::Connection;
use crate::ending::CloseReason;
use crate::hooks::{Guard, Hooks};

/// Tells the connect and disconnect hooks, in the order in which things happened.
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
    /// The most changes that may wait for the hooks before connections are refused. As each
    /// connection is one change more at most when it ends, this bounds the memory.
    const MAX_BACKLOG: usize = 65_536;

    /// Also returns the task that calls the hooks; it ends when `Lifecycle` is dropped.
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
        // The task ends only with the runtime, and then there is nobody left to tell.
        let _ = self.sender.send(change);
    }
}
