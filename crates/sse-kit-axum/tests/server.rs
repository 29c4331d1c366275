//! Real servers: who leaves, who does not read, and how it stops.
#![cfg(unix)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use futures_util::{Stream, stream};
use sse_kit_axum::{Live, readiness, serve_until};
use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use sse_kit_shutdown::{Ended, Outcome, Shutdown};
use sse_kit_test_support::{TestResult, in_time, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

struct Serving {
    hub: Hub,
    shutdown: Shutdown,
    address: SocketAddr,
    server: JoinHandle<Outcome<std::io::Result<()>>>,
}

impl Serving {
    async fn start(routes: impl FnOnce(Router<Hub>, &Shutdown) -> Router<Hub>) -> Self {
        let hub = Hub::new();
        let shutdown = Shutdown::builder().hub(hub.clone()).build();
        let app = routes(Router::new(), &shutdown).with_state(hub.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stopping = shutdown.clone();
        let serving = async move { serve_until(&stopping, None, listener, app).await };
        Self { hub, shutdown, address, server: tokio::spawn(serving) }
    }

    async fn get(&self, path: &str) -> Client {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("it is sent");
        Client { socket, read: String::new() }
    }

    async fn stop(self) -> Outcome<std::io::Result<()>> {
        self.shutdown.trigger();
        in_time("the server to stop", self.server).await.expect("no panic")
    }
}

struct Client {
    socket: TcpStream,
    read: String,
}

impl Client {
    /// Reads until a text has come.
    async fn wait_for(&mut self, text: &str) {
        while !self.read.contains(text) {
            let mut buffer = [0; 4096];
            let count = in_time(text, self.socket.read(&mut buffer)).await.expect("it is open");
            assert!(count > 0, "{text} has not come, but {}", self.read);
            self.read.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }
}

fn news() -> Topic {
    "news".parse().expect("a topic")
}

async fn events(live: Live) -> Result<impl axum::response::IntoResponse, sse_kit_axum::Error> {
    live.open(news()).await
}

#[tokio::test]
async fn every_stream_gets_a_goodbye_when_the_server_stops() -> TestResult {
    let serving = Serving::start(|routes, shutdown| {
        routes.route("/events", get(events)).route("/healthz", readiness(shutdown))
    })
    .await;
    serving.get("/healthz").await.wait_for("ready").await;
    let mut clients = [serving.get("/events").await, serving.get("/events").await];
    for client in &mut clients {
        client.wait_for("sse-kit:hello").await;
    }
    serving.hub.publish(&news(), Event::new("hi")).await?;
    let outcome = serving.stop().await;
    assert_eq!((outcome.ended, outcome.streams, outcome.streams_cut), (Ended::Drained, 2, 0));
    for client in &mut clients {
        client.wait_for("data: hi").await;
        client.wait_for("event: sse-kit:shutdown").await;
    }
    assert!(outcome.served.is_some_and(|served| served.is_ok()));
    Ok(())
}

/// A source that never has anything, and knows when it is dropped.
fn silent() -> (mpsc::Receiver<()>, impl Stream<Item = Event> + Send) {
    let (sender, receiver) = mpsc::channel::<()>(1);
    let events = stream::once(async move {
        sender.closed().await;
        Event::new("")
    });
    (receiver, events)
}

#[tokio::test]
async fn a_stream_is_dropped_when_its_client_leaves() {
    let (dropped, mut streams) = mpsc::channel(1);
    let tokens = async move |live: Live| {
        let (receiver, events) = silent();
        dropped.send(receiver).await.expect("the test waits for it");
        live.stream(events)
    };
    let serving = Serving::start(|routes, _| {
        routes.route("/tokens", get(tokens)).route("/events", get(events))
    })
    .await;
    for path in ["/events", "/tokens"] {
        let mut client = serving.get(path).await;
        client.wait_for("sse-kit:hello").await;
        assert_eq!(serving.hub.connection_count(), 1);
        drop(client);
        until("the connection to be gone", || serving.hub.connection_count() == 0).await;
    }
    let mut stream = in_time("the stream", streams.recv()).await.expect("it was opened");
    assert_eq!(in_time("its end", stream.recv()).await, None, "it is dropped");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_bounded() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let large = "x".repeat(64 << 10);
    let tokens = async move |live: Live| {
        live.stream(stream::repeat_with(move || {
            count.fetch_add(1, Ordering::Relaxed);
            Event::new(large.as_str())
        }))
    };
    let serving = Serving::start(|routes, _| routes.route("/tokens", get(tokens))).await;
    let _client = serving.get("/tokens").await;
    // The kernel's buffers are filled, and then nothing is taken any more.
    let mut before = usize::MAX;
    while before != taken.load(Ordering::Relaxed) || before == 0 {
        before = taken.load(Ordering::Relaxed);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    assert!(before < 1_000, "{before} events of 64 KiB were taken");
    let outcome = serving.stop().await;
    assert_eq!(outcome.streams, 1);
}
