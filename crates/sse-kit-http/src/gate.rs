//! The gate: opens streams for authorised principals, and ends them when access is lost.

mod renewals;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{
    ConnectionId, Goodbye, Hub, PendingSubscription, SubscribeError, SubscriptionBuilder,
};
use sse_kit_event::Topics;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::renewals::Renewals;
use crate::authorizer::{Access, Authorizer, DeniedError, Grant, Resource};
use crate::response::SseResponse;

/// The number of revocations during one [`Gate::open`] after which access is denied.
const MAX_REVOCATIONS: usize = 3;

/// The default time for which a stream stays open without an answer of the authorizer.
const GRACE: Duration = Duration::from_secs(30);

/// The default time for which [`Gate::open`] waits for the authorizer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// A gate that opens streams for authorised principals. Cloning is cheap; all clones are the same
/// gate.
///
/// The gate asks the [`Authorizer`] before it opens a stream, and again when the grant expires. If
/// access is denied or [revoked](Gate::revoke), the stream ends with the event `sse-kit:close`.
///
/// One task of the gate renews the grants of all streams. The first [`open`](Gate::open) spawns it;
/// it ends with the gate and its streams. It searches for expired grants four times per second, and
/// renews at most 32 streams at a time. A call that panics or takes longer than 0.5 s is a failure;
/// the gate retries after one second. Renewals never end the stream of a principal that still has
/// access: a stream without an answer stays open for a [grace period](Gate::grace).
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::Topic;
/// use sse_kit_http::{Access, Authorizer, DeniedError, Gate, Grant, GateOpenError, Resource};
///
/// struct OwnJobs;
///
/// impl Authorizer for OwnJobs {
///     type Principal = String;
///
///     async fn authorize(
///         &self,
///         user: &String,
///         wanted: Resource<'_>,
///         _access: Access,
///     ) -> Result<Grant, DeniedError> {
///         match wanted {
///             Resource::Topic(topic) if topic.as_str() == format!("jobs:{user}") => {
///                 Ok(Grant::lasting(std::time::Duration::from_secs(300)))
///             }
///             _ => Err(DeniedError),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new();
/// let gate = Gate::new(hub.clone(), OwnJobs);
///
/// let alices: Topic = "jobs:alice".parse()?;
/// let response = gate.open("alice".to_owned(), hub.subscribe(&alices)).await?;
/// let denied = gate.open("bob".to_owned(), hub.subscribe(&alices)).await;
/// assert!(matches!(denied, Err(GateOpenError::Denied)));
/// # Ok(()) }
/// ```
pub struct Gate<A: Authorizer> {
    shared: Arc<Shared<A>>,
}

struct Shared<A: Authorizer> {
    hub: Hub,
    authorizer: A,
    settings: Mutex<Settings>,
    admitted: Mutex<Admitted<A::Principal>>,
    /// The task that renews grants, once a stream was opened. Dropping the set aborts it.
    renewing: Mutex<JoinSet<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    grace: Duration,
    open_timeout: Duration,
}

struct Admitted<P> {
    streams: HashMap<ConnectionId, Arc<Stream<P>>>,
    /// The calls of [`Gate::open`] that wait for the authorizer.
    pending: HashMap<u64, Pending<P>>,
    next_pending: u64,
    /// `true` if the app announced changes since the last search for due streams.
    changed: bool,
}

/// A stream that is not open yet, with the changes of its rights meanwhile.
struct Pending<P> {
    principal: Arc<P>,
    topics: Topics,
    revoked: bool,
    renewed: bool,
}

/// An open stream with its lease.
struct Stream<P> {
    principal: Arc<P>,
    topics: Topics,
    access: Access,
    lease: Mutex<Lease>,
}

/// The time at which the authorizer is asked about a stream again.
struct Lease {
    due: Option<Instant>,
    /// `true` if the app announced a change after the last call began.
    changed: bool,
    /// `true` while a call for this stream is in progress.
    asking: bool,
    /// The time of the first failed call since the last answer.
    failing_since: Option<Instant>,
}

impl Lease {
    fn new(grant: Grant) -> Self {
        Self { due: grant.until, changed: false, asking: false, failing_since: None }
    }
}

impl<A: Authorizer> Gate<A> {
    /// Creates a gate to the streams of `hub`.
    pub fn new(hub: Hub, authorizer: A) -> Self {
        let admitted = Admitted {
            streams: HashMap::new(),
            pending: HashMap::new(),
            next_pending: 0,
            changed: false,
        };
        let (admitted, renewing) = (Mutex::new(admitted), Mutex::new(JoinSet::new()));
        let settings = Mutex::new(Settings { grace: GRACE, open_timeout: OPEN_TIMEOUT });
        Self { shared: Arc::new(Shared { hub, authorizer, settings, admitted, renewing }) }
    }

