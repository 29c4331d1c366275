//! Who is on a topic.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use sse_kit_event::{Topic, TopicPattern};

use crate::connection::Connection;
use crate::ending::CloseReason;

/// Somebody came or went.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceChange {
    /// The connection subscribes to the topic from now on.
    Join(Arc<Connection>),
    /// It no longer does.
    Leave(Arc<Connection>, CloseReason),
}

/// Follows who is on a topic: see [`Hub::watch_presence`](crate::Hub::watch_presence).
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
    /// [`PresenceError::Closed`] when the hub is gone.
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
    /// The hub is gone.
    #[error("the hub is gone")]
    Closed,
}

/// The topics that somebody watches. Costs nothing while nobody does; a connection that comes or goes
/// costs a look-up for each of its topics, and a match for each watched topic that begins as one of
/// its patterns does.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    watchers: BTreeMap<Topic, async_broadcast::Sender<PresenceChange>>,
    /// When there are this many, those are dropped that nobody watches any more.
    sweep_at: usize,
}

impl Watched {
    /// How many changes wait for a slow watcher before the oldest is dropped.
    const CAPACITY: usize = 64;

    pub(crate) fn watch(&mut self, topic: &Topic) -> async_broadcast::Receiver<PresenceChange> {
        if let Some(sender) = self.watchers.get(topic) {
            return sender.new_receiver();
        }
        self.sweep();
        let (mut sender, receiver) = async_broadcast::broadcast(Self::CAPACITY);
        sender.set_overflow(true);
        self.watchers.insert(topic.clone(), sender);
        receiver
    }

    /// Each sweep costs no more than the watches that were begun since the last one.
    fn sweep(&mut self) {
        if self.watchers.len() >= self.sweep_at {
            self.watchers.retain(|_, sender| sender.receiver_count() > 0);
            self.sweep_at = 2 * self.watchers.len() + 16;
        }
    }

    pub(crate) fn joined(&self, connection: &Arc<Connection>) {
        self.tell(connection, || PresenceChange::Join(Arc::clone(connection)));
    }

    pub(crate) fn left(&self, connection: &Arc<Connection>, why: CloseReason) {
        self.tell(connection, || PresenceChange::Leave(Arc::clone(connection), why));
    }

    fn tell(&self, connection: &Connection, change: impl Fn() -> PresenceChange) {
        if self.watchers.is_empty() {
            return;
        }
        let topics = connection.topics.topics().iter();
        let by_name = topics.filter_map(|topic| self.watchers.get(topic));
        let by_pattern = self.matching(connection.topics.patterns());
        for sender in by_name.chain(by_pattern) {
            // Fails only when nobody watches any more.
            let _ = sender.try_broadcast(change());
        }
    }

    /// The watched topics that one of the patterns matches, each once. A topic that a pattern covers
    /// is not also in a subscription by name.
    fn matching(
        &self,
        patterns: &[TopicPattern],
    ) -> impl Iterator<Item = &async_broadcast::Sender<PresenceChange>> {
        let mut prefixes: Vec<_> = patterns.iter().map(TopicPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        // What begins as one that begins as a shorter one is found with that.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
        prefixes.into_iter().flat_map(move |prefix| {
            let from = self.watchers.range::<str, _>((Included(prefix), Unbounded));
            let alike = from.take_while(move |(topic, _)| topic.as_str().starts_with(prefix));
            let matches = |topic: &Topic| patterns.iter().any(|pattern| pattern.matches(topic));
            alike.filter(move |(topic, _)| matches(topic)).map(|(_, sender)| sender)
        })
    }
}
