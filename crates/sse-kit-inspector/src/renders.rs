//! The renders at one time.

use sse_kit_http::{Permit, Quota, QuotaError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The maximum number of pages that are rendered at a time.
const AT_A_TIME: usize = 2;

/// The maximum number of requests that are answered or wait for their turn; others are refused.
const MAX_REQUESTS: usize = 16;

/// The renders at one time, of requests and of open pages.
#[derive(Debug)]
pub(crate) struct Renders {
    turns: Semaphore,
    requests: Quota,
}

impl Renders {
    pub(crate) fn new() -> Self {
        Self { turns: Semaphore::new(AT_A_TIME), requests: Quota::new().total(MAX_REQUESTS) }
    }

    /// Counts a request until the permit is dropped.
    pub(crate) fn admit(&self) -> Result<Permit, QuotaError> {
        self.requests.admit("viewer")
    }

    /// Waits for a turn. The order is that of the calls, so requests cannot keep an open page out.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }
}
