//! A log that delivers at once, and begins a new epoch when the story says so.

use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_broadcast::{Append, AppendError, Appended, BoxFuture, Inlet, InletError, Log};
use sse_kit_event::{Epoch, EventId};

/// A log in memory. What it has delivered, it forgets.
#[derive(Clone, Debug)]
pub(crate) struct ModelLog(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    position: EventId,
    inlet: Option<Inlet>,
    is_closed: bool,
}

impl ModelLog {
    pub(crate) fn new(epoch: Epoch) -> Self {
        let position = EventId::new(epoch, 0);
        Self(Arc::new(Mutex::new(State { position, inlet: None, is_closed: false })))
    }

    /// Begins an epoch that shares everything up to this offset, or nothing.
    pub(crate) fn begin_epoch(&self, epoch: Epoch, shared: Option<u64>) -> Result<(), InletError> {
        let mut state = self.0.lock();
        let Some(inlet) = &state.inlet else { return Err(InletError::Closed) };
        state.position = if let Some(through) = shared {
            inlet.begin_epoch_after(epoch, through)?
        } else {
            let position = EventId::new(epoch, 0);
            inlet.begin_epoch(position)?;
            position
        };
        Ok(())
    }
}

impl Log for ModelLog {
    fn position(&self) -> EventId {
        self.0.lock().position
    }

    fn attach(&self, inlet: Inlet) {
        self.0.lock().inlet = Some(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(self.0.lock().append(append)))
    }

    fn close(&self) {
        self.0.lock().is_closed = true;
    }
}

impl State {
    fn append(&mut self, append: Append) -> Result<Appended, AppendError> {
        let inlet = self.inlet.as_ref().filter(|_| !self.is_closed);
        let inlet = inlet.ok_or(AppendError::Closed)?;
        let id = EventId::new(self.position.epoch(), self.position.offset() + 1);
        inlet.deliver(id, append.record).map_err(|_| AppendError::Closed)?;
        self.position = id;
        Ok(Appended::new(id))
    }
}
