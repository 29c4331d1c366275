//! The settings of a hub.

mod retention;

use std::mem;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_broadcast::InactiveReceiver;
use parking_lot::Mutex;
use sse_kit_event::RandomError;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::backfill::Backfill;
use crate::coalescer::Coalescer;
use crate::connection::Connection;
use crate::connection_watch::ConnectionWatchers;
use crate::counters::Counters;
use crate::ending::CloseReason;
use crate::fan_out::FanOut;
use crate::hook_return::HookReturn;
use crate::hooks::{Draft, Guard, Hooks, Verdict};
use crate::hub::Hub;
use crate::hub_state::HubState;
use crate::inlet::Inlet;
use crate::lifecycle::Lifecycle;
use crate::log::Log;
use crate::memory_log::MemoryLog;
use crate::node::Node;
use crate::publisher::{Publisher, PublisherSettings};
use crate::queue_limits::QueueLimits;
use crate::receipt::OnAppendFailure;
use crate::retention::Retention;
use crate::ring::RingMessage;
use crate::tracing_links::{Propagation, TracePropagation};

/// The upper bound for [`HubBuilder::max_delay`].
const MAX_DELAY: Duration = Duration::from_secs(60);

/// The upper bound for [`HubBuilder::log_buffer`]: the whole ring is allocated at once.
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
/// # async fn main() -> Result<(), sse_kit_broadcast::HubBuildError> {
/// let hub = Hub::builder()
///     .history(500)
///     .history_age(Duration::from_secs(3600))
///     .on_connect(|connection| println!("{} is here", connection.id()))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "settings make a hub when `build` is called"]
pub struct HubBuilder {
    queue: QueueLimits,
    retention: Retention,
    backfill_bytes: usize,
    heartbeat: Option<Duration>,
    max_delay: Duration,
    shards: Option<usize>,
    log_buffer: usize,
    max_patterns_per_prefix: usize,
    log: Option<Arc<dyn Log>>,
    on_append_failure: OnAppendFailure,
    propagation: Propagation,
    hooks: Hooks,
    hook_timeout: Duration,
    turn_timeout: Duration,
}

impl HubBuilder {
    pub(crate) fn new() -> Self {
        Self {
            queue: QueueLimits { events: 100, bytes: 1 << 20 },
            retention: Retention {
                events_per_topic: 50,
                events_by_topic: Vec::new(),
                age: None,
                age_by_topic: Vec::new(),
                bytes: 64 << 20,
            },
            backfill_bytes: 64 << 20,
            heartbeat: Some(Duration::from_secs(15)),
            max_delay: Duration::ZERO,
            shards: None,
            log_buffer: 1024,
            max_patterns_per_prefix: 1024,
            log: None,
            on_append_failure: OnAppendFailure::default(),
            propagation: None,
            hooks: Hooks::default(),
            hook_timeout: Duration::from_secs(5),
            turn_timeout: Duration::from_secs(10),
        }
    }

    /// Sets the maximum number of events that wait for one connection. Default: 100.
    pub fn queue(mut self, events: usize) -> Self {
        self.queue.events = events;
        self
    }

