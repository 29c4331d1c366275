//! The time that a publish takes while clients resume patterns that very many topics match.
//!
//! In the test command this is a small test of facts: everything is replayed, once and in order, also while a
//! publisher is as fast as it can be. `cargo xtask soak` does it with 50,000 topics, and compares times: those beside
//! clients that resume here with those beside clients that resume at another hub, which take as much of the processor
//! and nothing of this hub. What is left is what resuming itself makes a publisher wait for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sse_kit_broadcast::{Delivery, Hub};
use sse_kit_event::{Event, EventId, LastEventId, Topic, Topics};
use sse_kit_test_support::{in_time, until};

const CLIENTS: usize = 4;
const EVENTS_PER_TOPIC: u64 = 4;

/// The number of measurements of each kind. The best one counts: it is the one that others on the
/// machine disturbed least.
const ROUNDS: usize = 5;
const WINDOW: Duration = Duration::from_secs(1);

/// The factor by which a publish may take longer while clients resume here, and not at another hub.
const LIMIT: u32 = 2;

/// The topics that clients resume, and the number of events that they get then.
#[derive(Clone, Copy)]
struct Resumed {
    topics: &'static [&'static str],
    events: u64,
}

impl Resumed {
    /// Among so many topics of which each has four events: all, all of a kind, and none of them.
    fn among(topics: u64) -> [Self; 3] {
        let all = topics * EVENTS_PER_TOPIC;
        [
            Self { topics: &["**"], events: all + 1 },
            Self { topics: &["t:*"], events: all },
            Self { topics: &["t:*:nothing", "last"], events: 1 },
        ]
    }
}

fn is_soak() -> bool {
    std::env::var_os("SSE_KIT_SOAK").is_some()
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

/// A hub with four events on each of many topics, and the position before them.
async fn hub_with(topics: u64) -> (Hub, EventId) {
    let hub = Hub::builder().heartbeat(None).build().expect("good settings");
    let before = hub.cursor();
    for _ in 0..EVENTS_PER_TOPIC {
        for n in 0..topics {
            hub.publish(topic(&format!("t:{n}")), Event::new("x")).await.expect("it is open");
        }
    }
    hub.publish(topic("last"), Event::new("x")).await.expect("it is open");
    (hub, before)
}

/// Resumes, and reads until everything is there that was published before.
async fn replay(hub: &Hub, before: EventId, resumed: Resumed) {
    let topics = Topics::parse(resumed.topics).expect("topics");
    let resume = LastEventId::from(before);
    let mut subscription = hub.subscribe(topics).resume(resume).open().expect("it is open");
    let (mut last, mut events) = (before.offset(), 0);
    while events < resumed.events {
        tokio::task::coop::consume_budget().await;
        match subscription.recv().await.expect("it is open") {
            Delivery::Entry(entry) => {
                let offset = entry.id().offset();
                assert!(offset > last, "{offset} after {last}");
                last = offset;
                events += u64::from(entry.topic().is_some_and(|topic| topic.as_str() != "hot"));
            }
            // Of the topic that is published to meanwhile.
            Delivery::Gap(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
}

/// Clients that resume, and do so again when they have everything, until this is dropped.
struct Clients {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    replays: Arc<AtomicU64>,
}

impl Clients {
    fn resuming(load: Load<'_>) -> Self {
        let replays = Arc::new(AtomicU64::new(0));
        let resuming = |(hub, before, resumed): (&Hub, EventId, Resumed)| {
            let (hub, replays) = (hub.clone(), Arc::clone(&replays));
            tokio::spawn(async move {
                loop {
                    replay(&hub, before, resumed).await;
                    replays.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let tasks = load.into_iter().flat_map(|load| [load; CLIENTS]).map(resuming);
        Self { tasks: tasks.collect(), replays }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The times that publishing took.
#[derive(Clone, Copy)]
struct Times {
    median: Duration,
    p99: Duration,
    longest: Duration,
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, p99, longest } = self;
        write!(f, "p50 {median:.1?}, p99 {p99:.1?}, longest {longest:.1?}")
    }
}

/// Clients that resume, where there are any.
type Load<'a> = Option<(&'a Hub, EventId, Resumed)>;

/// Publishes some 3,000 times a second, and measures each time.
fn publish_for(hub: &Hub, window: Duration) -> Times {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let hot = topic("hot");
    let until = Instant::now() + window;
    let mut times = Vec::new();
    while Instant::now() < until {
        let begin = Instant::now();
        runtime.block_on(hub.publish(&hot, Event::new("x"))).expect("it is open");
        times.push(begin.elapsed());
        thread::sleep(Duration::from_micros(250));
    }
    times.sort_unstable();
    let at = |percent: usize| times[((times.len() - 1) * percent).div_ceil(100)];
    Times { median: at(50), p99: at(99), longest: at(100) }
}

/// Measures publishing beside clients that resume, and how often they have got everything meanwhile.
async fn publish_beside(load: Load<'_>, hub: &Hub) -> (Times, u64) {
    let clients = Clients::resuming(load);
    let publishing = hub.clone();
    let measuring = tokio::task::spawn_blocking(move || publish_for(&publishing, WINDOW));
    let times = measuring.await.expect("it measures");
    (times, clients.replays.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_does_not_wait_for_clients_that_resume() {
    let (topics, rounds) = if is_soak() { (50_000, ROUNDS) } else { (1_000, 0) };
    let (hub, before) = hub_with(topics).await;
    let (other, before_other) = hub_with(if is_soak() { topics } else { 0 }).await;
    for resumed in Resumed::among(topics) {
        in_time("everything is replayed", replay(&hub, before, resumed)).await;
        let (mut elsewhere, mut here) = (Duration::MAX, Duration::MAX);
        for _ in 0..rounds {
            let (times, _) = publish_beside(None, &hub).await;
            eprintln!("    nobody resumes: {times}");
            let (times, replays) =
                publish_beside(Some((&other, before_other, resumed)), &hub).await;
            eprintln!(
                "    {CLIENTS} resume {:?} elsewhere: {times}; {replays} replays",
                resumed.topics
            );
            elsewhere = elsewhere.min(times.p99);
            let (times, replays) = publish_beside(Some((&hub, before, resumed)), &hub).await;
            eprintln!("    {CLIENTS} resume {:?} here: {times}; {replays} replays", resumed.topics);
            here = here.min(times.p99);
        }
        assert!(
            here <= elsewhere.saturating_mul(LIMIT),
            "p99 {here:?}, and {elsewhere:?} when they resume at another hub"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replaying_ends_while_a_publisher_is_as_fast_as_it_can_be() {
    let topics = if is_soak() { 50_000 } else { 1_000 };
    let (hub, before) = hub_with(topics).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (publishing, stopping) = (hub.clone(), Arc::clone(&stop));
    let publisher = tokio::spawn(async move {
        while !stopping.load(Ordering::Relaxed) {
            publishing.publish(topic("hot"), Event::new("x")).await.expect("it is open");
        }
    });
    for resumed in Resumed::among(topics) {
        let clients = Clients::resuming(Some((&hub, before, resumed)));
        let replays = &clients.replays;
        let begin = Instant::now();
        until("all clients have everything", || replays.load(Ordering::Relaxed) >= 4).await;
        eprintln!("    {:?} beside a fast publisher: {:.1?}", resumed.topics, begin.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    publisher.await.expect("it publishes");
}
