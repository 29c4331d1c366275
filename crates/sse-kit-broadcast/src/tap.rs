//! Everything that is published, for those few who want all of it.

use std::sync::Arc;

use crate::entry::Entry;
use crate::ring::RingMessage;

/// Reads all events of the log, whatever their topic: for inspectors, bridges and tests.
///
/// An event that waits for a tap is kept in memory, up to [`HubBuilder::log_buffer`] of them.
///
/// [`HubBuilder::log_buffer`]: crate::HubBuilder::log_buffer
#[derive(Debug)]
pub struct Tap {
    ring: async_broadcast::Receiver<RingMessage>,
    closed: bool,
}

impl Tap {
    /// A tap that is `closed` from the start never sees the message that would close it.
    pub(crate) fn new(ring: async_broadcast::Receiver<RingMessage>, closed: bool) -> Self {
        Self { ring, closed }
    }

    /// The next event.
    ///
    /// # Errors
    ///
    /// [`TapError::Lagged`] when events came faster than they were read; reading goes on with the
    /// oldest that is still there. [`TapError::Closed`] when the hub has shut down or is
    /// gone, and all that was published before is read.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
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

/// Why a tap has no next event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TapError {
    /// Events were missed.
    #[error("the tap missed {missed} events")]
    Lagged {
        /// How many, heartbeats included.
        missed: u64,
    },
    /// The hub has shut down or is gone.
    #[error("the hub has shut down")]
    Closed,
}
