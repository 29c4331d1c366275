//! The settings of a hub.

use std::future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::backfill::Backfill;
use crate::coalescer::Coalescer;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::ending::CloseReason;
use crate::fan_out::FanOut;
use crate::history::Retention;
use crate::hooks::{Draft, Guard, HookError, Hooks, Verdict};
use crate::hub::Hub;
use crate::hub_state::HubState;
use crate::inlet::Inlet;
use crate::lifecycle::Lifecycle;
use crate::log::Log;
use crate::memory_log::MemoryLog;
use crate::node::Node;
use crate::publisher::Publisher;
use crate::queue::QueueLimits;
use crate::receipt::OnAppendFailure;

/// The upper bound for [`HubBuilder::max_delay`].
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The upper bound for [`HubBuilder::log_buffer`]: the ring is allocated as a whole.
const MAX_LOG_BUFFER: usize = 1 << 20;

/// The upper bound for [`HubBuilder::shards`].
const MAX_SHARDS: usize = 1024;

/// The settings of a [`Hub`].
///
/// ```
/// use std::time::Duration;
/// use sse_kit_broadcast::Hub;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sse_kit_broadcast::BuildError> {
/// let hub = Hub::builder()
///     .history(500)
///     .history_age(Duration::from_secs(3600))
///     .on_connect(|connection| Ok(println!("{} is here", connection.id())))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "settings make a hub when `build` is called"]
pub struct HubBuilder {
    queue: QueueLimits,
    retention: Retention,
    heartbeat: Option<Duration>,
    max_delay: Duration,
    shards: Option<usize>,
    log_buffer: usize,
    max_patterns_per_prefix: usize,
    log: Option<Arc<dyn Log>>,
    log_failure: OnAppendFailure,
    hooks: Hooks,
    hook_timeout: Duration,
    turn_timeout: Duration,
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            queue: QueueLimits { events: 100, bytes: 1 << 20 },
            retention: Retention { events_per_topic: 50, age: None, bytes: 64 << 20 },
            heartbeat: Some(Duration::from_secs(15)),
            max_delay: Duration::ZERO,
            shards: None,
            log_buffer: 1024,
            max_patterns_per_prefix: 1024,
            log: None,
            log_failure: OnAppendFailure::default(),
            hooks: Hooks::default(),
            hook_timeout: Duration::from_secs(5),
            turn_timeout: Duration::from_secs(10),
        }
    }

    /// How many events may wait for one connection. Default: 100.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue.events = events;
        self
    }

    /// How many bytes of events may wait for one connection; one event always may. The bytes are
    /// shared with history and with other connections. Default: 1 MiB.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue.bytes = bytes;
        self
    }

    /// How many events of each topic are kept for those who come back; 0 keeps none. Default: 50.
    pub fn history(mut self, events_per_topic: usize) -> Self {
        self.retention.events_per_topic = events_per_topic;
        self
    }

    /// How long they are kept at most. Default: as long as there is room.
    pub fn history_age(mut self, age: Duration) -> Self {
        self.retention.age = Some(age);
        self
    }

    /// How many bytes of them are kept, over all topics: then the oldest give way. Default: 64 MiB.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.retention.bytes = bytes;
        self
    }

    /// Sets how often connections get a sign of life. Default: 15 s, well below what proxies call idle.
    ///
    /// With `None` there is none. Then proxies end quiet streams, pages do not notice a dead connection, the age
    /// of a stream is looked at only when it sends an event, and clients that are gone without a word are
    /// found by the kernel alone.
    pub fn heartbeat(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = every.into();
        self
    }

    /// How long an event may wait for others, so that they are written together. Default: 0, so that only
    /// those are that were published in the same moment.
    ///
    /// With many events for each connection this saves writes: one each 20 ms instead of one for each
    /// event, when there are hundreds a second. Whoever's queue is half full is written to at once, and
    /// whoever is sent something alone. At most a minute.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets the number of fan-out tasks that share the connections, at most 1,024. Default: one for each
    /// worker of the runtime.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// How many events may wait for a fan-out task or a tap, before it goes on from history or
    /// reports a lag; at most 1,048,576. Default: 1024.
    pub fn log_buffer(mut self, events: usize) -> Self {
        self.log_buffer = events;
        self
    }

    /// How many different patterns that begin alike may be subscribed to, such as `*:17` and `**:log`,
    /// which both begin with a wildcard, or `jobs:*` and `jobs:*:log`. Default: 1024.
    ///
    /// Patterns are matched with a topic when it is first published to after patterns have come or
    /// gone, and only those that begin as it does. This bounds what that costs; where clients choose
    /// their patterns, it is what keeps them from slowing down each other. Equal patterns count
    /// once, whoever has them. Of sets of patterns of one subscription that may match the same
    /// topic there may be as many.
    pub fn max_patterns_per_prefix(mut self, patterns: usize) -> Self {
        self.max_patterns_per_prefix = patterns;
        self
    }

    /// The log that gives events their order. Default: a [`MemoryLog`].
    pub fn log(mut self, log: impl Log) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// What happens to an event that the log does not take. Default: publishing fails.
    pub fn on_append_failure(mut self, what: OnAppendFailure) -> Self {
        self.log_failure = what;
        self
    }

    /// How long a hook may take before it is passed over. Default: 5 s.
    pub fn hook_timeout(mut self, timeout: Duration) -> Self {
        self.hook_timeout = timeout;
        self
    }

    /// Sets the longest wait of a publish while the broadcast hooks are busy with other events, before it
    /// fails with [`PublishError::HooksBusy`](crate::PublishError::HooksBusy). Default: 10 s.
    pub fn turn_timeout(mut self, timeout: Duration) -> Self {
        self.turn_timeout = timeout;
        self
    }

    /// Calls `hook` when a connection was opened.
    ///
    /// Connect and disconnect hooks are called one at a time, in the order in which things
    /// happened and hooks were registered. A hook that fails or panics is logged and counted, and
    /// does no other harm.
    pub fn on_connect<F>(self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.on_connect_async(move |connection| future::ready(hook(connection)))
    }

    /// As [`HubBuilder::on_connect`], for a hook that waits.
    pub fn on_connect_async<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.hooks.on_connect(hook);
        self
    }

    /// Calls `hook` when a connection has ended, for whatever reason, once for each.
    pub fn on_disconnect<F>(self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>, CloseReason) -> Result<(), HookError> + Send + Sync + 'static,
    {
        self.on_disconnect_async(move |connection, why| future::ready(hook(connection, why)))
    }

    /// As [`HubBuilder::on_disconnect`], for a hook that waits.
    pub fn on_disconnect_async<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>, CloseReason) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), HookError>> + Send + 'static,
    {
        self.hooks.on_disconnect(hook);
        self
    }

    /// Asks `hook` before an event is published: it may let it pass, replace it or veto it.
    ///
    /// What it replaces is neither stored nor sent. Hooks are asked one event at a time, in the
    /// order in which `publish` was called; an event that a hook of another hub publishes does
    /// not wait for its turn. When a hook fails, panics or takes too long, the event passes as it was
    /// before that hook: a hook that guards something is a [`HubBuilder::guard`].
    pub fn on_broadcast<F>(self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> Result<Verdict, HookError> + Send + Sync + 'static,
    {
        self.on_broadcast_async(move |draft| future::ready(hook(draft)))
    }

    /// As [`HubBuilder::on_broadcast`], for a hook that waits; publishers wait for it too.
    pub fn on_broadcast_async<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Verdict, HookError>> + Send + 'static,
    {
        self.hooks.on_broadcast(hook, false);
        self
    }

    /// As [`HubBuilder::on_broadcast`], for a hook that fails closed: when it fails, panics or takes too
    /// long, nothing is published, and the publisher gets
    /// [`PublishError::GuardFailed`](crate::PublishError::GuardFailed).
    ///
    /// ```
    /// use sse_kit_broadcast::{Hub, PublishError, Verdict};
    /// use sse_kit_event::{Event, Topic};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::builder()
    ///     .guard(|draft| match draft.event().data().parse::<u32>()? {
    ///         0..100 => Ok(Verdict::Keep),
    ///         _ => Ok(Verdict::Veto),
    ///     })
    ///     .build()?;
    /// let topic: Topic = "percent".parse()?;
    /// let refused = hub.publish(&topic, Event::new("no number")).await;
    /// assert!(matches!(refused, Err(PublishError::GuardFailed)));
    /// # Ok(()) }
    /// ```
    pub fn guard<F>(self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> Result<Verdict, HookError> + Send + Sync + 'static,
    {
        self.guard_async(move |draft| future::ready(hook(draft)))
    }

    /// As [`HubBuilder::guard`], for a hook that waits; publishers wait for it too.
    pub fn guard_async<F, R>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Verdict, HookError>> + Send + 'static,
    {
        self.hooks.on_broadcast(hook, true);
        self
    }

    /// Makes the hub, and starts its tasks on the current runtime; they end with it.
    ///
    /// # Errors
    ///
    /// [`BuildError`] says which setting is wrong, or that there is no runtime.
    pub fn build(self) -> Result<Hub, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let shards = self.shards.unwrap_or_else(|| runtime.metrics().num_workers());
        self.check(shards)?;
        let log = match self.log {
            Some(log) => log,
            None => Arc::new(MemoryLog::new().map_err(BuildError::Random)?),
        };

        let counters = Arc::new(Counters::default());
        let guard = Guard { timeout: self.hook_timeout, counters: Arc::clone(&counters) };
        let hooks = Arc::new(self.hooks);
        let lifecycle = hooks.has_lifecycle().then(|| {
            let (lifecycle, task) = Lifecycle::new(Arc::clone(&hooks), guard.clone());
            runtime.spawn(task);
            lifecycle
        });
        let (mut ring, receiver) = async_broadcast::broadcast(self.log_buffer);
        ring.set_overflow(true);
        let receiver = receiver.deactivate();

        let state = HubState::new(log.position(), self.retention, self.max_patterns_per_prefix);
        let node = Arc::new(Node {
            state: Mutex::new(state),
            ring,
            shards: (0..shards).map(|_| Arc::default()).collect(),
            next_shard: AtomicUsize::new(0),
            lifecycle,
            counters,
            queue_limits: self.queue,
            heartbeat: self.heartbeat,
            shares_log: log.is_shared(),
        });
        // When all is there: a log may deliver at once, and from another thread. But before the fan-out
        // listens: what the log has from before is for history alone.
        log.attach(Inlet::new(&node));
        for shard in 0..shards {
            let coalescer = Coalescer::new(self.max_delay);
            let fan_out = FanOut::new(&node, shard, receiver.activate_cloned(), coalescer);
            runtime.spawn(fan_out.run());
        }
        drop(receiver);
        if let Some(every) = self.heartbeat {
            runtime.spawn(tick(every, Arc::downgrade(&node), Node::send_heartbeat));
        }
        if self.retention.age.is_some() {
            // Others may have the lock in between.
            let trim = |node: &Node| while node.state.lock().trim_history() {};
            runtime.spawn(tick(Duration::from_secs(1), Arc::downgrade(&node), trim));
        }
        let backfill = Arc::new(Backfill::new(Arc::clone(&log), Arc::clone(&node)));
        let judges = (hooks, guard);
        let publisher = Publisher::new(log, node, judges, self.turn_timeout, self.log_failure);
        Ok(Hub::with_parts(publisher, backfill))
    }

    fn check(&self, shards: usize) -> Result<(), BuildError> {
        for (setting, value, max) in [
            ("queue", self.queue.events, usize::MAX),
            ("queue_bytes", self.queue.bytes, usize::MAX),
            ("shards", shards, MAX_SHARDS),
            ("log_buffer", self.log_buffer, MAX_LOG_BUFFER),
            ("max_patterns_per_prefix", self.max_patterns_per_prefix, usize::MAX),
        ] {
            if value == 0 {
                return Err(BuildError::Zero { setting });
            }
            if value > max {
                return Err(BuildError::TooMany { setting, max });
            }
        }
        if self.heartbeat.is_some_and(|every| every.is_zero()) {
            return Err(BuildError::Zero { setting: "heartbeat" });
        }
        if self.max_delay > MAX_DELAY {
            return Err(BuildError::TooLong { setting: "max_delay", most: MAX_DELAY });
        }
        Ok(())
    }
}

/// Calls `act` every so often while there is a node.
async fn tick(every: Duration, node: Weak<Node>, act: impl Fn(&Node)) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.tick().await; // the first is at once
    loop {
        interval.tick().await;
        match node.upgrade() {
            Some(node) => act(&node),
            None => return,
        }
    }
}

/// Why there is no hub.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// It was called outside of a Tokio runtime, on which the fan-out tasks run.
    #[error("a hub is made within a Tokio runtime")]
    NoRuntime,
    /// A setting is 0 that must not be.
    #[error("`{setting}` is at least 1")]
    Zero {
        /// Its name.
        setting: &'static str,
    },
    /// A setting is larger than can be allocated for.
    #[error("`{setting}` is at most {max}")]
    TooMany {
        /// Its name.
        setting: &'static str,
        /// Its largest value.
        max: usize,
    },
    /// A setting is longer than makes sense.
    #[error("`{setting}` is at most {most:?}")]
    TooLong {
        /// Its name.
        setting: &'static str,
        /// How long it may be.
        most: Duration,
    },
    /// The operating system has no random number for the log's epoch.
    #[error("no random number for the epoch of the log")]
    Random(#[source] getrandom::Error),
}
