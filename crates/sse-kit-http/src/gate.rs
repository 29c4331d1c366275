//! Opening streams for those who may see them, and ending them when they may not any longer.

use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use parking_lot::Mutex;
use sse_kit_broadcast::{Broadcaster, ConnectionId, Goodbye, Subscribe, SubscribeError};
use sse_kit_event::Topics;
use tokio::time::{Instant, MissedTickBehavior};

use crate::authorizer::{Access, Authorizer, Denied, Grant, Wanted};
use crate::response::SseResponse;

/// How often it looks for grants that have run out.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long an authorizer may take to renew a grant.
const RENEW_WITHIN: Duration = Duration::from_millis(500);

/// After how long those come back whom the authorizer had no answer for: at most this, at random.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Opens streams for those who may see them. Cheap to clone; all clones are one.
///
/// The [`Authorizer`] is asked when a stream is opened, before anything of it is read. When its grant
/// has run out it is asked again, and when it says no, or the grant is [revoked](Gate::revoke), the
/// stream ends by the event `sse-kit:close` within a second. That needs [`Gate::watch`] to run; one
/// timer serves all streams.
///
/// ```
/// use sse_kit_broadcast::Broadcaster;
/// use sse_kit_event::Topic;
/// use sse_kit_http::{Access, Authorizer, Denied, Gate, Grant, OpenError, Wanted};
///
/// struct OwnJobs;
///
/// impl Authorizer for OwnJobs {
///     type Principal = String;
///
///     async fn authorize(
///         &self,
///         user: &String,
///         wanted: Wanted<'_>,
///         _access: Access,
///     ) -> Result<Grant, Denied> {
///         match wanted {
///             Wanted::Topic(topic) if topic.as_str() == format!("jobs:{user}") => {
///                 Ok(Grant::lasting(std::time::Duration::from_secs(300)))
///             }
///             _ => Err(Denied),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Broadcaster::new();
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
}

struct Shared<A: Authorizer> {
    hub: Broadcaster,
    authorizer: A,
    admitted: Mutex<Admitted<A::Principal>>,
}

struct Admitted<P> {
    streams: HashMap<ConnectionId, Arc<Stream<P>>>,
    /// How often something was revoked: whoever is being asked for meanwhile is asked for again.
    revocations: u64,
}

/// An open stream, and until when it may be.
struct Stream<P> {
    principal: Arc<P>,
    topics: Topics,
    access: Access,
    until: Mutex<Option<Instant>>,
}

impl<A: Authorizer> Gate<A> {
    /// A gate to the streams of `hub`.
    pub fn new(hub: Broadcaster, authorizer: A) -> Self {
        let admitted = Mutex::new(Admitted { streams: HashMap::new(), revocations: 0 });
        Self { shared: Arc::new(Shared { hub, authorizer, admitted }) }
    }