    /// Sets how long a stream stays open while its grant needs renewal and the authorizer gives no
    /// answer: it panics, or takes longer than 0.5 s. After that the client reconnects, and the
    /// gate asks the authorizer again. Default: 30 s. The setting applies to all clones.
    pub fn grace(self, time: Duration) -> Self {
        self.shared.settings.lock().grace = time;
        self
    }

    /// Sets how long [`open`](Gate::open) waits for the authorizer, over all topics and all calls.
    /// Default: 10 s. The setting applies to all clones.
    pub fn open_timeout(self, time: Duration) -> Self {
        self.shared.settings.lock().open_timeout = time;
        self
    }

    /// Opens a stream if `principal` may see all of its topics.
    ///
    /// If this principal's access is [revoked](Gate::revoke) during the call, the gate asks the
    /// authorizer again, at most twice; a third revocation denies access. A revocation during the
    /// [backfill](SubscriptionBuilder::backfill) denies access too. Revocations of other principals
    /// have no effect.
    ///
    /// # Errors
    ///
    /// [`GateOpenError::Denied`] if the principal may not see a topic; answer with 401 or 403.
    /// [`GateOpenError::NoAnswer`] if the authorizer takes longer than the
    /// [timeout](Gate::open_timeout); answer with [`SseResponse::busy`]. [`GateOpenError::Subscribe`] if
    /// the subscription could not be opened.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, and if the authorizer panics.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no stream is opened.
    pub async fn open(
        &self,
        principal: A::Principal,
        subscribe: SubscriptionBuilder,
    ) -> Result<SseResponse, GateOpenError> {
        let access = if subscribe.resumes() { Access::Replay } else { Access::Live };
        let topics = subscribe.topics().clone();
        let principal = Arc::new(principal);
        let asking = self.shared.register(&principal, &topics);
        self.shared.keep_renewing();
        let admitting = self.shared.admit(&asking, (principal, topics, access), subscribe);
        let (registration, joined) = admitting.await?;
        let subscription = joined.backfill().await?;
        if !registration.is_admitted() {
            return Err(GateOpenError::Denied);
        }
        Ok(SseResponse::new(subscription).keep(registration))
    }

    /// Ends the streams for which `affected` returns `true`, immediately and for good. Returns
    /// their number.
    ///
    /// Call it after the rights have changed in the authorizer's data, and not before: the gate asks
    /// the authorizer when a client reconnects, and grants what the data says then. At a logout, first
    /// delete the session, then revoke.
    ///
    /// It calls `affected` under a lock; `affected` must not call the gate.
    pub fn revoke(&self, affected: impl Fn(&A::Principal, &Topics) -> bool) -> usize {
        let mut admitted = self.shared.admitted.lock();
        for pending in admitted.pending.values_mut() {
            pending.revoked |= affected(&pending.principal, &pending.topics);
        }
        let ended = admitted.streams.extract_if(|_, s| affected(&s.principal, &s.topics));
        let ended: Vec<_> = ended.map(|(id, _)| id).collect();
        // Still under the lock, because a client may reconnect with the same id at this moment.
        ended.iter().filter(|id| self.shared.hub.dismiss(id, Goodbye::StayAway)).count()
    }

    /// Renews the streams for which `affected` returns `true`. Call it after rights have changed in
    /// the authorizer's data. These streams are renewed before streams whose grants have expired.
    ///
    /// It calls `affected` under a lock; `affected` must not call the gate.
    pub fn renew(&self, affected: impl Fn(&A::Principal, &Topics) -> bool) {
        let mut admitted = self.shared.admitted.lock();
        admitted.changed = true;
        for pending in admitted.pending.values_mut() {
            pending.renewed |= affected(&pending.principal, &pending.topics);
        }
        let now = Instant::now();
        for stream in admitted.streams.values() {
            if affected(&stream.principal, &stream.topics) {
                let mut lease = stream.lease.lock();
                (lease.due, lease.changed) = (Some(now), true);
            }
        }
    }
}

impl<A: Authorizer> Shared<A> {
    /// Spawns the task that renews grants, unless it runs. It ends with its runtime, which may end
    /// before the gate does.
    fn keep_renewing(self: &Arc<Self>) {
        let mut renewing = self.renewing.lock();
        while renewing.try_join_next().is_some() {}
        if renewing.is_empty() {
            renewing.spawn(Renewals::new(Arc::downgrade(self)).run());
        }
    }

    fn register(self: &Arc<Self>, principal: &Arc<A::Principal>, topics: &Topics) -> Asking<A> {
        let mut admitted = self.admitted.lock();
        let number = admitted.next_pending;
        admitted.next_pending += 1;
        let (principal, topics) = (Arc::clone(principal), topics.clone());
        let pending = Pending { principal, topics, revoked: false, renewed: false };
        admitted.pending.insert(number, pending);
        Asking { number, shared: Arc::clone(self) }
    }

