//! What is done can be watched.

use std::error::Error;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::Instrument;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::step::BoxFuture;

/// Puts a span `dispatch` of the crate `tracing` around what comes after it, and tells how long
/// that took and how it ended: at the level debug when all went well, and as a warning for each
/// error, those of handlers included.
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
    ) -> BoxFuture<Result<Dispatched, DispatchError>> {
        let span = tracing::info_span!("dispatch", event_type = %event.full_type());
        let dispatch = async move {
            let start = Instant::now();
            let outcome = next.run(event).await;
            tell(&outcome, start);
            outcome
        };
        Box::pin(dispatch.instrument(span))
    }
}

fn tell(outcome: &Result<Dispatched, DispatchError>, start: Instant) {
    let elapsed = start.elapsed();
    match outcome {
        Ok(Dispatched { ending, results, errors, .. }) => {
            for error in errors {
                tracing::warn!(error = error as &dyn Error, "a handler failed");
            }
            let (results, errors) = (results.len(), errors.len());
            tracing::debug!(?elapsed, ?ending, results, errors, "dispatched");
        }
        Err(error) => tracing::warn!(?elapsed, error = error as &dyn Error, "not dispatched"),
    }
}
