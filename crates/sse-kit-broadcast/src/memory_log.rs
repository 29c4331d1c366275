//! A log in the memory of one process.

use std::future;

use parking_lot::Mutex;
use sse_kit_event::{Epoch, EventId};

use crate::log::{AppendError, Appended, BoxFuture, Inlet, Log, Record};
use crate::recent::Recent;

/// The log of a hub that is one process: a counter, and a direct way back.
///
/// It keeps no records of its own: what can be replayed is what the broadcaster's history holds. Its
/// epoch is made at random, so that a client which comes back after a restart is told of the gap.
#[derive(Debug)]
pub struct MemoryLog {
    epoch: Epoch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    recent: Recent,
    inlet: Option<Inlet>,
}

impl MemoryLog {
    /// An empty log.
    ///
    /// # Errors
    ///
    /// When the operating system has no random number for the epoch.
    pub fn new() -> Result<Self, getrandom::Error> {
        Ok(Self::with_epoch(Epoch::new(getrandom::u64()?)))
    }

    /// An empty log of a known epoch, for tests that want the same ids each time.
    pub fn with_epoch(epoch: Epoch) -> Self {
        Self { epoch, state: Mutex::default() }
    }
}

impl Log for MemoryLog {
    fn position(&self) -> EventId {
        EventId::new(self.epoch, self.state.lock().last)
    }

    fn attach(&self, inlet: Inlet) {
        self.state.lock().inlet = Some(inlet);
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<Appended, AppendError>> {
        // Delivered under the lock: that makes the order of delivery the order of the offsets.
        let mut state = self.state.lock();
        if let Some(offset) = record.once.as_ref().and_then(|key| state.recent.find(key)) {
            let id = EventId::new(self.epoch, offset);
            return Box::pin(future::ready(Ok(Appended { id, receivers: Some(0) })));
        }
        let once = record.once.clone();
        let id = EventId::new(self.epoch, state.last + 1);
        let delivered = state.inlet.as_ref().map(|inlet| inlet.deliver(id, record));
        let appended = match delivered {
            Some(Ok(receivers)) => {
                state.last = id.offset();
                if let Some(key) = once {
                    state.recent.remember(key, id.offset());
                }
                Ok(Appended { id, receivers: Some(receivers) })
            }
            // It counts by itself, so what it hands in always follows.
            Some(Err(_)) | None => Err(AppendError::Closed),
        };
        Box::pin(future::ready(appended))
    }
}
