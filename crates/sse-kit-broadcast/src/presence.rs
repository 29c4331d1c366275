//! Presence: the connections on a topic.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use sse_kit_event::{Topic, TopicPattern};

use crate::connection::Connection;
use crate::ending::CloseReason;
use crate::recv_error::RecvError;

/// A connection joined or left a topic.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceChange {
    /// The connection subscribes to the topic from now on.
    Join(Arc<Connection>),
    /// The connection no longer subscribes to the topic.
    Leave(Arc<Connection>, CloseReason),
}

/// A watch of the connections on a topic: see [`Hub::watch_presence`](crate::Hub::watch_presence).
#[derive(Debug)]
pub struct PresenceWatch {
    /// The connections at the beginning of the watch. [`PresenceWatch::change`] returns all later
    /// changes.
    pub present: Vec<Arc<Connection>>,
    pub(crate) changes: async_broadcast::Receiver<PresenceChange>,
}

impl PresenceWatch {
    /// Waits for the next change.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] if the oldest changes were dropped because they were not read in
    /// time; begin a new watch. [`RecvError::Closed`] if the hub is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no change is lost if the future is dropped.
    pub async fn change(&mut self) -> Result<PresenceChange, RecvError> {
        match self.changes.recv_direct().await {
            Ok(change) => Ok(change),
            Err(async_broadcast::RecvError::Overflowed(missed)) => {
                Err(RecvError::Lagged { missed })
            }
            Err(async_broadcast::RecvError::Closed) => Err(RecvError::Closed),
        }
    }
}

/// The watched topics. Without watchers, connections pay nothing. With watchers, a connection that
/// joins or leaves costs one look-up per topic, and one match per watched topic that shares the
/// prefix of one of its patterns.
#[derive(Debug)]
pub(crate) struct Watched {
    watchers: BTreeMap<Topic, async_broadcast::Sender<PresenceChange>>,
    /// The number of topics at which unwatched ones are removed.
    sweep_at: usize,
    /// Carries nothing: the channel closes at the shutdown, while the watches report the connections that drain.
    open: (async_broadcast::Sender<()>, async_broadcast::InactiveReceiver<()>),
}

impl Default for Watched {
    fn default() -> Self {
        let (sender, receiver) = async_broadcast::broadcast(1);
        Self { watchers: BTreeMap::new(), sweep_at: 0, open: (sender, receiver.deactivate()) }
    }
}

impl Watched {
    /// The number of changes that wait for a slow watcher; beyond it the oldest is dropped.
    pub(crate) const CAPACITY: usize = 64;

    pub(crate) fn watch(&mut self, topic: &Topic) -> async_broadcast::Receiver<PresenceChange> {
        // A channel that all its watchers have left is closed for good.
        if let Some(sender) = self.watchers.get(topic).filter(|sender| !sender.is_closed()) {
            return sender.new_receiver();
        }
        self.sweep();
        let (mut sender, receiver) = async_broadcast::broadcast(Self::CAPACITY);
        sender.set_overflow(true);
        self.watchers.insert(topic.clone(), sender);
        receiver
    }

    /// Returns a receiver that ends at the shutdown.
    pub(crate) fn until_closed(&self) -> async_broadcast::Receiver<()> {
        self.open.1.activate_cloned()
    }

    /// Ends the receivers of [`until_closed`](Self::until_closed).
    pub(crate) fn close(&self) {
        self.open.0.close();
    }

    /// Removes topics without watchers. The amortised cost per new watch is constant.
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
            // Fails only if nobody watches any more.
            let _ = sender.try_broadcast(change());
        }
    }

    /// Returns the watched topics that one of the patterns matches, without duplicates.
    /// [`Topics`](sse_kit_event::Topics) has no topic that one of its patterns matches, so these
    /// never repeat a look-up by name.
    fn matching(
        &self,
        patterns: &[TopicPattern],
    ) -> impl Iterator<Item = &async_broadcast::Sender<PresenceChange>> {
        let mut prefixes: Vec<_> = patterns.iter().map(TopicPattern::literal_prefix).collect();
        prefixes.sort_unstable();
        // A longer prefix is covered by a shorter prefix of it.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(&**shorter));
        prefixes.into_iter().flat_map(move |prefix| {
            let from = self.watchers.range::<str, _>((Included(prefix), Unbounded));
            let same_prefix = from.take_while(move |(topic, _)| topic.as_str().starts_with(prefix));
            let matches = |topic: &Topic| patterns.iter().any(|pattern| pattern.matches(topic));
            same_prefix.filter(move |(topic, _)| matches(topic)).map(|(_, sender)| sender)
        })
    }
}