    /// Opens a stream, when `principal` may see all of its topics.
    ///
    /// # Errors
    ///
    /// [`OpenError`] says whether it may not, which is to be answered by 401 or 403, or could not be
    /// opened.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open(
        &self,
        principal: A::Principal,
        mut subscribe: Subscribe,
    ) -> Result<SseResponse, OpenError> {
        let access = if subscribe.resumes() { Access::Replay } else { Access::Live };
        let topics = subscribe.topics().clone();
        let principal = Arc::new(principal);
        loop {
            let before = self.shared.admitted.lock().revocations;
            let grant = self.shared.ask(&principal, &topics, access).await?;
            subscribe = subscribe.reach_back().await;
            let mut admitted = self.shared.admitted.lock();
            if admitted.revocations != before {
                // It may be this very grant that was revoked, and nobody would find it.
                continue;
            }
            let subscription = subscribe.open()?;
            let id = subscription.connection().id().clone();
            let until = Mutex::new(grant.until);
            let stream = Arc::new(Stream { principal, topics, access, until });
            admitted.streams.insert(id.clone(), Arc::clone(&stream));
            drop(admitted);
            let entry = Entry { id, stream, shared: Arc::clone(&self.shared) };
            return Ok(SseResponse::new(subscription).keep(entry));
        }
    }

    /// Ends the streams that `affected` says so of, at once and for good; returns how many there were.
    ///
    /// `affected` is called under a lock, and must not call the gate.
    pub fn revoke(&self, affected: impl Fn(&A::Principal, &Topics) -> bool) -> usize {
        let mut admitted = self.shared.admitted.lock();
        admitted.revocations += 1;
        let ended = admitted.streams.extract_if(|_, s| affected(&s.principal, &s.topics));
        let ended: Vec<_> = ended.map(|(id, _)| id).collect();
        // The hub takes locks of its own, and runs nothing of ours.
        ended.iter().filter(|id| self.shared.hub.dismiss(id, Goodbye::StayAway)).count()
    }

    /// Has the authorizer asked again, within a second, for the streams that `affected` says so of:
    /// when somebody's rights have changed, and it is the authorizer that knows how. `affected` is called
    /// under a lock, and must not call the gate.
    pub fn renew(&self, affected: impl Fn(&A::Principal, &Topics) -> bool) {
        let mut admitted = self.shared.admitted.lock();
        admitted.revocations += 1;
        let now = Instant::now();
        for stream in admitted.streams.values() {
            if affected(&stream.principal, &stream.topics) {
                *stream.until.lock() = Some(now);
            }
        }
    }

    /// Ends streams whose grants have run out and are not renewed; for ever, in a task of the app's.
    ///
    /// An authorizer that panics or takes longer than half a second has not said no: the client is
    /// asked to come back, and then it is asked again.
    pub async fn watch(self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let renewing = stream::iter(self.run_out());
            renewing.for_each_concurrent(None, |(id, stream)| self.renew_one(id, stream)).await;
        }
    }

    fn run_out(&self) -> Vec<(ConnectionId, Arc<Stream<A::Principal>>)> {
        let now = Instant::now();
        let admitted = self.shared.admitted.lock();
        let over = admitted.streams.iter();
        let over = over.filter(|(_, stream)| stream.until.lock().is_some_and(|until| until <= now));
        over.map(|(id, stream)| (id.clone(), Arc::clone(stream))).collect()
    }

    async fn renew_one(&self, id: ConnectionId, stream: Arc<Stream<A::Principal>>) {
        let found = *stream.until.lock();
        let asking = self.shared.ask(&stream.principal, &stream.topics, stream.access);
        let asking = AssertUnwindSafe(asking).catch_unwind();
        let goodbye = match tokio::time::timeout(RENEW_WITHIN, asking).await {
            Ok(Ok(Ok(grant))) => {
                let mut until = stream.until.lock();
                // When it was to be renewed again meanwhile, this answer may be an old one.
                if *until == found {
                    *until = grant.until;
                }
                return;
            }
            Ok(Ok(Err(Denied))) => Goodbye::StayAway,
            Ok(Err(_)) | Err(_) => {
                tracing::error!("an authorizer panicked or took too long");
                Goodbye::ComeBack { within: COME_BACK_WITHIN }
            }
        };
        let mut admitted = self.shared.admitted.lock();
        // Under the lock, as a client may come back with the same id just now.
        if admitted.forget(&id, &stream) {
            self.shared.hub.dismiss(&id, goodbye);
        }
    }
}

impl<A: Authorizer> Shared<A> {
    /// Asks for each topic and pattern in turn; the first no is the answer.
    async fn ask(
        &self,
        principal: &A::Principal,
        topics: &Topics,
        access: Access,
    ) -> Result<Grant, Denied> {
        let mut grant = Grant::unlimited();
        for topic in topics.topics() {
            let one = self.authorizer.authorize(principal, Wanted::Topic(topic), access).await?;
            grant = grant.and(one);
        }
        for pattern in topics.patterns() {
            let wanted = Wanted::Pattern(pattern);
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
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<A: Authorizer> fmt::Debug for Gate<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.shared.admitted.lock().streams.len();
        f.debug_struct("Gate").field("streams", &streams).finish_non_exhaustive()
    }
}

/// Kept with the stream: it is forgotten when that ends.
struct Entry<A: Authorizer> {
    id: ConnectionId,
    stream: Arc<Stream<A::Principal>>,
    shared: Arc<Shared<A>>,
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

impl From<Denied> for OpenError {
    fn from(Denied: Denied) -> Self {
        Self::Denied
    }
}
