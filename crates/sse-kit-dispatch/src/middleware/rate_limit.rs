//! No type of event comes too often.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::event_type::EventType;
use crate::step::BoxFuture;

/// Lets so many events of each full type pass in a time, and fails with
/// [`DispatchError::RateLimited`] for those that are too many.
///
/// It is a token bucket for each type: all may come at once, and room for another one is made at an
/// even pace. A type that has all its room again takes no memory. When there are more types than
/// [`RateLimit::types`], those that are new share one bucket, until there is room.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::time::Duration;
/// use sse_kit_dispatch::{Dispatcher, middleware::RateLimit};
///
/// let ten = NonZeroU32::new(10).expect("not zero");
/// Dispatcher::new().middleware(RateLimit::new(ten, Duration::from_secs(1)));
/// ```
#[derive(Debug)]
pub struct RateLimit {
    /// How long it takes to make room for one event.
    interval: Duration,
    per: Duration,
    types: usize,
    start: Instant,
    buckets: Mutex<Buckets>,
}

impl RateLimit {
    /// Lets `events` of each type pass at once, and as many in each `per` after that. A `per` of
    /// zero sets no limit.
    pub fn new(events: NonZeroU32, per: Duration) -> Self {
        Self {
            interval: per / events.get(),
            per,
            types: 1024,
            start: Instant::now(),
            buckets: Mutex::default(),
        }
    }

    /// For how many types at most it keeps count. Default: 1024.
    pub fn types(self, types: usize) -> Self {
        Self { types, ..self }
    }

    /// Takes room for one event, or says when there will be some.
    fn take(&self, event_type: &EventType) -> Result<(), Duration> {
        let now = self.start.elapsed();
        let mut buckets = self.buckets.lock();
        let full_again = buckets.of(event_type, now, self);
        let after = (*full_again).max(now).saturating_add(self.interval);
        let too_soon = after.saturating_sub(now).saturating_sub(self.per);
        if too_soon.is_zero() {
            *full_again = after;
            Ok(())
        } else {
            Err(too_soon)
        }
    }
}

/// When each bucket is full again, as time since the start: that says all there is to a bucket.
#[derive(Debug, Default)]
struct Buckets {
    by_type: HashMap<EventType, Duration>,
    /// Of all types for which there is no room.
    others: Duration,
    swept: Duration,
}

impl Buckets {
    fn of(&mut self, event_type: &EventType, now: Duration, limit: &RateLimit) -> &mut Duration {
        if !self.by_type.contains_key(event_type) {
            if self.by_type.len() >= limit.types && now >= self.swept.saturating_add(limit.interval)
            {
                // Not more often, or each event of a flood of types would look at all of them.
                self.swept = now;
                self.by_type.retain(|_, full_again| *full_again > now);
            }
            if self.by_type.len() >= limit.types {
                return &mut self.others;
            }
        }
        self.by_type.entry(event_type.clone()).or_default()
    }
}

impl Middleware for RateLimit {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<Result<Dispatched, DispatchError>> {
        match self.take(event.full_type()) {
            Ok(()) => next.run(event),
            Err(retry_after) => {
                let event_type = event.full_type().clone();
                Box::pin(async move { Err(DispatchError::RateLimited { event_type, retry_after }) })
            }
        }
    }
}
