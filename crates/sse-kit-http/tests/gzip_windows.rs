//! Compressed streams whose events refer to those before them.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::read::GzDecoder;
use flate2::{Decompress, FlushDecompress};
use futures_util::FutureExt;
use http::Request;
use http_body_util::BodyExt;
use sse_kit_broadcast::{ConnectionId, Goodbye, Hub, SlowConsumer, Start};
use sse_kit_event::{Audience, Event, LastEventId, Topic, Topics};
use sse_kit_http::{GzipWindow, SseBody, SseRequest, SseResponse};
use sse_kit_test_support::{rng, scaled};

const HEARTBEAT: Duration = Duration::from_secs(15);

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

/// The settings with which a client listens.
#[derive(Clone, Debug)]
struct Listening {
    topics: Vec<&'static str>,
    resume: Option<LastEventId>,
    start: Start,
    slow_consumer: SlowConsumer,
    queue: usize,
}

impl Listening {
    fn to(topics: &[&'static str]) -> Self {
        let topics = topics.to_vec();
        let (start, slow_consumer) = (Start::Now, SlowConsumer::Heal);
        Self { topics, resume: None, start, slow_consumer, queue: 100 }
    }

    fn open(&self, hub: &Hub, accept: &str) -> (SseBody, ConnectionId) {
        let request = Request::get("/").header("accept-encoding", accept).body(());
        let topics = Topics::parse(self.topics.iter().copied()).expect("topics");
        let subscription = hub
            .subscribe(topics)
            .resume(self.resume.clone())
            .start(self.start)
            .slow_consumer(self.slow_consumer)
            .queue(self.queue)
            .open()
            .expect("it is open");
        let id = subscription.connection().id().clone();
        let response = SseResponse::new(subscription)
            .gzip(SseRequest::from(&request.expect("a request")))
            .gzip_window(GzipWindow::Stream);
        (response.into_response().into_body(), id)
    }
}

/// A client that reads compressed bytes, and its twin that reads the same stream as it is.
struct Client {
    packed: SseBody,
    plain: SseBody,
    ids: [ConnectionId; 2],
    inflate: Decompress,
    received: Vec<Bytes>,
    expected: Vec<u8>,
}

impl Client {
    fn new(hub: &Hub, listening: &Listening) -> Self {
        let (packed, id) = listening.open(hub, "gzip");
        let (plain, twin) = listening.open(hub, "identity");
        let inflate = Decompress::new(false);
        let mut client = Self {
            packed,
            plain,
            ids: [id, twin],
            inflate,
            received: Vec::new(),
            expected: Vec::new(),
        };
        // The connections have ids of their own, so each has its own hello.
        let hello = next(&mut client.packed).expect("a hello");
        next(&mut client.plain).expect("a hello");
        client.expected = client.inflated(&hello[10..]);
        client.received.push(hello);
        client
    }

    /// Decodes what has come: all of it, at once.
    fn inflated(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(64 << 10);
        let done = self.inflate.decompress_vec(bytes, &mut text, FlushDecompress::Sync);
        done.expect("it is DEFLATE");
        text
    }

    /// Takes the next bytes, and compares them with the twin's. Returns `false` if there are none.
    fn take(&mut self) -> bool {
        let (packed, plain) = (next(&mut self.packed), next(&mut self.plain));
        match (packed, plain) {
            (Some(packed), Some(plain)) => {
                let text = self.inflated(&packed);
                assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(&plain));
                self.received.push(packed);
                self.expected.extend_from_slice(&plain);
                true
            }
            (None, None) => false,
            // The end of gzip, which the twin does not have.
            (Some(end), None) => {
                self.received.push(end);
                false
            }
            (None, Some(plain)) => panic!("{plain:?} did not come"),
        }
    }

    /// Reads to the end, and compares the whole with what a decoder of gzip makes of it.
    fn finish(mut self) -> Vec<Bytes> {
        while self.take() {}
        let mut text = Vec::new();
        let read = GzDecoder::new(&self.received.concat()[..]).read_to_end(&mut text);
        read.expect("a whole stream, with its checksum");
        assert!(text == self.expected);
        self.received
    }
}

