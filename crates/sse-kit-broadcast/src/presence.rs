//! Who is on a topic.

use std::collections::HashMap;
use std::sync::Arc;

use sse_kit_event::Topic;

use crate::connection::{Connection, Departure};

/// Somebody came or went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceChange {
    /// The connection subscribes to the topic from now on.
    Join(Arc<Connection>),
    /// It no longer does.
    Leave(Arc<Connection>, Departure),
}

/// Follows who is on a topic: see [`Broadcaster::watch_presence`](crate::Broadcaster::watch_presence).
#[derive(Debug)]
pub struct PresenceWatch {
    /// Who was there when the watch began; all that came later is in [`PresenceWatch::change`].
    pub present: Vec<Arc<Connection>>,
    pub(crate) changes: async_broadcast::Receiver<PresenceChange>,
}

impl PresenceWatch {
    /// The next change.
    ///
    /// # Errors
    ///
    /// [`PresenceError::Lagged`] when changes came faster than they were read: begin a new watch.
    /// [`PresenceError::Closed`] when the broadcaster is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn change(&mut self) -> Result<PresenceChange, PresenceError> {
        use async_broadcast::RecvError;
        match self.changes.recv_direct().await {
            Ok(change) => Ok(change),
            Err(RecvError::Overflowed(missed)) => Err(PresenceError::Lagged { missed }),
            Err(RecvError::Closed) => Err(PresenceError::Closed),
        }
    }
}

/// Why there is no next change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// Changes were missed.
    #[error("missed {missed} changes of presence; begin a new watch")]
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The broadcaster is gone.
    #[error("the broadcaster is gone")]
    Closed,
}

/// The topics that somebody watches. Costs nothing while nobody does.
#[derive(Debug, Default)]
pub(crate) struct Watched(HashMap<Topic, async_broadcast::Sender<PresenceChange>>);

impl Watched {
    /// How many changes wait for a slow watcher before the oldest is dropped.
    const CAPACITY: usize = 64;

    pub(crate) fn watch(&mut self, topic: &Topic) -> async_broadcast::Receiver<PresenceChange> {
        self.0.retain(|_, sender| sender.receiver_count() > 0);
        if let Some(sender) = self.0.get(topic) {
            return sender.new_receiver();
        }
        let (mut sender, receiver) = async_broadcast::broadcast(Self::CAPACITY);
        sender.set_overflow(true);
        self.0.insert(topic.clone(), sender);
        receiver
    }

    pub(crate) fn joined(&self, connection: &Arc<Connection>) {
        self.tell(connection, || PresenceChange::Join(Arc::clone(connection)));
    }

    pub(crate) fn left(&self, connection: &Arc<Connection>, why: Departure) {
        self.tell(connection, || PresenceChange::Leave(Arc::clone(connection), why));
    }

    fn tell(&self, connection: &Connection, change: impl Fn() -> PresenceChange) {
        for (_, sender) in self.0.iter().filter(|(topic, _)| connection.topics.cover(topic)) {
            // Fails only when nobody watches any more.
            let _ = sender.try_broadcast(change());
        }
    }
}
