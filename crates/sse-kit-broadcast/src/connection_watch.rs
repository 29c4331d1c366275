//! Watches what happens to the connections of a hub.

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_broadcast::{InactiveReceiver, Receiver, Sender};
use sse_kit_event::control::Gap;

use crate::connection::Connection;
use crate::ending::CloseReason;
use crate::recv_error::RecvError;

/// Something that happened to a connection, as [`ConnectionWatch`] reports it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// The connection opened.
    Opened(Arc<Connection>),
    /// The connection took a gap from its queue: its client misses events. It is reported after the
    /// queue is unlocked, so it may follow the [`Closed`](Self::Closed) of a connection that another
    /// task ends at that moment.
    Gap(Arc<Connection>, Gap),
    /// The connection closed.
    Closed(Arc<Connection>, CloseReason),
}

/// A watch of all connections of a hub: see [`Hub::watch_connections`](crate::Hub::watch_connections).
pub struct ConnectionWatch {
    events: Receiver<ConnectionEvent>,
}

impl ConnectionWatch {
    /// The number of events that wait for a slow watcher; beyond it the oldest is dropped.
    pub const CAPACITY: usize = 1024;

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`RecvError::Lagged`] if the oldest events were dropped because they were not read in time;
    /// the next call continues with the oldest remaining one. [`RecvError::Closed`] if the hub is
    /// gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<ConnectionEvent, RecvError> {
        self.events.recv_direct().await.map_err(|error| match error {
            async_broadcast::RecvError::Overflowed(missed) => RecvError::Lagged { missed },
            async_broadcast::RecvError::Closed => RecvError::Closed,
        })
    }
}

impl fmt::Debug for ConnectionWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionWatch").field("waiting", &self.events.len()).finish()
    }
}

/// The channel to the watchers. The first watch creates it; before, an event costs one comparison.
#[derive(Debug, Default)]
pub(crate) struct ConnectionWatchers(OnceLock<Channel>);

#[derive(Debug)]
struct Channel {
    sender: Sender<ConnectionEvent>,
    /// Keeps the channel open while nobody watches.
    _open: InactiveReceiver<ConnectionEvent>,
}

impl ConnectionWatchers {
    pub(crate) fn watch(&self) -> ConnectionWatch {
        let channel = self.0.get_or_init(|| {
            let (mut sender, receiver) = async_broadcast::broadcast(ConnectionWatch::CAPACITY);
            sender.set_overflow(true);
            Channel { sender, _open: receiver.deactivate() }
        });
        ConnectionWatch { events: channel.sender.new_receiver() }
    }

    pub(crate) fn tell(&self, event: impl FnOnce() -> ConnectionEvent) {
        if let Some(channel) = self.0.get()
            && channel.sender.receiver_count() > 0
        {
            // Fails only if the last watcher has just gone.
            let _ = channel.sender.try_broadcast(event());
        }
    }
}
