//! A hub with much of something.

use std::hint::black_box;

use sse_kit_broadcast::{Delivery, Hub, PresenceWatch, Start, Subscription};
use sse_kit_event::{Audience, ConnectionId, Event, LastEventId, Topic, Topics};
use tokio::runtime::Runtime;

/// The topic that is used.
pub(crate) const OWN: &str = "t:own";

/// The number of events on it that a client missed that resumes.
pub(crate) const MISSED: usize = 50;

/// The number of replays in one measurement.
const REPLAYS: usize = 10;

/// A hub, and all who are there.
pub(crate) struct World {
    runtime: Runtime,
    pub(crate) hub: Hub,
    /// Three on the topic that is used, which take what is published there.
    pub(crate) listening: Vec<Subscription>,
    /// These take nothing.
    pub(crate) others: Vec<Subscription>,
    watches: Vec<PresenceWatch>,
    /// From before the events that were missed.
    missed_from: LastEventId,
}

impl World {
    /// A hub with room for some `n` events, in which a client missed [`MISSED`] events on the topic that is used,
    /// and then one on `last`.
    pub(crate) fn new(n: usize) -> Self {
        Self::with(n, |_| {})
    }

    /// As [`World::new`], filled before that.
    pub(crate) fn with(n: usize, fill: impl FnOnce(&mut Self)) -> Self {
        Self::with_history(n, 2 * n + 1_000, fill)
    }

    /// As [`World::with`], with a history of so many events of each topic.
    pub(crate) fn with_history(n: usize, history: usize, fill: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::empty(n, history);
        fill(&mut world);
        world.missed_from = world.hub.cursor().into();
        world.publish_and_take(MISSED, |_| Event::new("x"));
        world.publish_to(1, |_| "last".to_owned());
        world
    }

    /// A hub in which a client missed `n` events, and nobody else is there.
    pub(crate) fn missed(n: usize, to: impl Fn(usize) -> String) -> Self {
        let mut world = Self::empty(n, 2 * n + 1_000);
        world.listening.clear();
        world.publish_to(n, to);
        world
    }

    fn empty(n: usize, history: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let within = runtime.enter();
        let builder = Hub::builder().heartbeat(None).shards(1).history(history);
        let hub = builder.max_patterns_per_prefix(2 * n).build().expect("good settings");
        drop(within);
        let listen = |_| hub.subscribe(topic(OWN)).open().expect("it is open");
        let listening = (0..3).map(listen).collect();
        let missed_from = hub.cursor().into();
        Self { runtime, hub, listening, others: Vec::new(), watches: Vec::new(), missed_from }
    }

    pub(crate) fn connected(mut self, n: usize, to: impl Fn(usize) -> String) -> Self {
        let open = |n| self.hub.subscribe(topics(&[&to(n)])).open().expect("it is open");
        self.others.extend((0..n).map(open));
        self
    }

    pub(crate) fn watched(mut self, n: usize, room: impl Fn(usize) -> String) -> Self {
        self.watches.extend((0..n).map(|n| self.hub.watch_presence(&topic(&room(n)))));
        self
    }

    /// Lets the tasks of the hub do what there is to do.
    pub(crate) fn settle(&self) {
        self.runtime.block_on(async {
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Publishes `n` events to topics that nobody listens to.
    pub(crate) fn publish_to(&mut self, n: usize, to: impl Fn(usize) -> String) {
        for n in 0..n {
            let publish = self.hub.publish(topic(&to(n)), Event::new("x"));
            self.runtime.block_on(publish).expect("it is open");
            if n % 64 == 0 {
                self.settle();
            }
        }
        self.settle();
    }

    /// Publishes `n` events to the topic that is used, and lets the listeners take each.
    pub(crate) fn publish_and_take(&mut self, n: usize, event: impl Fn(usize) -> Event) {
        let Self { runtime, hub, listening, .. } = self;
        runtime.block_on(async {
            for n in 0..n {
                hub.publish(topic(OWN), event(n)).await.expect("it is open");
                take_one_each(listening).await;
            }
        });
    }

    /// Publishes one event, and lets the others take it.
    pub(crate) fn publish_to_others(&mut self, audience: &Audience) {
        let Self { runtime, hub, others, .. } = self;
        runtime.block_on(async {
            hub.publish(audience, Event::new("x")).await.expect("it is open");
            take_one_each(others).await;
        });
    }

    /// Publishes one event to all but these, and lets the others take it.
    pub(crate) fn publish_except(&mut self, except: Vec<ConnectionId>) {
        let Self { runtime, hub, others, .. } = self;
        runtime.block_on(async {
            let publish = hub.except(except);
            publish.publish(topic(OWN), Event::new("x")).await.expect("it is open");
            take_one_each(others).await;
        });
    }

    /// Lets the others take all that is left for them.
    pub(crate) fn take_until_end(&mut self) {
        let Self { runtime, others, .. } = self;
        runtime.block_on(async {
            for other in others {
                while let Some(delivery) = other.recv().await {
                    black_box(delivery);
                }
            }
        });
    }

    /// Resumes from before what was missed, and takes so many events.
    pub(crate) fn resume(&self, topics: &[&str], events: usize) {
        self.replay(topics, Some(&self.missed_from), Start::Now, events);
    }

    /// Begins anew, and takes so many events.
    pub(crate) fn begin(&self, topics: &[&str], start: Start, events: usize) {
        self.replay(topics, None, start, events);
    }

    fn replay(&self, to: &[&str], resume: Option<&LastEventId>, start: Start, events: usize) {
        for _ in 0..REPLAYS {
            let subscribe = self.hub.subscribe(topics(to)).resume(resume.cloned()).start(start);
            let mut subscription = subscribe.open().expect("it is open");
            self.runtime.block_on(async {
                for _ in 0..events {
                    let delivery = subscription.recv().await;
                    assert!(matches!(delivery, Some(Delivery::Entry(_))), "{delivery:?}");
                }
            });
        }
    }
}

async fn take_one_each(subscriptions: &mut [Subscription]) {
    for subscription in subscriptions {
        black_box(subscription.recv().await);
    }
}

pub(crate) fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

fn topics(names: &[&str]) -> Topics {
    Topics::parse(names).expect("topics")
}
