//! The work for each event, as functions whose instructions valgrind counts.
//!
//! Each runs on data of its own that is made before, and does its thing a hundred times or so, as the one
//! time might be the one at which a table grows.
#![expect(missing_docs, unused_qualifications, reason = "of what the macros make of the functions")]

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sse_kit_broadcast::{Hub, Subscription};
use sse_kit_dispatch::{Dispatcher, DomainEvent};
use sse_kit_event::{Decoder, Event, LastEventId, Topic};
use sse_kit_htmx::{Html, MessageFormat, Update};
use sse_kit_http::{GzipWindow, SseBody, SseResponse};
use sse_kit_update::{BoxError, ElementUpdater, message};
use tokio::runtime::Runtime;

const TIMES: usize = 100;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

fn text(len: usize) -> String {
    "a line of text\n".chars().cycle().take(len).collect()
}

#[library_benchmark]
#[bench::short(Event::new(text(128)))]
#[bench::long(Event::new(text(4096)))]
fn encode(event: Event) -> usize {
    (0..TIMES).map(|_| black_box(&event).encode().finish(None).len()).sum()
}

fn encoded() -> Vec<u8> {
    Event::new(text(128)).encode().finish(None).repeat(TIMES)
}

#[library_benchmark]
#[bench::short(encoded())]
fn decode(bytes: Vec<u8>) -> usize {
    let mut decoder = Decoder::new();
    decoder.push(&bytes).expect("it is short");
    std::iter::from_fn(|| decoder.pop()).count()
}

/// A hub, and some who listen on topics of their own, or all on one.
struct Loaded {
    runtime: Runtime,
    events: Hub,
    listening: Vec<Subscription>,
}

impl Loaded {
    fn with(connections: usize, topic_of: impl Fn(usize) -> String) -> Self {
        let runtime = runtime();
        let within = runtime.enter();
        let events = Hub::builder().heartbeat(None).build().expect("good settings");
        let open = |n| events.subscribe(topic(&topic_of(n))).open().expect("it is open");
        let listening = (0..connections).map(open).collect();
        drop(within);
        Self { runtime, events, listening }
    }

    /// Publishes to a topic, all deliveries included.
    fn publish(&mut self, to: &str, receivers: usize) {
        let Self { runtime, events, listening } = self;
        runtime.block_on(async {
            for _ in 0..TIMES / 10 {
                events.publish(&topic(to), Event::new("x")).await.expect("it is open");
                for subscription in &mut listening[..receivers] {
                    black_box(subscription.recv().await);
                }
            }
        });
    }
}

fn one_topic() -> Loaded {
    Loaded::with(1000, |_| "a".to_owned())
}

fn many_topics() -> Loaded {
    // Three of them on `t0`.
    Loaded::with(1000, |n| format!("t{}", n.saturating_sub(2)))
}

#[library_benchmark]
#[bench::to_all_of_1000(one_topic(), "a", 1000)]
#[bench::to_3_of_1000(many_topics(), "t0", 3)]
fn publish(mut hub: Loaded, to: &str, receivers: usize) -> Loaded {
    hub.publish(to, receivers);
    hub // to be dropped outside
}

#[library_benchmark]
#[bench::among_1000(one_topic())]
fn join_and_leave(hub: Loaded) -> Loaded {
    let within = hub.runtime.enter();
    for _ in 0..TIMES {
        drop(black_box(hub.events.subscribe(topic("a")).open()));
    }
    drop(within);
    hub
}

fn with_history() -> (Loaded, LastEventId) {
    let mut hub = Loaded::with(1, |_| "a".to_owned());
    let start = hub.events.cursor();
    for _ in 0..5 {
        hub.publish("a", 1);
    }
    (hub, LastEventId::parse(start.to_string().as_bytes()).expect("an id"))
}

#[library_benchmark]
#[bench::of_50_events(with_history())]
fn replay((hub, start): (Loaded, LastEventId)) -> Loaded {
    let within = hub.runtime.enter();
    for _ in 0..TIMES / 10 {
        let resumed = hub.events.subscribe(topic("a")).resume(start.clone()).open();
        let mut resumed = resumed.expect("it is open");
        hub.runtime.block_on(async {
            for _ in 0..50 {
                black_box(resumed.recv().await);
            }
        });
    }
    drop(within);
    hub
}

/// A hub, and streams of one topic as servers send them, which have sent their first bytes.
struct Streams {
    runtime: Runtime,
    events: Hub,
    bodies: Vec<SseBody>,
}

