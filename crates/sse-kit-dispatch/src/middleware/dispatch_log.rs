//! Logs of dispatches.

use std::error::Error;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::event_type::EventType;

/// A log of how long everything after it took and how it ended: at the level debug, and as a warning
/// when the event did not come to its handlers.
///
/// The dispatcher has a span `sse.dispatch` around it, and logs handlers that fail, without it.
///
/// ```
/// use sse_kit_dispatch::{Dispatcher, middleware::DispatchLog};
///
/// Dispatcher::new().middleware(DispatchLog);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DispatchLog;

impl Middleware for DispatchLog {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        Box::pin(async move {
            let (start, event_type) = (Instant::now(), event.full_type().clone());
            let outcome = next.run(event).await;
            log(&event_type, &outcome, start);
            outcome
        })
    }
}

fn log(event_type: &EventType, outcome: &Result<Dispatched, DispatchError>, start: Instant) {
    let elapsed = start.elapsed();
    match outcome {
        Ok(Dispatched { ending, results, errors, .. }) => {
            let (results, errors) = (results.len(), errors.len());
            tracing::debug!(?elapsed, ?ending, results, errors, %event_type, "dispatched");
        }
        Err(error) => {
            let error = error as &dyn Error;
            tracing::warn!(?elapsed, error, %event_type, "not dispatched");
        }
    }
}
