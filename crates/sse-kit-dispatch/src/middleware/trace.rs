//! Spans and logs.

use std::error::Error;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tracing::Instrument;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;

/// A span `dispatch` of the crate `tracing` around everything after it.
///
/// It logs how long that took and how it ended: at the level debug, and as a warning when the event
/// did not come to its handlers. Handlers that fail are logged without it.
///
/// ```
/// use sse_kit_dispatch::{Dispatcher, middleware::Trace};
///
/// Dispatcher::new().middleware(Trace);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Middleware for Trace {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        let span = tracing::info_span!("dispatch", event_type = %event.full_type());
        let dispatch = async move {
            let start = Instant::now();
            let outcome = next.run(event).await;
            log(&outcome, start);
            outcome
        };
        Box::pin(dispatch.instrument(span))
    }
}

fn log(outcome: &Result<Dispatched, DispatchError>, start: Instant) {
    let elapsed = start.elapsed();
    match outcome {
        Ok(Dispatched { ending, results, errors, .. }) => {
            let (results, errors) = (results.len(), errors.len());
            tracing::debug!(?elapsed, ?ending, results, errors, "dispatched");
        }
        Err(error) => tracing::warn!(?elapsed, error = error as &dyn Error, "not dispatched"),
    }
}