impl Streams {
    fn open(count: usize, accept: &str, window: GzipWindow) -> Self {
        let runtime = runtime();
        let within = runtime.enter();
        let events = Hub::builder().heartbeat(None).build().expect("good settings");
        let request = Request::get("/").header("accept-encoding", accept).body(());
        let request = request.expect("a request");
        let open = |_| {
            let subscription = events.subscribe(topic("a")).open().expect("it is open");
            let response = SseResponse::new(subscription).gzip(&request).gzip_window(window);
            response.into_response().into_body()
        };
        let bodies = (0..count).map(open).collect();
        drop(within);
        let mut streams = Self { runtime, events, bodies };
        streams.take_all();
        // The compressor takes its memory with the first event, and a window has four.
        (0..4).for_each(|percent| streams.progress(percent));
        streams
    }

    fn take_all(&mut self) {
        let Self { runtime, bodies, .. } = self;
        runtime.block_on(async {
            for body in bodies {
                black_box(body.frame().await);
            }
        });
    }

    /// Encodes a new percentage: the event, and its bytes for each stream.
    fn progress(&mut self, percent: usize) {
        let bar = format!(
            "<div id=\"job-17\" class=\"progress\" role=\"progressbar\" aria-valuemin=\"0\" \
             aria-valuemax=\"100\" aria-valuenow=\"{percent}\"><div class=\"progress-bar\" \
             style=\"width: {percent}%\"></div><span>{percent} % of 4,211 files</span></div>"
        );
        self.runtime.block_on(async {
            self.events.publish(&topic("a"), Event::new(bar)).await.expect("it is open");
        });
        self.take_all();
    }
}

#[library_benchmark]
#[bench::plain_to_1000(Streams::open(1000, "identity", GzipWindow::Event))]
#[bench::gzip_to_1000(Streams::open(1000, "gzip", GzipWindow::Event))]
#[bench::gzip_window_to_1000(Streams::open(1000, "gzip", GzipWindow::Stream))]
#[bench::plain_to_1(Streams::open(1, "identity", GzipWindow::Event))]
#[bench::gzip_to_1(Streams::open(1, "gzip", GzipWindow::Event))]
#[bench::gzip_window_to_1(Streams::open(1, "gzip", GzipWindow::Stream))]
fn compression(mut streams: Streams) -> Streams {
    (10..20).for_each(|percent| streams.progress(percent));
    streams
}

fn dispatcher() -> (Runtime, Dispatcher, DomainEvent) {
    let dispatcher = Dispatcher::new();
    let others = (0..997).map(|n| format!("kind{n}:*"));
    for pattern in others.chain(["job:done", "job:*", "**"].map(str::to_owned)) {
        dispatcher.on(pattern.as_str(), |_| Value::Null).expect("a pattern");
    }
    let event = DomainEvent::new("job:done", &json!({ "percent": 40 })).expect("an event");
    let runtime = runtime();
    let dispatched = runtime.block_on(dispatcher.dispatch(event.clone()));
    assert_eq!(dispatched.expect("it dispatches").results.len(), 3);
    (runtime, dispatcher, event)
}

#[library_benchmark]
#[bench::to_3_of_1000_patterns(dispatcher())]
fn dispatch(all: (Runtime, Dispatcher, DomainEvent)) -> (Runtime, Dispatcher, DomainEvent) {
    let (runtime, dispatcher, event) = &all;
    for _ in 0..TIMES {
        _ = black_box(runtime.block_on(dispatcher.dispatch(event.clone())));
    }
    all
}

fn updater() -> (Runtime, ElementUpdater, DomainEvent) {
    let updater = ElementUpdater::new();
    let handler = updater.on("job:progress", |data: Value| -> Result<_, BoxError> {
        let bar = format!("<progress max=\"100\" value=\"{}\"></progress>", data["percent"]);
        Ok(Update::replace("bar".parse()?, &Html::trusted(bar))?)
    });
    handler.expect("a pattern");
    let event = DomainEvent::new("job:progress", &json!({ "percent": 40 })).expect("an event");
    (runtime(), updater, event)
}

#[library_benchmark]
#[bench::of_one_place(updater())]
fn update(all: (Runtime, ElementUpdater, DomainEvent)) -> (Runtime, ElementUpdater, DomainEvent) {
    let (runtime, updater, event) = &all;
    for _ in 0..TIMES {
        let updated = runtime.block_on(updater.update(event.clone())).expect("an update");
        _ = black_box(message(&updated.updates, MessageFormat::Both));
    }
    all
}

library_benchmark_group!(
    name = events,
    benchmarks = [encode, decode, publish, join_and_leave, replay, compression, dispatch, update]
);

main!(library_benchmark_groups = events);
