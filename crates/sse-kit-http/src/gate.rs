//! Opening streams for those who may see them, and ending them when they may not any longer.

mod renewals;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sse_kit_broadcast::{ConnectionId, Goodbye, Hub, SubscribeError, SubscriptionBuilder};
use sse_kit_event::Topics;
use tokio::time::Instant;

use self::renewals::Renewals;
use crate::authorizer::{Access, Authorizer, DeniedError, Grant, Resource};
use crate::response::SseResponse;

/// How often a principal may be revoked while [`Gate::open`] asks for it, before the answer is no.
const MAX_REVOCATIONS: usize = 3;

/// How long a stream stays open without an answer, unless the app says otherwise.
const GRACE: Duration = Duration::from_secs(30);

/// Opens streams for principals that may see them. Cheap to clone; all clones are one gate.
///
/// The gate asks the [`Authorizer`] before it opens a stream, and again when the grant has run out. When
/// the answer is no, or the grant is [revoked](Gate::revoke), the stream ends with the event
/// `sse-kit:close`. This needs [`Gate::watch`] to run; one timer serves all streams.
///
/// Renewing never ends the stream of a principal that is still allowed: the gate asks for at most 32
/// streams at a time, each call has half a second of its own, and a stream without an answer stays
/// open for a [grace period](Gate::grace).
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::Topic;
/// use sse_kit_http::{Access, Authorizer, DeniedError, Gate, Grant, OpenError, Resource};
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
/// let watch = tokio::spawn(gate.clone().watch());
///
/// let alices: Topic = "jobs:alice".parse()?;
/// let response = gate.open("alice".to_owned(), hub.subscribe(&alices)).await?;
/// let denied = gate.open("bob".to_owned(), hub.subscribe(&alices)).await;
/// assert!(matches!(denied, Err(OpenError::Denied)));
/// # watch.abort();
/// # Ok(()) }
/// ```
pub struct Gate<A: Authorizer> {
    shared: Arc<Shared<A>>,
    grace: Duration,
}

struct Shared<A: Authorizer> {
    hub: Hub,
    authorizer: A,
    admitted: Mutex<Admitted<A::Principal>>,
}

struct Admitted<P> {
    streams: HashMap<ConnectionId, Arc<Stream<P>>>,
    /// Requests for which the authorizer is being asked.
    pending: HashMap<u64, Pending<P>>,
    next_pending: u64,
    /// The app has announced changes since the last look for streams that are due.
    changed: bool,
}

/// A stream that is not open yet, and what has happened to its rights meanwhile.
struct Pending<P> {
    principal: Arc<P>,
    topics: Topics,
    revoked: bool,
    renewed: bool,
}

/// An open stream, and how long it may stay open.
struct Stream<P> {
    principal: Arc<P>,
    topics: Topics,
    access: Access,
    lease: Mutex<Lease>,
}

/// When the authorizer is asked for a stream again.
struct Lease {
    due: Option<Instant>,
    /// The app has announced a change that no call has seen yet.
    changed: bool,
    /// A call for this stream is under way.
    asking: bool,
    /// The first of the calls that came to nothing, since the last answer.
    failing_since: Option<Instant>,
}

impl Lease {
    fn new(grant: Grant) -> Self {
        Self { due: grant.until, changed: false, asking: false, failing_since: None }
    }
}

impl<A: Authorizer> Gate<A> {
    /// Makes a gate to the streams of `hub`.
    pub fn new(hub: Hub, authorizer: A) -> Self {
        let admitted = Admitted {
            streams: HashMap::new(),
            pending: HashMap::new(),
            next_pending: 0,
            changed: false,
        };
        let admitted = Mutex::new(admitted);
        Self { shared: Arc::new(Shared { hub, authorizer, admitted }), grace: GRACE }
    }

    /// Sets how long a stream stays open when its grant is to be renewed and the authorizer has no
    /// answer: it panics, takes longer than half a second, or answers nobody. After that the client is
    /// asked to come back, and the authorizer is asked anew. Default: 30 s.
    ///
    /// This clone alone has the setting: call [`Gate::watch`] on it.
    pub fn grace(self, time: Duration) -> Self {
        Self { grace: time, ..self }
    }