    /// Asks until the authorizer has granted access without a revocation meanwhile, and has the stream
    /// join at that moment.
    async fn admit(
        self: &Arc<Self>,
        asking: &Asking<A>,
        (principal, topics, access): (Arc<A::Principal>, Topics, Access),
        subscribe: SubscriptionBuilder,
    ) -> Result<(Registration<A>, PendingSubscription), GateOpenError> {
        let (began, timeout) = (Instant::now(), self.settings.lock().open_timeout);
        for _ in 0..MAX_REVOCATIONS {
            let asked = self.ask(&principal, &topics, access);
            let left = timeout.saturating_sub(began.elapsed());
            let Ok(grant) = tokio::time::timeout(left, asked).await else {
                tracing::error!(?timeout, "an authorizer gave no answer; the stream is not opened");
                return Err(GateOpenError::NoAnswer);
            };
            let mut lease = Lease::new(grant?);
            let mut admitted = self.admitted.lock();
            let Some(pending) = admitted.pending.get_mut(&asking.number) else { break };
            if std::mem::take(&mut pending.revoked) {
                // The authorizer may have answered before it knew of the revocation.
                continue;
            }
            if pending.renewed {
                (lease.due, lease.changed) = (Some(Instant::now()), true);
            }
            let joined = subscribe.join()?;
            let id = joined.connection().id().clone();
            let lease = Mutex::new(lease);
            let stream = Arc::new(Stream { principal, topics, access, lease });
            admitted.streams.insert(id.clone(), Arc::clone(&stream));
            return Ok((Registration { id, stream, shared: Arc::clone(self) }, joined));
        }
        Err(GateOpenError::Denied)
    }

    /// Asks for each topic and pattern in turn; returns the first denial.
    async fn ask(
        &self,
        principal: &A::Principal,
        topics: &Topics,
        access: Access,
    ) -> Result<Grant, DeniedError> {
        let mut grant = Grant::unlimited();
        for topic in topics.topics() {
            let one = self.authorizer.authorize(principal, Resource::Topic(topic), access).await?;
            grant = grant.and(one);
        }
        for pattern in topics.patterns() {
            let wanted = Resource::Pattern(pattern);
            grant = grant.and(self.authorizer.authorize(principal, wanted, access).await?);
        }
        Ok(grant)
    }
}

impl<P> Admitted<P> {
    /// Forgets a stream, unless another one has taken its id.
    fn forget(&mut self, id: &ConnectionId, stream: &Arc<Stream<P>>) -> bool {
        let known = self.streams.get(id).is_some_and(|known| Arc::ptr_eq(known, stream));
        known && self.streams.remove(id).is_some()
    }
}

impl<A: Authorizer> Clone for Gate<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Authorizer> fmt::Debug for Gate<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.shared.admitted.lock().streams.len();
        f.debug_struct("Gate").field("streams", &streams).finish_non_exhaustive()
    }
}

/// A call of [`Gate::open`] in progress. Dropping it forgets the call.
struct Asking<A: Authorizer> {
    number: u64,
    shared: Arc<Shared<A>>,
}

impl<A: Authorizer> Drop for Asking<A> {
    fn drop(&mut self) {
        self.shared.admitted.lock().pending.remove(&self.number);
    }
}

/// A guard that is kept with the stream. Dropping it forgets the stream.
struct Registration<A: Authorizer> {
    id: ConnectionId,
    stream: Arc<Stream<A::Principal>>,
    shared: Arc<Shared<A>>,
}

impl<A: Authorizer> Registration<A> {
    /// Returns `true` unless access was revoked.
    fn is_admitted(&self) -> bool {
        let admitted = self.shared.admitted.lock();
        admitted.streams.get(&self.id).is_some_and(|known| Arc::ptr_eq(known, &self.stream))
    }
}

impl<A: Authorizer> Drop for Registration<A> {
    fn drop(&mut self) {
        self.shared.admitted.lock().forget(&self.id, &self.stream);
    }
}

/// The reason why a stream was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GateOpenError {
    /// The principal may not see one of the topics.
    #[error("access denied")]
    Denied,
    /// The authorizer gave no answer in [time](Gate::open_timeout). The client may retry later.
    #[error("the authorizer gave no answer in time; retry later")]
    NoAnswer,
    /// The subscription could not be opened.
    #[error("the subscription could not be opened")]
    Subscribe(#[from] SubscribeError),
}

impl From<DeniedError> for GateOpenError {
    fn from(_: DeniedError) -> Self {
        Self::Denied
    }
}
