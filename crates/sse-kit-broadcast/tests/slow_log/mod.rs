//! A log that takes its time to answer, as one over a network does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sse_kit_broadcast::{Append, AppendError, Appended, BoxFuture, Inlet, Log, MemoryLog};
use sse_kit_event::{Epoch, EventId};
use tokio::time::sleep;

/// The time that each answer takes.
pub(crate) const DELAY: Duration = Duration::from_secs(1);

/// Appends at once, or not at all, and says so after [`DELAY`].
#[derive(Clone, Debug)]
pub(crate) struct SlowLog {
    inner: Arc<MemoryLog>,
    pub(crate) fails: Arc<AtomicBool>,
}

impl SlowLog {
    pub(crate) fn new() -> Self {
        let inner = Arc::new(MemoryLog::with_epoch(Epoch::new(1)));
        Self { inner, fails: Arc::default() }
    }
}

impl Log for SlowLog {
    fn position(&self) -> EventId {
        self.inner.position()
    }

    fn attach(&self, inlet: Inlet) {
        self.inner.attach(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            if self.fails.load(Ordering::Relaxed) {
                sleep(DELAY).await;
                return Err(AppendError::Unavailable("it is down".into()));
            }
            let appended = self.inner.append(append).await;
            sleep(DELAY).await;
            appended
        })
    }
}
