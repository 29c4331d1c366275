//! One open stream, as the server sees it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_event::{ConnectionId, Topics};
use tokio::time::Instant;

use crate::ending::ConnectionState;
use crate::lists::{ListId, Place};
use crate::queue::Queue;

/// One open stream: who it is, what it subscribes to, and how it fares.
#[derive(Debug)]
pub struct Connection {
    pub(crate) id: ConnectionId,
    /// Its number: of two connections of a node the newer one has the higher.
    pub(crate) number: u64,
    pub(crate) topics: Topics,
    pub(crate) metadata: Value,
    pub(crate) connected_at: SystemTime,
    /// Which shard serves it, and where it stands in the shard's lists.
    pub(crate) shard: usize,
    pub(crate) places: OnceLock<Box<[Place]>>,
    pub(crate) left: AtomicBool,
    pub(crate) queue: Mutex<Queue>,
}

impl Connection {
    /// Its id.
    pub fn id(&self) -> &ConnectionId {
        &self.id
    }

    /// What it subscribes to.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// What the app noted when it subscribed; `null` when that was nothing.
    pub fn metadata(&self) -> &Value {
        &self.metadata
    }

    /// When it was opened.
    pub fn connected_at(&self) -> SystemTime {
        self.connected_at
    }

    /// How it fares just now.
    pub fn state(&self) -> ConnectionState {
        if self.left.load(Ordering::Acquire) {
            return ConnectionState::Closed;
        }
        self.queue.lock().state()
    }

    /// How many events it has taken from its queue.
    pub fn messages_sent(&self) -> u64 {
        self.queue.lock().taken_events()
    }

    /// When something was last put into its queue, and otherwise when it was opened.
    pub fn last_activity(&self) -> Instant {
        self.queue.lock().last_activity()
    }

    /// The lists that the connection stands in.
    pub(crate) fn lists(&self) -> impl Iterator<Item = ListId> {
        self.places.get().into_iter().flatten().map(|place| place.list)
    }

    /// The place of the connection in a list that it stands in.
    pub(crate) fn place(&self, list: ListId) -> Option<&Place> {
        self.places.get().into_iter().flatten().find(|place| place.list == list)
    }
}
