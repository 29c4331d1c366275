//! Events that came before.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;

/// A filter for events whose key came before, within a time.
///
/// An event that is stopped is no error: its [`Ending`](crate::Ending) is `Stopped` by `deduplicate`.
/// Events without a key always pass. The time begins with the first event of a key. When that event
/// fails, by a [`DispatchError`] or because its dispatch is dropped, its key is forgotten, so that the
/// event can be tried again. Errors of single handlers do not count, as the others have done their
/// work.
///
/// The middleware keeps 128 bits of a hash for each key. Beyond [`Deduplicate::keys`] it forgets the
/// oldest.
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

/// Two hashes with secret keys, so that nobody can bring about a collision.
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

    /// Sets how many keys are kept at most. Default: 4096.
    pub fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// Claims a key; `None` when it was seen already.
    fn claim(&self, fingerprint: Fingerprint) -> Option<Claim> {
        let mut seen = self.seen.lock();
        let number = seen.insert(fingerprint, self.start.elapsed(), self.window, self.keys)?;
        Some(Claim { seen: Arc::clone(&self.seen), fingerprint, number, kept: false })
    }
}

/// The keys that were seen within the time.
#[derive(Debug, Default)]
struct Seen {
    /// The number of each event that was seen.
    numbers: HashMap<Fingerprint, u64>,
    /// The times, oldest first; keys that are forgotten stay until their turn comes.
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

    /// Forgets a key, unless a later event has claimed it.
    fn forget(&mut self, fingerprint: Fingerprint, number: u64) {
        if self.numbers.get(&fingerprint) == Some(&number) {
            self.numbers.remove(&fingerprint);
        }
    }
}

/// A key whose event is being handled. It is forgotten when that fails.
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
    ) -> BoxFuture<'static, Result<Dispatched, DispatchError>> {
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