    /// Sets the maximum size of the events that wait for one connection, in bytes; a single larger
    /// event is still accepted. The bytes are shared with history and with other connections, except
    /// for those of a [backfill](Self::backfill_bytes). Default: 1 MiB.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue.bytes = bytes;
        self
    }

    /// Sets the maximum size of the events that were read from the log by
    /// [`SubscriptionBuilder::backfill`](crate::SubscriptionBuilder::backfill) and that clients have
    /// not taken yet, in bytes, over all connections. A subscription whose events do not fit starts
    /// with a gap. Default: 64 MiB.
    ///
    /// These events are in no history, so each connection has its own copy of them.
    pub fn backfill_bytes(mut self, bytes: usize) -> Self {
        self.backfill_bytes = bytes;
        self
    }

    /// Sets the heartbeat interval. Default: 15 s, well below the idle timeouts of common proxies.
    ///
    /// `None` disables heartbeats. Then proxies end quiet streams, pages do not notice a dead
    /// connection, the maximum age of a stream is checked only when it sends an event, and only the
    /// kernel detects clients that vanish without closing the connection.
    pub fn heartbeat(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = every.into();
        self
    }

    /// Sets the maximum time that an event waits so that several are written together. Default: 0,
    /// which batches only events published at the same moment.
    ///
    /// At hundreds of events per second, 20 ms turns one write per event into one write per 20 ms.
    /// A connection whose queue is half full, that an event did not fit into, or that is sent a direct
    /// message is flushed immediately. The maximum is 60 s.
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// Sets the number of fan-out tasks that share the connections, at most 1,024. Default: one per
    /// worker thread of the runtime.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Sets the number of events that may wait for a fan-out task or a tap; from 1 to 1,048,576. When
    /// the buffer overflows, connections catch up from history, and taps report a lag. The whole
    /// buffer is allocated at the start. Default: 1,024.
    pub fn log_buffer(mut self, events: usize) -> Self {
        self.log_buffer = events;
        self
    }

    /// Sets the maximum number of different subscribed patterns that share a literal prefix. `*:17`
    /// and `**:log` share the empty prefix; `jobs:*` and `jobs:*:log` share `jobs:`. Default:
    /// 1,024.
    ///
    /// After patterns were added or removed, the next event on a topic matches that topic against
    /// the patterns that share its prefix. This limit bounds that cost: where clients choose their
    /// patterns, it keeps them from slowing down others. Equal patterns count once over all
    /// subscriptions. The same limit applies to the number of different sets of patterns within one
    /// subscription that can match the same topic.
    pub fn max_patterns_per_prefix(mut self, patterns: usize) -> Self {
        self.max_patterns_per_prefix = patterns;
        self
    }

    /// Sets the log, which orders the events. Default: a [`MemoryLog`].
    pub fn log(mut self, log: impl Log) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// Sets what happens to an event that the log does not accept. Default: the publish fails.
    pub fn on_append_failure(mut self, what: OnAppendFailure) -> Self {
        self.on_append_failure = what;
        self
    }

    /// Connects the hub to distributed traces: each event carries the trace of its publisher through
    /// the log, and each node links its deliveries to it. Default: no propagation.
    ///
    /// The spans themselves are of the crate `tracing`, at the level debug, with or without this.
    pub fn propagate_traces(mut self, propagation: impl TracePropagation) -> Self {
        self.propagation = Some(Arc::new(propagation));
        self
    }

    /// Sets the timeout of one hook call; a hook that exceeds it is skipped. Default: 5 s.
    pub fn hook_timeout(mut self, timeout: Duration) -> Self {
        self.hook_timeout = timeout;
        self
    }

    /// Sets the maximum time that a publish waits while the broadcast hooks are busy with other
    /// events. After that it fails with
    /// [`PublishError::HooksBusy`](crate::PublishError::HooksBusy). Default: 10 s.
    pub fn turn_timeout(mut self, timeout: Duration) -> Self {
        self.turn_timeout = timeout;
        self
    }

    /// Calls `hook` after a connection opened.
    ///
    /// The hub calls connect and disconnect hooks one at a time, in the order of the events and,
    /// for each event, in order of registration. If a hook fails or panics, the hub logs and counts
    /// that and continues.
    pub fn on_connect<F, R, K>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>) -> R + Send + Sync + 'static,
        R: HookReturn<(), K>,
    {
        self.hooks.on_connect(hook);
        self
    }

    /// Calls `hook` once after each connection ended, for any reason.
    pub fn on_disconnect<F, R, K>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Connection>, CloseReason) -> R + Send + Sync + 'static,
        R: HookReturn<(), K>,
    {
        self.hooks.on_disconnect(hook);
        self
    }

    /// Calls `hook` before an event is published. The hook may keep, replace or veto the event: it returns a
    /// [`Verdict`], a `Result` of one with any error, or a future of either. See [`HookReturn`].
    ///
    /// A replaced event is neither stored nor sent. The hub runs the hooks for one event at a time,
    /// in the order of the calls to `publish`; only an event that a hook of another hub publishes
    /// does not wait for its turn. If a hook fails, panics or times out, the event continues as it
    /// was before that hook. To block events in that case, use [`HubBuilder::guard`].
    ///
    /// Publishers wait for a hook that returns a future.
    pub fn on_broadcast<F, R, K>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: HookReturn<Verdict, K>,
    {
        self.hooks.on_broadcast(hook, false);
        self
    }

    /// Calls `hook` as [`HubBuilder::on_broadcast`] does, but fails closed: if the hook fails,
    /// panics or times out, nothing is published, and the publisher gets
    /// [`PublishError::GuardFailed`](crate::PublishError::GuardFailed).
    ///
    /// ```
    /// use sse_kit_broadcast::{Hub, PublishError, Verdict};
    /// use sse_kit_event::{Event, Topic};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::builder()
    ///     .guard(|draft| match draft.event().data().parse() {
    ///         Ok(0..=100) => Ok(Verdict::Keep),
    ///         Ok(_) => Ok(Verdict::Veto),
    ///         Err(error) => Err(error),
    ///     })
    ///     .build()?;
    /// let topic: Topic = "percent".parse()?;
    /// let refused = hub.publish(&topic, Event::new("no number")).await;
    /// assert!(matches!(refused, Err(PublishError::GuardFailed)));
    /// # Ok(()) }
    /// ```
    pub fn guard<F, R, K>(mut self, hook: F) -> Self
    where
        F: Fn(Arc<Draft>) -> R + Send + Sync + 'static,
        R: HookReturn<Verdict, K>,
    {
        self.hooks.on_broadcast(hook, true);
        self
    }

    /// Creates the hub and starts its tasks on the current Tokio runtime; they end with the hub.
    ///
    /// # Errors
    ///
    /// [`HubBuildError`] if a setting is invalid, or outside of a Tokio runtime.
    pub fn build(mut self) -> Result<Hub, HubBuildError> {
        let runtime = Handle::try_current().map_err(|_| HubBuildError::NoRuntime)?;
        let shards = self.shards.unwrap_or_else(|| runtime.metrics().num_workers());
        self.check(shards)?;
        let log = match self.log.take() {
            Some(log) => log,
            None => Arc::new(MemoryLog::new().map_err(HubBuildError::Random)?),
        };

        let counters = Arc::new(Counters::default());
        let guard = Guard { timeout: self.hook_timeout, counters: Arc::clone(&counters) };
        let hooks = Arc::new(mem::take(&mut self.hooks));
        let lifecycle = hooks.has_lifecycle().then(|| {
            let (lifecycle, task) = Lifecycle::new(Arc::clone(&hooks), guard.clone());
            runtime.spawn(task);
            lifecycle
        });
        let (mut ring, receiver) = async_broadcast::broadcast(self.log_buffer);
        ring.set_overflow(true);
        let receiver = receiver.deactivate();

        let state = HubState::new(
            log.position(),
            log.lineage(),
            self.retention.clone(),
            self.max_patterns_per_prefix,
        );
        let node = Arc::new(Node {
            state: Mutex::new(state),
            ring,
            shards: (0..shards).map(|_| Arc::default()).collect(),
            next_shard: AtomicUsize::new(0),
            lifecycle,
            counters,
            watchers: ConnectionWatchers::default(),
            queue_limits: self.queue,
            heartbeat: self.heartbeat,
            shares_log: log.is_shared(),
        });
        // Attach only when everything is in place: a log may deliver at once, from another thread.
        // But attach before the fan-out listens: records from before belong in history only.
        log.attach(Inlet::new(&node));
        self.spawn_tasks(&runtime, &node, &receiver);
        let backfill = Backfill::new(Arc::clone(&log), Arc::clone(&node), self.backfill_bytes);
        let settings = PublisherSettings {
            hooks,
            guard,
            turn_timeout: self.turn_timeout,
            on_append_failure: self.on_append_failure,
            propagation: self.propagation,
        };
        let publisher = Publisher::new(log, node, settings);
        Ok(Hub::with_parts(publisher, Arc::new(backfill)))
    }

    /// Spawns the tasks that end with the node.
    fn spawn_tasks(
        &self,
        runtime: &Handle,
        node: &Arc<Node>,
        ring: &InactiveReceiver<RingMessage>,
    ) {
        for shard in 0..node.shards.len() {
            let coalescer = Coalescer::new(self.max_delay);
            let propagation = self.propagation.clone();
            let fan_out = FanOut::new(node, shard, ring.activate_cloned(), coalescer, propagation);
            runtime.spawn(fan_out.run());
        }
        if let Some(every) = self.heartbeat {
            runtime.spawn(tick(every, Arc::downgrade(node), Node::send_heartbeat));
        }
        if self.retention.expires() {
            // Other tasks may take the lock in between.
            let trim = |node: &Node| while node.state.lock().trim_history() {};
            runtime.spawn(tick(Duration::from_secs(1), Arc::downgrade(node), trim));
        }
    }

    fn check(&self, shards: usize) -> Result<(), HubBuildError> {
        for (setting, value, max) in [
            ("queue", self.queue.events, usize::MAX),
            ("queue_bytes", self.queue.bytes, usize::MAX),
            ("shards", shards, MAX_SHARDS),
            ("log_buffer", self.log_buffer, MAX_LOG_BUFFER),
            ("max_patterns_per_prefix", self.max_patterns_per_prefix, usize::MAX),
        ] {
            if value == 0 {
                return Err(HubBuildError::Zero { setting });
            }
            if value > max {
                return Err(HubBuildError::TooMany { setting, max });
            }
        }
        if self.heartbeat.is_some_and(|every| every.is_zero()) {
            return Err(HubBuildError::Zero { setting: "heartbeat" });
        }
        if self.max_delay > MAX_DELAY {
            return Err(HubBuildError::TooLong { setting: "max_delay", max: MAX_DELAY });
        }
        Ok(())
    }
}

