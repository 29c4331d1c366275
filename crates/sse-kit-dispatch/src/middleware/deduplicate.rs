//! Events that came before.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Middleware, Next};
use crate::dispatch::DispatchError;
use crate::dispatched::Dispatched;
use crate::event::DomainEvent;

/// A filter for events whose key came before, within a time.
///
/// An event that is stopped is no error: its [`Ending`](crate::Ending) is `Stopped` by `deduplicate`.
/// Events without a key always pass. The time begins when the first event of a key was handled.
///
/// While an event is handled, others with its key wait for it, up to [`Deduplicate::wait`]. When it
/// succeeds they are stopped. When it fails, by a [`DispatchError`] or because its dispatch is dropped,
/// the next of them is handled in its place. The same holds when what follows the dispatch fails: see
/// [`Dispatcher::dispatch_then`](crate::Dispatcher::dispatch_then). Errors of single handlers do not
/// count, as the others have done their work.
///
/// The middleware keeps 128 bits of a hash for each key. Beyond [`Deduplicate::keys`] it forgets the
/// oldest. Only events that were handled take room.
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
    wait: Duration,
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
            wait: Duration::from_secs(5),
            start: Instant::now(),
            seen: Arc::default(),
        }
    }

    /// Sets how many keys are kept at most, at least one: 0 acts as 1. Default: 4096.
    pub fn keys(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    /// Sets how long an event waits for another with its key that is being handled. After that it
    /// fails with [`DispatchError::InFlight`]. Default: 5 s. A handler that dispatches an event with
    /// the key of its own waits for itself, until it gets that error.
    ///
    /// Waiting needs a Tokio runtime with time enabled. Without one, an event that must wait panics, which
    /// is a [`DispatchError::Middleware`].
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

/// The keys that were seen within the time.
#[derive(Debug, Default)]
struct Seen {
    /// The keys of events that were handled.
    handled: HashSet<Fingerprint>,
    /// The same, with the times at which they were handled, oldest first.
    order: VecDeque<(Duration, Fingerprint)>,
    /// The keys of events that are being handled. The channel closes when that is over.
    in_flight: HashMap<Fingerprint, watch::Receiver<()>>,
}

impl Seen {
    fn forget_before(&mut self, now: Duration, window: Duration) {
        while let Some(&(then, _)) = self.order.front()
            && now.saturating_sub(then) >= window
        {
            self.forget_oldest();
        }
    }

    fn insert(&mut self, fingerprint: Fingerprint, now: Duration, keys: usize) {
        while self.order.len() >= keys.max(1) {
            self.forget_oldest();
        }
        self.handled.insert(fingerprint);
        self.order.push_back((now, fingerprint));
    }

    fn forget_oldest(&mut self) {
        if let Some((_, fingerprint)) = self.order.pop_front() {
            self.handled.remove(&fingerprint);
        }
    }
}

/// The part of the middleware that a dispatch takes with it.
#[derive(Clone)]
struct Keeper {
    seen: Arc<Mutex<Seen>>,
    window: Duration,
    keys: usize,
    start: Instant,
}

/// The state of a key for an event that has it.
enum Key {
    /// The event is the one to be handled.
    Claimed(Claim),
    Handled,
    InFlight(watch::Receiver<()>),
}

impl Keeper {
    fn claim(&self, fingerprint: Fingerprint) -> Key {
        let mut seen = self.seen.lock();
        seen.forget_before(self.start.elapsed(), self.window);
        if seen.handled.contains(&fingerprint) {
            return Key::Handled;
        }
        if let Some(over) = seen.in_flight.get(&fingerprint) {
            let mut over = over.clone();
            over.mark_unchanged();
            return Key::InFlight(over);
        }
        let (over, waiting) = watch::channel(());
        seen.in_flight.insert(fingerprint, waiting);
        drop(seen);
        Key::Claimed(Claim { keeper: self.clone(), fingerprint, succeeded: false, over })
    }
}

/// The key of an event that is being handled. Dropped without success, it makes room for the next.
struct Claim {
    keeper: Keeper,
    fingerprint: Fingerprint,
    succeeded: bool,
    /// Dropped last, after the key is free: then the events that wait look again.
    over: watch::Sender<()>,
}

impl Claim {
    fn is_of(&self, keeper: &Keeper, fingerprint: Fingerprint) -> bool {
        self.fingerprint == fingerprint && Arc::ptr_eq(&self.keeper.seen, &keeper.seen)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut seen = self.keeper.seen.lock();
        seen.in_flight.remove(&self.fingerprint);
        if self.succeeded {
            seen.insert(self.fingerprint, self.keeper.start.elapsed(), self.keeper.keys);
        }
    }
}

/// The claims of one dispatch that passed their middleware. They stand until the whole dispatch has
/// succeeded or failed. `None` when it is over.
#[derive(Clone)]
pub(crate) struct Claims(Arc<Mutex<Option<Vec<Claim>>>>);

impl Claims {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    fn keep(&self, mut claim: Claim) {
        let over = claim.over.clone();
        if let Some(claims) = &mut *self.0.lock() {
            claims.push(claim);
        } else {
            // The rest of the way was run by a task that outlives its dispatch.
            claim.succeeded = true;
        }
        // The same dispatch may run the rest of the way twice at a time: the other run looks again.
        over.send_replace(());
    }

    fn include(&self, keeper: &Keeper, fingerprint: Fingerprint) -> bool {
        let claims = self.0.lock();
        claims.iter().flatten().any(|claim| claim.is_of(keeper, fingerprint))
    }

    /// Marks the keys as handled: the dispatch has succeeded.
    pub(crate) fn succeed(&self) {
        let claims = self.0.lock().take();
        claims.into_iter().flatten().for_each(|mut claim| claim.succeeded = true);
    }

    /// Frees the keys, unless the dispatch has succeeded.
    pub(crate) fn release(&self) {
        // Dropped when the lock is free again.
        let _claims = self.0.lock().take();
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
        let keeper = Keeper {
            seen: Arc::clone(&self.seen),
            window: self.window,
            keys: self.keys,
            start: self.start,
        };
        let (wait, claims) = (self.wait, next.claims().clone());
        Box::pin(async move {
            let mut deadline = None;
            let claim = loop {
                match keeper.claim(fingerprint) {
                    Key::Claimed(claim) => break claim,
                    Key::Handled => return Ok(Dispatched::stopped(event, "deduplicate")),
                    // A middleware further out runs the rest of the way again.
                    Key::InFlight(_) if claims.include(&keeper, fingerprint) => {
                        return Ok(Dispatched::stopped(event, "deduplicate"));
                    }
                    Key::InFlight(mut over) => {
                        let deadline = *deadline.get_or_insert_with(|| later(wait));
                        if timeout_at(deadline, over.changed()).await.is_err() {
                            return Err(DispatchError::InFlight { waited: wait });
                        }
                    }
                }
            };
            let dispatched = next.run(event).await?;
            claims.keep(claim);
            Ok(dispatched)
        })
    }
}

/// An instant cannot be as late as a duration can be long.
fn later(by: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);
    Instant::now() + by.min(YEARS)
}

impl fmt::Debug for Deduplicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicate")
            .field("window", &self.window)
            .field("keys", &self.keys)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}
