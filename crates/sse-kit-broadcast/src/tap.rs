//! Everything that is published, for those few who want all of it.

use std::sync::Arc;

use crate::entry::Entry;
use crate::shard::Signal;

/// Reads all events of the log, whatever their topic: for inspectors, bridges and tests.
///
/// An event that waits for a tap is kept in memory, up to [`Builder::log_buffer`] of them.
///
/// [`Builder::log_buffer`]: crate::Builder::log_buffer
#[derive(Debug)]
pub struct Tap {
    pub(crate) signals: async_broadcast::Receiver<Signal>,
}

impl Tap {
    /// The next event.
    ///
    /// # Errors
    ///
    /// [`TapError::Lagged`] when events came faster than they were read; reading goes on with the
    /// oldest that is still there. [`TapError::Closed`] when the broadcaster is gone.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Result<Arc<Entry>, TapError> {
        use async_broadcast::RecvError;
        loop {
            match self.signals.recv_direct().await {
                Ok(Signal::Entry(entry, _)) => return Ok(entry),
                Ok(
                    Signal::Local(..) | Signal::Heartbeat | Signal::LookBack(_) | Signal::End(_),
                ) => {}
                Err(RecvError::Overflowed(missed)) => return Err(TapError::Lagged { missed }),
                Err(RecvError::Closed) => return Err(TapError::Closed),
            }
        }
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
    /// The broadcaster is gone.
    #[error("the broadcaster is gone")]
    Closed,
}