/// Calls `act` once per interval until the node is gone.
async fn tick(every: Duration, node: Weak<Node>, act: impl Fn(&Node)) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.tick().await; // the first tick completes immediately
    loop {
        interval.tick().await;
        match node.upgrade() {
            Some(node) => act(&node),
            None => return,
        }
    }
}

/// The reason why a hub was not built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubBuildError {
    /// The call was made outside of a Tokio runtime, which runs the fan-out tasks.
    #[error("there is no Tokio runtime; build the hub within one")]
    NoRuntime,
    /// A setting is 0 but must not be.
    #[error("`{setting}` is 0; set it to 1 or more")]
    Zero {
        /// The name of the setting.
        setting: &'static str,
    },
    /// A number is larger than its upper bound.
    #[error("`{setting}` is too large; set it to {max} or less")]
    TooMany {
        /// The name of the setting.
        setting: &'static str,
        /// The maximum value.
        max: usize,
    },
    /// A duration is longer than its upper bound.
    #[error("`{setting}` is too long; set it to {max:?} or less")]
    TooLong {
        /// The name of the setting.
        setting: &'static str,
        /// The maximum duration.
        max: Duration,
    },
    /// The operating system provides no random number for the epoch of the log.
    #[error("the operating system provided no random number for the epoch of the log")]
    Random(#[source] RandomError),
}
