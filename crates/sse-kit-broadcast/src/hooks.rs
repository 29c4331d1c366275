//! Hooks: user code that runs on connect, on disconnect and before an event is published.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use parking_lot::Mutex;
use sse_kit_event::{Audience, Event, Topic};

use crate::connection::Connection;
use crate::counters::Counters;
use crate::ending::CloseReason;
use crate::hook_return::HookReturn;

/// The error of a hook: any error type.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// A hook. Sync and async hooks both return a future.
type Hook<A, T> = Box<dyn Fn(A) -> BoxFuture<'static, Result<T, HookError>> + Send + Sync>;

/// The decision of a broadcast hook about an event.
///
/// ```
/// use sse_kit_broadcast::{Hub, PublishError, Verdict};
/// use sse_kit_event::{Event, Topic};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::builder()
///     .on_broadcast(|draft| {
///         let is_secret = draft.event().data().contains("password");
///         if is_secret { Verdict::Veto } else { Verdict::Keep }
///     })
///     .build()?;
/// let news: Topic = "news".parse()?;
/// let outcome = hub.publish(&news, Event::new("the password is 123")).await;
/// assert!(matches!(outcome, Err(PublishError::Vetoed)));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The event is published unchanged.
    Keep,
    /// This event is published instead.
    Replace(Event),
    /// The event is not published; the publisher gets
    /// [`PublishError::Vetoed`](crate::PublishError::Vetoed).
    Veto,
}

/// An event that is about to be published, as broadcast hooks receive it.
#[derive(Debug)]
pub struct Draft {
    pub(crate) audience: Audience,
    pub(crate) event: Event,
    follow_ups: Mutex<Vec<(Audience, Event)>>,
}

impl Draft {
    pub(crate) fn new(audience: Audience, event: Event) -> Self {
        Self { audience, event, follow_ups: Mutex::default() }
    }

    /// Returns the receivers of the event.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Returns the topic; `None` if the event has several topics or is for everyone.
    pub fn topic(&self) -> Option<&Topic> {
        self.audience.topic()
    }

    /// Returns the event, as earlier hooks left it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Publishes another event right after this one, or in its place if this one is vetoed. Call it
    /// before the hook returns; later it has no effect.
    ///
    /// The event and its follow-ups are appended together or not at all. If a publish with an
    /// idempotency key is a repeat, nothing is appended. A hook cannot call
    /// [`Hub::publish`](crate::Hub::publish) of its own hub.
    pub fn follow_up(&self, audience: impl Into<Audience>, event: Event) {
        self.follow_ups.lock().push((audience.into(), event));
    }

    pub(crate) fn take_follow_ups(&self) -> Vec<(Audience, Event)> {
        std::mem::take(&mut self.follow_ups.lock())
    }

    /// Returns the draft with another event. The new event keeps the conflation key unless it has
    /// its own.
    fn replaced_by(&self, mut event: Event) -> Self {
        if let (None, Some(key)) = (event.key(), self.event.key()) {
            event = event.with_key(key.clone());
        }
        let follow_ups = Mutex::new(self.take_follow_ups());
        Self { audience: self.audience.clone(), event, follow_ups }
    }
}

/// A broadcast hook and its failure mode.
struct BroadcastHook {
    hook: Hook<Arc<Draft>, Verdict>,
    /// `true` for a guard: if the hook fails, the event is not published.
    fails_closed: bool,
}

/// The result of running all broadcast hooks on an event.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) draft: Arc<Draft>,
    pub(crate) outcome: Outcome,
}

/// The decision about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Vetoed,
    /// A guard failed, panicked or timed out.
    GuardFailed,
}

/// All hooks, each kind in order of registration.
#[derive(Default)]
pub(crate) struct Hooks {
    connect: Vec<Hook<Arc<Connection>, ()>>,
    disconnect: Vec<Hook<(Arc<Connection>, CloseReason), ()>>,
    broadcast: Vec<BroadcastHook>,
}

impl Hooks {
    pub(crate) fn on_connect<F, R, K>(&mut self, hook: F)
    where
        F: Fn(Arc<Connection>) -> R + Send + Sync + 'static,
        R: HookReturn<(), K>,
    {
        self.connect.push(Box::new(move |connection| Box::pin(hook(connection).into_future())));
    }

    pub(crate) fn on_disconnect<F, R, K>(&mut self, hook: F)
    where
        F: Fn(Arc<Connection>, CloseReason) -> R + Send + Sync + 'static,
        R: HookReturn<(), K>,
    {
        let hook = move |(connection, why)| hook(connection, why).into_future().boxed();
        self.disconnect.push(Box::new(hook));
    }

    pub(crate) fn on_broadcast<F, R, K>(&mut self, hook: F, fails_closed: bool)
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: HookReturn<Verdict, K>,
    {
        let hook: Hook<Arc<Draft>, Verdict> =
            Box::new(move |draft| Box::pin(hook(draft).into_future()));
        self.broadcast.push(BroadcastHook { hook, fails_closed });
    }

    pub(crate) fn has_broadcast(&self) -> bool {
        !self.broadcast.is_empty()
    }

    pub(crate) fn has_lifecycle(&self) -> bool {
        !(self.connect.is_empty() && self.disconnect.is_empty())
    }

    /// Runs the broadcast hooks one after another. A hook that fails is skipped, unless it is a
    /// guard.
    pub(crate) async fn judge(&self, draft: Draft, guard: &Guard) -> Judged {
        let mut draft = Arc::new(draft);
        for BroadcastHook { hook, fails_closed } in &self.broadcast {
            let outcome = match guard.run("broadcast", hook, Arc::clone(&draft)).await {
                None if *fails_closed => Outcome::GuardFailed,
                None | Some(Verdict::Keep) => continue,
                Some(Verdict::Veto) => Outcome::Vetoed,
                Some(Verdict::Replace(event)) => {
                    draft = Arc::new(draft.replaced_by(event));
                    continue;
                }
            };
            return Judged { draft, outcome };
        }
        Judged { draft, outcome: Outcome::Passed }
    }

    pub(crate) async fn connected(&self, connection: &Arc<Connection>, guard: &Guard) {
        for hook in &self.connect {
            guard.run("connect", hook, Arc::clone(connection)).await;
        }
    }

    pub(crate) async fn disconnected(
        &self,
        connection: &Arc<Connection>,
        why: CloseReason,
        guard: &Guard,
    ) {
        for hook in &self.disconnect {
            guard.run("disconnect", hook, (Arc::clone(connection), why)).await;
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("connect", &self.connect.len())
            .field("disconnect", &self.disconnect.len())
            .field("broadcast", &self.broadcast.len())
            .finish()
    }
}

/// A runner for user code that contains its failures.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) timeout: Duration,
    pub(crate) counters: Arc<Counters>,
}

impl Guard {
    /// Runs a hook. Returns `None` if it failed, panicked or timed out, and logs that.
    async fn run<A, T>(&self, kind: &'static str, hook: &Hook<A, T>, argument: A) -> Option<T> {
        // A sync hook runs within the call itself, so the call is inside `catch_unwind` too.
        let call = AssertUnwindSafe(async move { hook(argument).await }).catch_unwind();
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(Ok(value))) => return Some(value),
            Ok(Ok(Err(error))) => tracing::error!(kind, %error, "a hook failed"),
            Ok(Err(_panic)) => tracing::error!(kind, "a hook panicked"),
            Err(_elapsed) => tracing::error!(kind, timeout = ?self.timeout, "a hook took too long"),
        }
        self.counters.hook_failures.add(1);
        None
    }
}
