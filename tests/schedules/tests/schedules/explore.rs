//! Trying a scene in many schedules, and what all scenes have in common.

use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use sse_kit_event::{Audience, Epoch, Event, EventId, Topic};
use sse_kit_schedules::{Delivery, Goodbye, Hub, HubBuilder, Log, MemoryLog, Subscription};
use sse_kit_test_support::{scaled, seed};

pub(crate) const BACK: Goodbye = Goodbye::ComeBack { within: Duration::from_secs(5) };

const EPOCH: Epoch = Epoch::new(7);

/// The settings of a hub.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The number of messages that the ring holds: with few, fan-out tasks lag.
    pub(crate) log_buffer: usize,
    /// The number of events that a queue holds: with few, subscribers lag.
    pub(crate) queue: usize,
    pub(crate) shards: usize,
    pub(crate) max_delay: Duration,
}

/// Nothing lags, everything lags, and what is between.
pub(crate) const SETTINGS: [Setting; 5] = {
    let roomy = Setting { log_buffer: 64, queue: 64, shards: 1, max_delay: Duration::ZERO };
    [
        roomy,
        Setting { queue: 1, shards: 2, ..roomy },
        Setting { log_buffer: 1, ..roomy },
        Setting { max_delay: Duration::from_secs(1), queue: 4, ..roomy },
        Setting { log_buffer: 2, queue: 2, max_delay: Duration::from_secs(1), shards: 2 },
    ]
};

impl Setting {
    pub(crate) fn hub(self) -> Hub {
        self.hub_with(|builder| builder)
    }

    pub(crate) fn hub_of(self, log: impl Log) -> Hub {
        self.hub_with(|builder| builder.log(log))
    }

    pub(crate) fn hub_with(self, more: impl FnOnce(HubBuilder) -> HubBuilder) -> Hub {
        let Self { log_buffer, queue, shards, max_delay } = self;
        let builder = Hub::builder()
            .log(MemoryLog::with_epoch(EPOCH))
            .log_buffer(log_buffer)
            .queue(queue)
            .shards(shards)
            .max_delay(max_delay)
            .heartbeat(None);
        more(builder).build().expect("the settings are right")
    }
}

/// Plays a scene in so many schedules of each setting: half of them random at every step, and half
/// with few changes of thread, which finds other faults.
///
/// In `cargo xtask soak` there are more, by another seed.
pub(crate) fn explore(schedules: u32, settings: &[Setting], scene: fn(Setting)) {
    let (seed, schedules) = (seed(), scaled(schedules) as usize / 2);
    for setting in settings.iter().copied() {
        eprintln!("{setting:?}");
        let mut config = Config::new();
        config.stack_size = 256 << 10;
        config.max_steps = MaxSteps::FailAfter(100_000);
        // The seed is enough to try it again.
        config.failure_persistence = FailurePersistence::None;
        let random = RandomScheduler::new_from_seed(seed, schedules);
        Runner::new(random, config.clone()).run(move || scene(setting));
        let few_changes = PctScheduler::new_from_seed(seed, 3, schedules);
        Runner::new(few_changes, config).run(move || scene(setting));
    }
}

pub(crate) fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

/// Publishes on a thread of its own, so often to each of these in turn.
pub(crate) fn publish_on_thread(
    hub: &Hub,
    rounds: usize,
    audiences: Vec<Audience>,
) -> JoinHandle<()> {
    let hub = hub.clone();
    shuttle::thread::spawn(move || {
        for _ in 0..rounds {
            for audience in &audiences {
                publish(&hub, audience);
            }
        }
    })
}

/// Waits for all of these, which end when what they are to see is so.
pub(crate) fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("it held");
    }
}

pub(crate) fn publish(hub: &Hub, audience: &Audience) -> EventId {
    let event = Event::new(audience.to_string());
    shuttle::future::block_on(hub.publish(audience, event)).expect("it is open").id
}

/// A subscriber, and the position that it has come to.
pub(crate) struct Reader {
    pub(crate) subscription: Subscription,
    pub(crate) at: EventId,
}

impl Reader {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self { at: subscription.cursor(), subscription }
    }

    /// Waits for the next delivery; of events, none comes twice or out of order.
    pub(crate) fn next(&mut self) -> Option<Delivery> {
        let delivery = shuttle::future::block_on(self.subscription.recv());
        self.note(delivery.as_ref());
        delivery
    }

    /// Waits for the next delivery, and gives up at some moment.
    pub(crate) fn try_next(&mut self) -> Option<Delivery> {
        let next = tokio::time::timeout(Duration::from_secs(1), self.subscription.recv());
        let delivery = shuttle::future::block_on(next).ok()?;
        self.note(delivery.as_ref());
        delivery
    }

    fn note(&mut self, delivery: Option<&Delivery>) {
        if let Some(Delivery::Entry(entry)) = delivery {
            let id = entry.id();
            assert!(id.offset() > self.at.offset(), "{id} comes after {}", self.at);
            self.at = id;
        }
    }

    /// Reads so many events, and nothing else. When one is lost this never ends, which shuttle calls
    /// a deadlock.
    pub(crate) fn read(&mut self, events: usize) {
        for _ in 0..events {
            let delivery = self.next();
            assert!(matches!(delivery, Some(Delivery::Entry(_))), "{delivery:?}");
        }
    }

    /// Reads events up to the goodbye and the end, and returns how many there were.
    pub(crate) fn read_to_goodbye(&mut self) -> usize {
        let mut events = 0;
        loop {
            match self.next() {
                Some(Delivery::Entry(_)) => events += 1,
                Some(Delivery::Goodbye(BACK)) => break,
                other => panic!("{other:?} before the goodbye"),
            }
        }
        let last = self.next();
        assert!(last.is_none(), "{last:?} after the goodbye");
        events
    }
}
