//! No event is handled twice.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;
use crate::step::BoxFuture;

/// Stops events whose key came before, within a time.
///
/// What is stopped is no error: its [`Ending`](crate::Ending) is `Stopped` by `deduplicate`. Events
/// without a key always pass. The time begins with the first event of a key. When that fails, by a
/// [`DispatchError`] or because its dispatch is dropped, it is forgotten, so that it can be tried
/// again; errors of single handlers do not count, as the others have done their work.
///
/// Of a key, 128 bits of a hash are kept. When there are more than [`Deduplicate::keys`], the oldest
/// is forgotten.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_dispatch::{Dispatcher, middleware::Deduplicate};
///
/// let by_id = |event: &sse_kit_dispatch::DomainEvent| event.data().get("id").cloned();
/// Dispatcher::new().middleware(Deduplicate::new(Duration::from_secs(60), by_id));
/// ```
pub struct Deduplicate {
    fingerprint: Box<FingerprintOf>,
    window: Duration,
    keys: usize,
    start: Instant,
    seen: Arc<Mutex<Seen>>,
}

/// Two hashes with keys that nobody knows: that two of them meet is not to be expected, nor to be
/// brought about.
type Fingerprint = [u64; 2];

type FingerprintOf = dyn Fn(&DomainEvent) -> Option<Fingerprint> + Send + Sync;

impl Deduplicate {
    /// Lets one event of each key pass within `window`.
    pub fn new<F, K>(window: Duration, key: F) -> Self
    where
        F: Fn(&DomainEvent) -> Option<K> + Send + Sync + 'static,
        K: Hash,
    {
        let hashers = [RandomState::new(), RandomState::new()];
        let fingerprint = move |event: &DomainEvent| {
            let key = key(event)?;
            Some(hashers.each_ref().map(|hasher| hasher.hash_one(&key)))
        };
        Self {
            fingerprint: Box::new(fingerprint),
            window,
            keys: 4096,
            start: Instant::now(),
            seen: Arc::default(),
        }
    }

    /// How many keys are kept at most. Default: 4096.
    pub fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// None when it was seen already.
    fn claim(&self, fingerprint: Fingerprint) -> Option<Claim> {
        let mut seen = self.seen.lock();
        let number = seen.insert(fingerprint, self.start.elapsed(), self.window, self.keys)?;
        Some(Claim { seen: Arc::clone(&self.seen), fingerprint, number, kept: false })
    }
}

/// What was seen within the time.
#[derive(Debug, Default)]
struct Seen {
    /// The number of each event that was seen.
    numbers: HashMap<Fingerprint, u64>,
    /// When, oldest first; those that are forgotten stay until their turn comes.
    order: VecDeque<(Duration, Fingerprint, u64)>,
    next: u64,
}

impl Seen {
    fn insert(
        &mut self,
        fingerprint: Fingerprint,
        now: Duration,
        window: Duration,
        keys: usize,
    ) -> Option<u64> {
        while let Some(&(then, ..)) = self.order.front()
            && now.saturating_sub(then) >= window
        {
            self.forget_oldest();
        }
        if self.numbers.contains_key(&fingerprint) {
            return None;
        }
        while self.order.len() >= keys.max(1) {
            self.forget_oldest();
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(fingerprint, number);
        self.order.push_back((now, fingerprint, number));
        Some(number)
    }

    fn forget_oldest(&mut self) {
        if let Some((_, fingerprint, number)) = self.order.pop_front() {
            self.forget(fingerprint, number);
        }
    }

    /// Forgets it, unless a later one has come.
    fn forget(&mut self, fingerprint: Fingerprint, number: u64) {
        if self.numbers.get(&fingerprint) == Some(&number) {
            self.numbers.remove(&fingerprint);
        }
    }
}

/// A key that is being handled, which is forgotten when that comes to nothing.
struct Claim {
    seen: Arc<Mutex<Seen>>,
    fingerprint: Fingerprint,
    number: u64,
    kept: bool,
}

impl Claim {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.kept {
            self.seen.lock().forget(self.fingerprint, self.number);
        }
    }
}

impl Middleware for Deduplicate {
    fn call(
        &self,
        event: Arc<DomainEvent>,
        next: Next,
    ) -> BoxFuture<Result<Dispatched, DispatchError>> {
        let Some(fingerprint) = (self.fingerprint)(&event) else {
            return next.run(event);
        };
        let Some(claim) = self.claim(fingerprint) else {
            return Box::pin(async { Ok(Dispatched::stopped(event, "deduplicate")) });
        };
        Box::pin(async move {
            let dispatched = next.run(event).await;
            if dispatched.is_ok() {
                claim.keep();
            }
            dispatched
        })
    }
}

impl fmt::Debug for Deduplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicate")
            .field("window", &self.window)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
