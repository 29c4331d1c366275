//! The in-memory log of one process.

use std::future;

use futures_core::future::BoxFuture;
use parking_lot::Mutex;
use sse_kit_event::{Epoch, EventId, RandomError};
use tokio::time::Instant;

use crate::idempotency_window::{IdempotencyWindow, PublishedBefore};
use crate::inlet::Inlet;
use crate::log::{AppendError, Appended, Log};
use crate::log_status::{LogHealth, LogStats};
use crate::record::{Append, Once};

/// The log of a hub in a single process. It assigns ids and delivers synchronously.
///
/// It stores no records itself; clients resume from the hub's history. Its epoch is random, so a
/// client that reconnects after a restart receives a gap.
///
/// ```
/// use sse_kit_broadcast::{Hub, MemoryLog};
/// use sse_kit_event::Epoch;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a test: ids that are the same in each run.
/// let hub = Hub::builder().log(MemoryLog::with_epoch(Epoch::new(0x5f))).build()?;
/// assert_eq!(hub.cursor().to_string(), "5f-0");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MemoryLog {
    epoch: Epoch,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    appended: u64,
    is_closed: bool,
    keys: IdempotencyWindow,
    inlet: Option<Inlet>,
}

impl MemoryLog {
    /// Creates an empty log with a random epoch.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the operating system provides no random number.
    pub fn new() -> Result<Self, RandomError> {
        Epoch::random().map(Self::with_epoch)
    }

    /// Creates an empty log with a fixed epoch, for tests that need reproducible ids.
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

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        // Deliver under the lock, so that the delivery order equals the order of the offsets.
        Box::pin(future::ready(self.state.lock().append(self.epoch, append)))
    }

    fn health(&self) -> LogHealth {
        if self.state.lock().is_closed { LogHealth::Closed } else { LogHealth::Up }
    }

    fn stats(&self) -> LogStats {
        LogStats { appended: self.state.lock().appended, ..LogStats::default() }
    }

    fn close(&self) {
        self.state.lock().is_closed = true;
    }
}

impl State {
    fn append(&mut self, epoch: Epoch, append: Append) -> Result<Appended, AppendError> {
        let Append { record, follow_ups, once, expected } = append;
        if let Some(offset) = once.as_ref().map_or(Ok(None), |once| self.repeated(once))? {
            let id = EventId::new(epoch, offset);
            return Ok(Appended { id, receivers: Some(0), repeated: true });
        }
        let inlet = self.inlet.as_ref().ok_or(AppendError::Closed)?;
        if let Some(expected) = expected {
            let newest = inlet.newest(&record.audience).map_err(|_| AppendError::Closed)?;
            let known = expected.epoch() == epoch && expected.offset() <= self.last;
            if !known || newest.offset() > expected.offset() {
                return Err(AppendError::Conflict { expected, newest });
            }
        }
        // The log assigns the offsets itself, so the record is in order; only a closed hub rejects
        // it.
        let id = EventId::new(epoch, self.last + 1);
        let records = 1 + follow_ups.len() as u64;
        let delivered = inlet.deliver_with(id, record, follow_ups);
        let receivers = delivered.map_err(|_| AppendError::Closed)?;
        self.last += records;
        self.appended += 1;
        if let Some(once) = once {
            self.keys.remember(once, id.offset(), Instant::now());
        }
        Ok(Appended { id, receivers: Some(receivers), repeated: false })
    }

    /// Returns the offset of an earlier append of the same publish.
    fn repeated(&mut self, once: &Once) -> Result<Option<u64>, AppendError> {
        match self.keys.find(once, Instant::now()) {
            PublishedBefore::No => Ok(None),
            PublishedBefore::At(offset) => Ok(Some(offset)),
            PublishedBefore::WithOtherContent => {
                Err(AppendError::KeyReused { key: once.key.clone() })
            }
        }
    }
}
