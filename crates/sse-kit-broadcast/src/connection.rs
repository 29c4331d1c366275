//! An open stream on the server's side.

use std::any::Any;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use sse_kit_event::{ConnectionId, Topics};
use tokio::time::Instant;

use crate::connection_stats::ConnectionStats;
use crate::ending::ConnectionState;
use crate::lists::{ListId, Place};
use crate::queue::Queue;

/// The metadata of a connection: a value of a type of the app's.
#[derive(Default)]
pub(crate) struct Metadata(Option<Box<dyn Any + Send + Sync>>);

impl Metadata {
    pub(crate) fn new(value: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(value)))
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Metadata(..)" } else { "Metadata(none)" })
    }
}

/// An open stream: its id, its subscription, and its state.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: ConnectionId,
    /// The sequence number of the connection, unique on this node and increasing.
    pub(crate) number: u64,
    pub(crate) topics: Topics,
    pub(crate) metadata: Metadata,
    pub(crate) connected_at: SystemTime,
    /// The number of its shard; `places` has its places in the lists of the shard.
    pub(crate) shard: usize,
    pub(crate) places: OnceLock<Box<[Place]>>,
    pub(crate) left: AtomicBool,
    pub(crate) queue: Mutex<Queue>,
}

impl Connection {
    /// Returns the id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// Returns the topics and patterns of the subscription.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Returns the metadata that the app attached to the subscription, if it is of this type.
    ///
    /// ```
    /// # use sse_kit_broadcast::Hub;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(Debug, PartialEq)]
    /// struct User(u64);
    ///
    /// let page = Hub::new().subscribe("news".parse::<sse_kit_event::Topic>()?).metadata(User(7)).open()?;
    /// assert_eq!(page.connection().metadata(), Some(&User(7)));
    /// assert_eq!(page.connection().metadata::<String>(), None);
    /// # Ok(()) }
    /// ```
    pub fn metadata<T: 'static>(&self) -> Option<&T> {
        self.metadata.0.as_deref().and_then(|metadata| (metadata as &dyn Any).downcast_ref())
    }

    /// Returns the time at which the connection opened.
    pub fn connected_at(&self) -> SystemTime {
        self.connected_at
    }

    /// Returns the current state.
    pub fn state(&self) -> ConnectionState {
        if self.left.load(Ordering::Acquire) {
            return ConnectionState::Closed;
        }
        self.queue.lock().state()
    }

    /// Returns the number of events that the connection has taken from its queue.
    pub fn messages_sent(&self) -> u64 {
        self.queue.lock().stats().sent
    }

    /// Returns the time of the last event that entered the queue, or the time at which the
    /// connection opened.
    pub fn last_activity(&self) -> Instant {
        self.queue.lock().last_activity()
    }

    /// Returns the state, the queue and the progress, as of one moment.
    pub fn stats(&self) -> ConnectionStats {
        let left = self.left.load(Ordering::Acquire);
        let stats = self.queue.lock().stats();
        if left { ConnectionStats { state: ConnectionState::Closed, ..stats } } else { stats }
    }

    /// Returns the lists that contain the connection.
    pub(crate) fn lists(&self) -> impl Iterator<Item = ListId> {
        self.places.get().into_iter().flatten().map(|place| place.list)
    }

    /// Returns the place of the connection in a list, if the list contains it.
    pub(crate) fn place(&self, list: ListId) -> Option<&Place> {
        self.places.get().into_iter().flatten().find(|place| place.list == list)
    }
}
