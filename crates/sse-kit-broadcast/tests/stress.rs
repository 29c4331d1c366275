//! Real threads: events are published, and subscribers join, lag, leave and come back, all at once.
//! The model test tries orders of events that one thread can make; this one looks for those that
//! only several can.

use std::collections::HashMap;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use sse_kit_broadcast::{Delivery, Entry, Hub, SlowConsumer, Stats};
use sse_kit_event::{Event, EventId, LastEventId, Topic, Topics};
use sse_kit_test_support::{in_time, rng, until};

const WORKERS: usize = 4;
const PUBLISHERS: u64 = 3;
/// Of each publisher.
const EVENTS: u64 = 4_000;
/// Of these, how many the first publisher publishes while nobody else can run.
const BURST: u64 = 64;
const TOPICS: u64 = 4;
const SUBSCRIBERS: usize = 24;

/// The events that one client has seen over all its connections: from each publisher, on each topic, every
/// event, once and in order.
struct Client {
    hub: Hub,
    topics: Topics,
    cursor: EventId,
    policy: SlowConsumer,
    /// The next event of each publisher.
    next: HashMap<u64, u64>,
    random: fastrand::Rng,
    /// The number of events that it has yet to see.
    missing: u64,
}

impl Client {
    /// Comes and goes until it has seen all that is published.
    async fn run(mut self) {
        while self.missing > 0 {
            let resume = LastEventId::from(self.cursor);
            let subscribe = self.hub.subscribe(self.topics.clone()).resume(resume);
            let mut subscription =
                subscribe.queue(4).slow_consumer(self.policy).open().expect("it is open");
            let patience = self.random.u64(..200);
            for _ in 0..patience {
                if self.random.u64(..50) == 0 {
                    // It lags: its queue is full many times over when it reads on.
                    tokio::time::sleep(Duration::from_millis(self.random.u64(..3))).await;
                }
                match subscription.recv().await {
                    Some(Delivery::Entry(entry)) => self.saw(&entry),
                    Some(Delivery::Heartbeat { .. }) => {}
                    Some(other) => panic!("history is long enough, so why {other:?}"),
                    // Ended as too slow.
                    None => break,
                }
                if self.missing == 0 {
                    break;
                }
            }
        }
    }

    fn saw(&mut self, entry: &Entry) {
        let id = entry.id();
        assert!(id.offset() > self.cursor.offset(), "{id} after {}", self.cursor);
        self.cursor = id;
        let text = std::str::from_utf8(entry.frame()).expect("UTF-8");
        let text = text.strip_prefix("data: ").and_then(|text| text.split_once('\n'));
        let (publisher, n) = text.and_then(|(text, _)| text.split_once(' ')).expect("two numbers");
        let [publisher, n] = [publisher, n].map(|number| number.parse::<u64>().expect("a number"));
        // Each publisher goes round its topics, and this client has one of them, or all.
        let step = if self.topics.patterns().is_empty() { TOPICS } else { 1 };
        let next = self.next.entry(publisher).or_insert(n % step);
        assert_eq!(n, *next, "of publisher {publisher} to {:?}", self.topics);
        *next += step;
        self.missing -= 1;
    }
}

fn topic(n: u64) -> Topic {
    format!("stress:{}", n % TOPICS).parse().expect("a topic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_repeated_or_out_of_order_where_queues_overflow() {
    stressed(1024, |stats| stats.lagged > 0 && stats.evicted > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_repeated_or_out_of_order_where_the_fan_out_lags() {
    stressed(8, |stats| stats.fan_out_lags > 0).await;
}

/// Publishes and subscribes with a ring of this length, and histories of which nothing is trimmed;
/// under a strain that comes for certain.
async fn stressed(log_buffer: usize, is_strained: fn(Stats) -> bool) {
    let hub = Hub::builder()
        .log_buffer(log_buffer)
        .history(usize::try_from(PUBLISHERS * EVENTS).expect("small"))
        .heartbeat(Duration::from_millis(20))
        .build()
        .expect("the settings are right");
    // These read nothing, so their queues overflow.
    let idle = [SlowConsumer::Heal, SlowConsumer::Disconnect].map(|policy| {
        let subscribe = hub.subscribe(topic(0)).queue(4).slow_consumer(policy);
        subscribe.open().expect("it is open")
    });
    let mut random = rng();
    let clients: Vec<_> = (0..SUBSCRIBERS)
        .map(|n| {
            let number = n as u64;
            let (topics, missing) = match n % 3 {
                0 => (Topics::parse(["stress:*"]).expect("a pattern"), PUBLISHERS * EVENTS),
                _ => (topic(number).into(), PUBLISHERS * EVENTS / TOPICS),
            };
            let policy = match n % 4 {
                0 => SlowConsumer::Disconnect,
                _ => SlowConsumer::Heal,
            };
            let client = Client {
                hub: hub.clone(),
                topics,
                cursor: hub.cursor(),
                policy,
                next: HashMap::new(),
                random: random.fork(),
                missing,
            };
            tokio::spawn(client.run())
        })
        .collect();
    let release = hold_the_workers();
    for n in 0..BURST {
        publish(&hub, 0, n).await;
    }
    release.wait();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let hub = hub.clone();
            let begin = if publisher == 0 { BURST } else { 0 };
            tokio::spawn(async move {
                for n in begin..EVENTS {
                    publish(&hub, publisher, n).await;
                    if n % 64 == 0 {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        })
        .collect();
    let all = futures_util::future::join_all(publishers.into_iter().chain(clients));
    for one in in_time("all has been seen", all).await {
        one.expect("what it saw was right");
    }
    until("it was a strain", || is_strained(hub.stats())).await;
    drop(idle);
    let stats = hub.stats();
    assert_eq!((stats.connections, stats.patterns), (0, 0));
    assert_eq!(stats.opened, stats.closed);
    assert_eq!(stats.gaps, 0);
}

async fn publish(hub: &Hub, publisher: u64, n: u64) {
    let event = Event::new(format!("{publisher} {n}"));
    hub.publish(&topic(n), event).await.expect("it is open");
}

/// Keeps all workers of the runtime busy, so that no other task runs, until the barrier is waited at.
fn hold_the_workers() -> Arc<Barrier> {
    let (held, release) =
        (Arc::new(Barrier::new(WORKERS + 1)), Arc::new(Barrier::new(WORKERS + 1)));
    for _ in 0..WORKERS {
        let (held, release) = (Arc::clone(&held), Arc::clone(&release));
        tokio::spawn(async move {
            held.wait();
            release.wait();
        });
    }
    held.wait();
    release
}