    /// Opens a stream if `principal` may see all of its topics.
    ///
    /// A [revocation](Gate::revoke) of this principal while the authorizer is asked has it asked again,
    /// at most twice; after a third one the answer is no, and so it is after one while the log is
    /// [read](SubscriptionBuilder::backfill) for the stream. Revocations of others change nothing.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says whether the principal may not see a topic, which an app answers with 401 or
    /// 403, or the subscription could not be opened.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open(
        &self,
        principal: A::Principal,
        subscribe: SubscriptionBuilder,
    ) -> Result<SseResponse, OpenError> {
        let access = if subscribe.resumes() { Access::Replay } else { Access::Live };
        let topics = subscribe.topics().clone();
        let principal = Arc::new(principal);
        let asking = self.shared.register(&principal, &topics);
        for _ in 0..MAX_REVOCATIONS {
            let grant = self.shared.ask(&principal, &topics, access).await?;
            let (entry, joined) = {
                let mut admitted = self.shared.admitted.lock();
                let Some(pending) = admitted.pending.get_mut(&asking.number) else { break };
                if std::mem::take(&mut pending.revoked) {
                    // The authorizer may have answered before it knew.
                    continue;
                }
                let mut lease = Lease::new(grant);
                if pending.renewed {
                    (lease.due, lease.changed) = (Some(Instant::now()), true);
                }
                let joined = subscribe.join()?;
                let id = joined.connection().id().clone();
                let lease = Mutex::new(lease);
                let stream = Arc::new(Stream { principal, topics, access, lease });
                admitted.streams.insert(id.clone(), Arc::clone(&stream));
                (Entry { id, stream, shared: Arc::clone(&self.shared) }, joined)
            };
            let subscription = joined.backfill().await?;
            if !entry.is_admitted() {
                break;
            }
            return Ok(SseResponse::new(subscription).keep(entry));
        }
        Err(OpenError::Denied)
    }

    /// Ends the streams for which `affected` returns `true`, at once and for good; returns how many
    /// there were.
    ///
    /// Calls `affected` under a lock; it must not call the gate.
    pub fn revoke(&self, affected: impl Fn(&A::Principal, &Topics) -> bool) -> usize {
        let mut admitted = self.shared.admitted.lock();
        for pending in admitted.pending.values_mut() {
            pending.revoked |= affected(&pending.principal, &pending.topics);
        }
        let ended = admitted.streams.extract_if(|_, s| affected(&s.principal, &s.topics));
        let ended: Vec<_> = ended.map(|(id, _)| id).collect();
        // The hub takes locks of its own, and runs nothing of ours.
        ended.iter().filter(|id| self.shared.hub.dismiss(id, Goodbye::StayAway)).count()
    }

    /// Has the authorizer asked again for the streams for which `affected` returns `true`: when
    /// rights have changed, and the authorizer knows how. These streams go before those whose grants
    /// have run out.
    ///
    /// Calls `affected` under a lock; it must not call the gate.
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

    /// Renews grants that have run out, and ends streams that may not go on. Never returns: run it
    /// in a task of the app's.
    ///
    /// Looks four times a second, and asks for up to 32 streams at a time. An authorizer that
    /// panics, or takes longer than half a second, has given no answer; the gate asks again after a
    /// second, for as long as the [grace period](Gate::grace).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped, nothing is renewed any longer; a later `watch` goes on from there.
    pub async fn watch(self) {
        Renewals::new(self.shared, self.grace).run().await;
    }
}

impl<A: Authorizer> Shared<A> {
    fn register(self: &Arc<Self>, principal: &Arc<A::Principal>, topics: &Topics) -> Asking<A> {
        let mut admitted = self.admitted.lock();
        let number = admitted.next_pending;
        admitted.next_pending += 1;
        let (principal, topics) = (Arc::clone(principal), topics.clone());
        let pending = Pending { principal, topics, revoked: false, renewed: false };
        admitted.pending.insert(number, pending);
        Asking { number, shared: Arc::clone(self) }
    }

    /// Asks for each topic and pattern in turn; the first no is the answer.
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
    /// Forgets a stream, but not another one that has come with the same id.
    fn forget(&mut self, id: &ConnectionId, stream: &Arc<Stream<P>>) -> bool {
        let known = self.streams.get(id).is_some_and(|known| Arc::ptr_eq(known, stream));
        known && self.streams.remove(id).is_some()
    }
}

impl<A: Authorizer> Clone for Gate<A> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), grace: self.grace }
    }
}

impl<A: Authorizer> fmt::Debug for Gate<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.shared.admitted.lock().streams.len();
        f.debug_struct("Gate").field("streams", &streams).finish_non_exhaustive()
    }
}

/// A call of [`Gate::open`] under way; dropping it forgets the request.
struct Asking<A: Authorizer> {
    number: u64,
    shared: Arc<Shared<A>>,
}

impl<A: Authorizer> Drop for Asking<A> {
    fn drop(&mut self) {
        self.shared.admitted.lock().pending.remove(&self.number);
    }
}

/// Kept with the stream: dropping it forgets the stream.
struct Entry<A: Authorizer> {
    id: ConnectionId,
    stream: Arc<Stream<A::Principal>>,
    shared: Arc<Shared<A>>,
}

impl<A: Authorizer> Entry<A> {
    /// Returns `true` unless the rights to the stream were revoked.
    fn is_admitted(&self) -> bool {
        let admitted = self.shared.admitted.lock();
        admitted.streams.get(&self.id).is_some_and(|known| Arc::ptr_eq(known, &self.stream))
    }
}

impl<A: Authorizer> Drop for Entry<A> {
    fn drop(&mut self) {
        self.shared.admitted.lock().forget(&self.id, &self.stream);
    }
}

/// Why a stream was not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// One of the topics may not be seen.
    #[error("not allowed")]
    Denied,
    /// It may, but it could not be subscribed to.
    #[error("no subscription")]
    Subscribe(#[from] SubscribeError),
}

impl From<DeniedError> for OpenError {
    fn from(_: DeniedError) -> Self {
        Self::Denied
    }
}
