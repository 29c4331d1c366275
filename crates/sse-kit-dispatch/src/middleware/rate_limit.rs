//! A rate limit for each type of event.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::event_type::EventType;

/// A rate limit: so many events of each full type in a time. The others fail with
/// [`DispatchError::RateLimited`].
///
/// Each type has a token bucket: all events may come at once, and room for another is made at an even
/// pace. A type whose bucket is full again takes no memory. Beyond [`RateLimit::types`] types, new ones
/// share one bucket until there is room.
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
    /// The time until there is room for one more event.
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

    /// Sets how many types have a bucket of their own at most. Default: 1024. With 0, all types share
    /// one bucket.
    pub fn types(self, types: usize) -> Self {
        Self { types, ..self }
    }

    /// Takes room for one event, or returns the time until there is some.
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

/// The time at which each bucket is full again, since the start: a bucket needs no more state.
#[derive(Debug, Default)]
struct Buckets {
    by_type: HashMap<EventType, Duration>,
    /// The bucket of all types for which there is no room.
    others: Duration,
    swept: Duration,
}

impl Buckets {
    fn of(&mut self, event_type: &EventType, now: Duration, limit: &RateLimit) -> &mut Duration {
        let is_new = !self.by_type.contains_key(event_type);
        let is_crowded = is_new && self.by_type.len() >= limit.types;
        // Not more often, or each event of a flood of types would look at all of them.
        let pause = if is_crowded { limit.interval } else { limit.per };
        if now >= self.swept.saturating_add(pause) {
            self.swept = now;
            self.by_type.retain(|_, full_again| *full_again > now);
        }
        if is_new && self.by_type.len() >= limit.types {
            return &mut self.others;
        }
        // A type that shared a bucket takes over its level: it does not get all its room again.
        self.by_type.entry(event_type.clone()).or_insert(self.others)
    }
}

impl Middleware for RateLimit {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
        match self.take(event.full_type()) {
            Ok(()) => next.run(event),
            Err(retry_after) => {
                let event_type = event.full_type().clone();
                Box::pin(async move { Err(DispatchError::RateLimited { event_type, retry_after }) })
            }
        }
    }
}
