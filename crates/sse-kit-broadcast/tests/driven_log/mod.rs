//! A log whose way back is in the hands of the test.

use std::sync::{Arc, Mutex};

use sse_kit_broadcast::{Append, AppendError, Appended, BoxFuture, Inlet, Log, Record};
use sse_kit_event::{Audience, Epoch, Event, EventId};

/// A shared log that takes nothing: what it delivers, the test does.
#[derive(Clone, Debug)]
pub(crate) struct DrivenLog {
    position: EventId,
    /// Not one of `parking_lot`, as it is no part of what shuttle tries in every order.
    inlet: Arc<Mutex<Option<Inlet>>>,
}

impl DrivenLog {
    pub(crate) fn at(position: EventId) -> Self {
        Self { position, inlet: Arc::default() }
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&Inlet) -> T) -> T {
        let inlet = self.inlet.lock().expect("nobody panicked");
        act(inlet.as_ref().expect("it was attached"))
    }
}

impl Log for DrivenLog {
    fn position(&self) -> EventId {
        self.position
    }

    fn attach(&self, inlet: Inlet) {
        *self.inlet.lock().expect("nobody panicked") = Some(inlet);
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }

    fn is_shared(&self) -> bool {
        true
    }
}

pub(crate) fn id(epoch: u64, offset: u64) -> EventId {
    EventId::new(Epoch::new(epoch), offset)
}

pub(crate) fn record(audience: impl Into<Audience>, data: &str) -> Record {
    Record::new(audience, Event::new(data).encode())
}
