//! User code that is called on connect, on disconnect and before an event is published.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use sse_kit_event::{Event, Topic};
use tokio::sync::mpsc;

use crate::connection::{Connection, Departure};
use crate::counters::Counters;
use crate::log::BoxFuture;

/// What a hook may fail with: any error.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// A hook, sync or async: both become a future.
type Hook<A, T> = Box<dyn Fn(A) -> BoxFuture<'static, Result<T, HookError>> + Send + Sync>;

/// What a broadcast hook says of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It stays as it is.
    Keep,
    /// This one takes its place.
    Replace(Event),
    /// It is not published: the publisher gets
    /// [`PublishError::Vetoed`](crate::PublishError::Vetoed).
    Veto,
}

/// An event that is about to be published, as broadcast hooks see it.
#[derive(Debug)]
pub struct Draft {
    pub(crate) topic: Option<Topic>,
    pub(crate) event: Event,
    follow_ups: Mutex<Vec<(Option<Topic>, Event)>>,
}

impl Draft {
    pub(crate) fn new(topic: Option<Topic>, event: Event) -> Self {
        Self { topic, event, follow_ups: Mutex::default() }
    }

    /// Where it goes; `None` is everybody.
    pub fn topic(&self) -> Option<&Topic> {
        self.topic.as_ref()
    }

    /// The event, as the hooks before this one left it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Publishes another event right after this one (or after its veto).
    ///
    /// A hook cannot call [`Broadcaster::publish`](crate::Broadcaster::publish): it would wait for
    /// itself.
    pub fn follow_up(&self, topic: Option<Topic>, event: Event) {
        self.follow_ups.lock().push((topic, event));
    }

    pub(crate) fn take_follow_ups(&self) -> Vec<(Option<Topic>, Event)> {
        std::mem::take(&mut self.follow_ups.lock())
    }
}

/// All hooks, each kind in order of registration.
#[derive(Default)]
pub(crate) struct Hooks {
    connect: Vec<Hook<Arc<Connection>, ()>>,
    disconnect: Vec<Hook<(Arc<Connection>, Departure), ()>>,
    broadcast: Vec<Hook<Arc<Draft>, Verdict>>,
}

impl Hooks {
    pub(crate) fn on_connect<F, R>(&mut self, hook: F)
    where
        F: Fn(Arc<Connection>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.connect.push(Box::new(move |connection| Box::pin(hook(connection))));
    }

    pub(crate) fn on_disconnect<F, R>(&mut self, hook: F)
    where
        F: Fn(Arc<Connection>, Departure) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.disconnect.push(Box::new(move |(connection, why)| Box::pin(hook(connection, why))));
    }

    pub(crate) fn on_broadcast<F, R>(&mut self, hook: F)
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Verdict, HookError>> + Send + 'static,
    {
        self.broadcast.push(Box::new(move |draft| Box::pin(hook(draft))));
    }

    pub(crate) fn has_broadcast(&self) -> bool {
        !self.broadcast.is_empty()
    }

    pub(crate) fn has_lifecycle(&self) -> bool {
        !(self.connect.is_empty() && self.disconnect.is_empty())
    }

    /// Asks the broadcast hooks in turn; `None` is a veto. A hook that fails is passed over.
    pub(crate) async fn judge(&self, mut draft: Arc<Draft>, guard: &Guard) -> (Arc<Draft>, bool) {
        for hook in &self.broadcast {
            match guard.run("broadcast", hook, Arc::clone(&draft)).await {
                None | Some(Verdict::Keep) => {}
                Some(Verdict::Veto) => return (draft, false),
                Some(Verdict::Replace(event)) => {
                    let follow_ups = Mutex::new(draft.take_follow_ups());
                    draft = Arc::new(Draft { topic: draft.topic.clone(), event, follow_ups });
                }
            }
        }
        (draft, true)
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

/// Runs user code so that no failure of it does harm.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    pub(crate) timeout: Duration,
    pub(crate) counters: Arc<Counters>,
}

impl Guard {
    /// What the hook said; `None` when it failed, panicked or took too long, which is logged.
    async fn run<A, T>(&self, kind: &'static str, hook: &Hook<A, T>, argument: A) -> Option<T> {
        // A sync hook runs in the call itself, so the call stands inside too.
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

/// Tells the connect and disconnect hooks, in the order in which things happened.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    sender: mpsc::UnboundedSender<Change>,
    backlog: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum Change {
    Connected(Arc<Connection>),
    Disconnected(Arc<Connection>, Departure),
}

impl Lifecycle {
    /// The most changes that may wait for the hooks before connections are refused. As each
    /// connection is one change more at most when it ends, this bounds the memory.
    const MAX_BACKLOG: usize = 65_536;

    /// Also returns the task that calls the hooks; it ends when `Lifecycle` is dropped.
    pub(crate) fn new(hooks: Arc<Hooks>, guard: Guard) -> (Self, impl Future<Output = ()>) {
        let (sender, mut changes) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&backlog);
        let task = async move {
            while let Some(change) = changes.recv().await {
                match change {
                    Change::Connected(connection) => {
                        for hook in &hooks.connect {
                            guard.run("connect", hook, Arc::clone(&connection)).await;
                        }
                    }
                    Change::Disconnected(connection, why) => {
                        for hook in &hooks.disconnect {
                            guard.run("disconnect", hook, (Arc::clone(&connection), why)).await;
                        }
                    }
                }
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
        };
        (Self { sender, backlog }, task)
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.backlog.load(Ordering::Relaxed) > Self::MAX_BACKLOG
    }

    pub(crate) fn connected(&self, connection: &Arc<Connection>) {
        self.tell(Change::Connected(Arc::clone(connection)));
    }

    pub(crate) fn disconnected(&self, connection: &Arc<Connection>, why: Departure) {
        self.tell(Change::Disconnected(Arc::clone(connection), why));
    }

    fn tell(&self, change: Change) {
        self.backlog.fetch_add(1, Ordering::Relaxed);
        // The task ends only with the runtime, and then there is nobody left to tell.
        let _ = self.sender.send(change);
    }
}
