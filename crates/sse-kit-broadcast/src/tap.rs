//! Taps: read everything that is published.

use std::sync::Arc;

use crate::entry::Entry;
use crate::recv_error::RecvError;
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
    /// [`RecvError::Lagged`] if the oldest events were dropped because they were not read in time;
    /// the next call continues with the oldest remaining one. [`RecvError::Closed`] if the hub has
    /// shut down or is gone, after everything published before was read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Result<Arc<Entry>, RecvError> {
        while !self.closed {
            match self.ring.recv_direct().await {
                Ok(RingMessage::Entry(entry, _)) => return Ok(entry),
                Ok(
                    RingMessage::Unlogged(_) | RingMessage::Heartbeat(_) | RingMessage::Drained(_),
                ) => {}
                Ok(RingMessage::End(_)) => self.closed = true,
                Err(async_broadcast::RecvError::Overflowed(missed)) => {
                    return Err(RecvError::Lagged { missed });
                }
                Err(async_broadcast::RecvError::Closed) => break,
            }
        }
        Err(RecvError::Closed)
    }
}