/// Returns the next bytes, if they have come.
fn next(body: &mut SseBody) -> Option<Bytes> {
    let frame = body.frame().now_or_never()??;
    frame.expect("it never fails").into_data().ok()
}

/// Lets the hub deliver.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn bar(percent: usize) -> Event {
    let text = format!(
        "<div id=\"job-17\" class=\"progress\" role=\"progressbar\" aria-valuemin=\"0\" \
         aria-valuemax=\"100\" aria-valuenow=\"{percent}\"><div class=\"progress-bar\" style=\"width: \
         {percent}%\"></div><span class=\"label\">{percent} % of 4,211 files</span></div>"
    );
    Event::new(text).with_key("job-17".parse().expect("a key"))
}

fn chat(random: &mut fastrand::Rng) -> Event {
    let words = ["<b>ada</b>", "the", "of", "table", "a <i>line</i>", "and", "progress", "\n"];
    let count = random.usize(1..30);
    let text: Vec<_> = (0..count).map(|_| words[random.usize(..words.len())]).collect();
    Event::new(text.join(" "))
}

fn noise(random: &mut fastrand::Rng) -> Event {
    let len = random.usize(..20_000);
    Event::new((0..len).map(|_| random.alphanumeric()).collect::<String>())
}

fn listening(random: &mut fastrand::Rng, hub: &Hub, seen: &[LastEventId]) -> Listening {
    let topics = [&["a"][..], &["a", "b"], &["b"], &["a", "c"], &["**"]];
    let starts = [Start::Now, Start::All];
    let policies = [SlowConsumer::Heal, SlowConsumer::Conflate, SlowConsumer::DropOldest];
    let resumed = random.choice(seen).cloned().unwrap_or_else(|| hub.cursor().into());
    Listening {
        topics: topics[random.usize(..topics.len())].to_vec(),
        resume: random.bool().then_some(resumed),
        start: starts[random.usize(..2)],
        slow_consumer: policies[random.usize(..3)],
        queue: random.usize(1..12),
    }
}

