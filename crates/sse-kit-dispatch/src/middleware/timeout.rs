//! A time limit for each event.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;

/// A time limit: drops everything after it when that takes too long, and fails with
/// [`DispatchError::TimedOut`].
///
/// The results of handlers that were done are lost with it. A handler that blocks its thread cannot
/// be dropped before it is done. The limit needs a Tokio runtime with time enabled, and fails without
/// one.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_dispatch::{Dispatcher, middleware::Timeout};
///
/// Dispatcher::new().middleware(Timeout::new(Duration::from_secs(5)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    after: Duration,
}

impl Timeout {
    /// Sets the time that each event is given.
    pub fn new(after: Duration) -> Self {
        Self { after }
    }
}

impl Middleware for Timeout {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        let after = self.after;
        Box::pin(async move {
            let in_time = tokio::time::timeout(after, next.run(event)).await;
            in_time.unwrap_or(Err(DispatchError::TimedOut { after }))
        })
    }
}
