//! Taps: read everything that is published.

use std::sync::Arc;

use crate::entry::Entry;
use crate::ring::RingMessage;

/// A reader of all events of the log, on all topics: for inspectors, bridges and tests.
///
/// The hub keeps up to [`HubBuilder::log_buffer`] events for a tap that is behind.
///
/// [`HubBuilder::log_buffer`]: crate::HubBuilder::log_buffer
#[derive(Debug)]
pub struct Tap {
    ring: async_broadcast::Receiver<RingMessage>,
    closed: bool,
}

impl Tap {
    /// Creates a tap. If the hub is already closed, the message that would end the tap was sent
    /// before, so `closed` ends it.
    pub(crate) fn new(ring: async_broadcast::Receiver<RingMessage>, closed: bool) -> Self {
        Self { ring, closed }
    }

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// [`TapError::Lagged`] if the oldest events were dropped because they were not read in time;
    /// the next call continues with the oldest remaining one. [`TapError::Closed`] if the hub has
    /// shut down or is gone, after everything published before was read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<Arc<Entry>, TapError> {
        use async_broadcast::RecvError;
        while !self.closed {
            match self.ring.recv_direct().await {
                Ok(RingMessage::Entry(entry, _)) => return Ok(entry),
                Ok(
                    RingMessage::Unlogged(_) | RingMessage::Heartbeat(_) | RingMessage::Drained(_),
                ) => {}
                Ok(RingMessage::End(_)) => self.closed = true,
                Err(RecvError::Overflowed(missed)) => return Err(TapError::Lagged { missed }),
                Err(RecvError::Closed) => break,
            }
        }
        Err(TapError::Closed)
    }
}

/// The reason why a tap has no next event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TapError {
    /// The tap missed events.
    #[error("the tap missed {missed} events; read faster, or raise `log_buffer`")]
    Lagged {
        /// The number of missed messages, including heartbeats.
        missed: u64,
    },
    /// The hub has shut down or is gone.
    #[error("the hub has shut down")]
    Closed,
}