/// Plays one walk of publishers, readers, joins, heartbeats and messages for one client.
async fn walk(random: &mut fastrand::Rng) {
    let history = [1, 3, 20, 1_000][random.usize(..4)];
    let hub = Hub::builder().history(history).heartbeat(HEARTBEAT).build().expect("good settings");
    let (mut clients, mut seen) = (Vec::<Client>::new(), Vec::new());
    for step in 0..150 {
        let name = ["a", "a", "b", "c"][random.usize(..4)];
        let event = match random.u8(..8) {
            0 => chat(random),
            1 => noise(random),
            _ => bar(step),
        };
        let one = random.usize(..clients.len().max(1));
        match random.u8(..16) {
            0 => {
                let listening = listening(random, &hub, &seen);
                clients.push(Client::new(&hub, &listening));
            }
            1 if clients.len() > 4 => drop(clients.swap_remove(one)),
            2 => tokio::time::advance(HEARTBEAT).await,
            3 => {
                for id in clients.get(one).into_iter().flat_map(|client| &client.ids) {
                    // A queue may be full.
                    _ = hub.send_to(id, &event);
                }
            }
            4 => {
                let both = Audience::several([topic("a"), topic("b")]).expect("two topics");
                hub.publish(both, event).await.expect("it is open");
            }
            5 => drop(hub.broadcast(event).await.expect("it is open")),
            6 => {
                let ids = clients.get(one).map(|client| client.ids.clone());
                let publish = hub.except(ids.into_iter().flatten());
                publish.publish(&topic(name), event).await.expect("it is open");
            }
            7..11 => {
                for client in &mut clients {
                    for _ in 0..random.usize(..6) {
                        client.take();
                    }
                }
            }
            _ => {
                let receipt = hub.publish(&topic(name), event).await.expect("it is open");
                seen.push(LastEventId::from(receipt.id));
            }
        }
        if random.u8(..3) > 0 {
            settle().await;
        }
    }
    settle().await;
    hub.shut_down(Goodbye::StayAway);
    settle().await;
    for client in clients {
        client.finish();
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_is_sent_in_between_each_event_is_read_when_it_has_come() {
    let mut random = rng();
    for _ in 0..scaled(25) {
        walk(&mut random).await;
    }
}

/// Publishes progress, and returns what each of these clients was sent for each event.
async fn progress(hub: &Hub, clients: &mut [Client], events: usize) {
    for percent in 0..events {
        hub.publish(&topic("a"), bar(percent)).await.expect("it is open");
        settle().await;
        for client in &mut *clients {
            assert!(client.take());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn small_events_take_a_quarter_and_all_streams_share_them() {
    for history in [1, 100] {
        let hub = Hub::builder().history(history).heartbeat(None).build().expect("good settings");
        let mut clients: Vec<_> =
            (0..2).map(|_| Client::new(&hub, &Listening::to(&["a"]))).collect();
        progress(&hub, &mut clients, 5).await;
        // It joins late, and is sent the same after five events.
        clients.push(Client::new(&hub, &Listening::to(&["a", "b"])));
        progress(&hub, &mut clients, 20).await;
        hub.shut_down(Goodbye::StayAway);
        settle().await;
        let plain = clients[0].expected.len();
        let all: Vec<_> = clients.into_iter().map(Client::finish).collect();
        let [one, other, late] = &all[..] else { panic!("three clients") };
        let sent = one.concat().len();
        assert!(sent * 4 < plain, "{sent} of {plain}");
        let pointers = |sent: &[Bytes]| sent.iter().map(|bytes| bytes.as_ptr()).collect::<Vec<_>>();
        let (one, other, late) = (pointers(one), pointers(other), pointers(late));
        // Without the hello before, and the goodbye and the checksum after.
        assert_eq!(one[1..26], other[1..26]);
        assert_eq!(one[10..26], late[5..21]);
        assert_ne!(one[6], late[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn after_other_bytes_one_event_stands_alone() {
    let hub = Hub::builder().heartbeat(HEARTBEAT).build().expect("good settings");
    let mut clients = [Client::new(&hub, &Listening::to(&["a"]))];
    let size = |clients: &[Client; 1]| clients[0].received.last().expect("one").len();
    progress(&hub, &mut clients, 1).await;
    let alone = size(&clients);
    progress(&hub, &mut clients, 2).await;
    assert!(size(&clients) * 2 < alone);
    for breaks in ["a message", "a heartbeat"] {
        if breaks == "a message" {
            for id in &clients[0].ids {
                hub.send_to(id, &Event::new("for you")).expect("it is there");
            }
        } else {
            tokio::time::advance(HEARTBEAT).await;
            settle().await;
        }
        assert!(clients[0].take(), "{breaks}");
        progress(&hub, &mut clients, 1).await;
        assert!(size(&clients).abs_diff(alone) < 8, "after {breaks}: {}", size(&clients));
        progress(&hub, &mut clients, 1).await;
        assert!(size(&clients) * 2 < alone, "after {breaks}: {}", size(&clients));
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_compressed_alone_unless_the_app_says_otherwise() {
    let hub = Hub::builder().heartbeat(None).build().expect("good settings");
    let request = Request::get("/").header("accept-encoding", "gzip").body(()).expect("a request");
    let subscription = hub.subscribe(topic("a")).open().expect("it is open");
    let response = SseResponse::new(subscription).gzip(SseRequest::from(&request));
    let mut body = response.into_response().into_body();
    next(&mut body).expect("a hello");
    let mut sizes = Vec::new();
    for percent in 10..20 {
        hub.publish(&topic("a"), bar(percent)).await.expect("it is open");
        settle().await;
        sizes.push(next(&mut body).expect("an event").len());
    }
    assert!(sizes.iter().all(|size| size.abs_diff(sizes[0]) < 8), "{sizes:?}");
}
