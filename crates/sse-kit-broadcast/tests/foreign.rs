//! Real threads, topics and patterns that come and go, and a log that takes only every other event: no
//! event reaches somebody who does not subscribe to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, ConnectionId, Delivery, Goodbye, Hub, Inlet, Log,
    MemoryLog, OnAppendFailure, Subscription,
};
use sse_kit_event::{Audience, Event, EventId, Topic, Topics};
use sse_kit_test_support::{in_time, rng, scaled, until};

/// Deliveries that are looked at; a million in `cargo xtask soak`.
const DELIVERIES: u32 = 50_000;
/// Each has one page that subscribes to just this.
const USERS: usize = 40;
/// The pages that subscribe to patterns.
const WATCHERS: usize = 8;
const PUBLISHERS: usize = 3;

/// A log that is down for every other event.
#[derive(Debug)]
struct Flaky {
    log: MemoryLog,
    appends: AtomicU64,
}

impl Log for Flaky {
    fn position(&self) -> EventId {
        self.log.position()
    }

    fn attach(&self, inlet: Inlet) {
        self.log.attach(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        if self.appends.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Box::pin(std::future::ready(Err(AppendError::Full)));
        }
        self.log.append(append)
    }
}

/// The events that the pages have been given.
#[derive(Debug, Default)]
struct Given {
    events: AtomicU64,
    /// The events among them that the log did not take.
    unlogged: AtomicU64,
    foreign: AtomicU64,
}

impl Given {
    fn is_enough(&self) -> bool {
        let enough = u64::from(scaled(DELIVERIES));
        let [events, unlogged] = [&self.events, &self.unlogged].map(|n| n.load(Ordering::Relaxed));
        events >= enough && unlogged >= enough / 10
    }

    /// Looks at a delivery, whose event says for whom it is and whom it leaves out.
    fn look_at(&self, delivery: &Delivery, to: &Subscription) {
        let frame = match delivery {
            Delivery::Entry(entry) => entry.frame(),
            Delivery::Direct(frame) => {
                self.unlogged.fetch_add(1, Ordering::Relaxed);
                frame
            }
            _ => return,
        };
        self.events.fetch_add(1, Ordering::Relaxed);
        let text = std::str::from_utf8(frame).expect("UTF-8");
        let line = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        let (topics, except) = line.split_once(" but ").expect("two parts");
        let connection = to.connection();
        let is_for = |topic: &str| connection.topics().cover(&topic.parse().expect("a topic"));
        if !topics.split(", ").any(is_for) || connection.id().as_str() == except {
            self.foreign.fetch_add(1, Ordering::Relaxed);
            eprintln!("{line:?} came to {} of {:?}", connection.id(), connection.topics());
        }
    }
}

/// A page that comes, reads a little, and goes, again and again.
async fn page(hub: Hub, given: Arc<Given>, number: usize, mut random: fastrand::Rng) {
    while !given.is_enough() {
        let subscribe = hub.subscribe(wanted(number, &mut random)).id(id(number));
        let mut subscription = subscribe.open().expect("it is open");
        for _ in 0..random.u32(1..16) {
            let Some(delivery) = subscription.recv().await else { break };
            given.look_at(&delivery, &subscription);
        }
    }
}

fn wanted(number: usize, random: &mut fastrand::Rng) -> Topics {
    if number < USERS {
        return user(number).into();
    }
    let any = random.usize(..USERS);
    let patterns = [format!("users:{any}*"), format!("*:{any}"), format!("users:*{}", any % 10)];
    let some = random.usize(1..=patterns.len());
    Topics::parse(&patterns[..some]).expect("patterns")
}

async fn publisher(hub: Hub, given: Arc<Given>, mut random: fastrand::Rng) {
    while !given.is_enough() {
        let several = 1 + 2 * random.usize(..2);
        let users = (0..several).map(|_| user(random.usize(..USERS)));
        let audience = Audience::several(users).expect("a few");
        let except = id(random.usize(..USERS + WATCHERS));
        let event = Event::new(format!("{audience} but {except}"));
        hub.except([except]).publish(audience, event).await.expect("here at least");
        if random.u8(..) < 32 {
            tokio::task::yield_now().await;
        }
    }
}

fn user(n: usize) -> Topic {
    format!("users:{n}").parse().expect("a topic")
}

fn id(number: usize) -> ConnectionId {
    format!("page-{number}").parse().expect("an id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_event_reaches_somebody_who_does_not_subscribe_to_it() {
    let log = MemoryLog::new().expect("a random number");
    let hub = Hub::builder()
        .log(Flaky { log, appends: AtomicU64::new(0) })
        .on_append_failure(OnAppendFailure::DeliverLocally)
        .build()
        .expect("the settings are right");
    let given = Arc::<Given>::default();
    let mut random = rng();
    let pages = (0..USERS + WATCHERS)
        .map(|number| tokio::spawn(page(hub.clone(), Arc::clone(&given), number, random.fork())));
    let pages: Vec<_> = pages.collect();
    let publishers = (0..PUBLISHERS)
        .map(|_| tokio::spawn(publisher(hub.clone(), Arc::clone(&given), random.fork())));
    let publishers: Vec<_> = publishers.collect();
    // However many they are, some more come each time.
    while !given.is_enough() {
        let events = || given.events.load(Ordering::Relaxed);
        let so_far = events();
        until("more was given", || given.is_enough() || events() > so_far).await;
    }
    for publisher in publishers {
        in_time("all was published", publisher).await.expect("it published");
    }
    // Whoever still waits is let go.
    hub.shut_down(Goodbye::StayAway);
    for page in pages {
        in_time("all have left", page).await.expect("what it got was well formed");
    }
    eprintln!("{given:?} over {} connections", hub.stats().opened);
    assert_eq!(given.foreign.load(Ordering::Relaxed), 0, "of {given:?}");
}
