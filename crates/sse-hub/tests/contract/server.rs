//! A hub in a process of its own, and a client for it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sse_kit::event::{Decoded, Decoder, Message};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Nothing takes this long; it only keeps a broken hub from hanging the tests.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts a hub with these options, on a free port if they do not say where.
    pub(crate) async fn start(options: &str) -> Self {
        Self::spawn(&mut Command::new(env!("CARGO_BIN_EXE_hub")), options).await
    }

    /// Starts it by a command that takes its options.
    pub(crate) async fn spawn(command: &mut Command, options: &str) -> Self {
        if !options.contains("--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let mut process = command
            .args(crate::LANE)
            .args(options.split_whitespace())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the hub starts");
        let stdout = process.stdout.take().expect("it is piped");
        let first = BufReader::new(stdout).lines().next_line().await;
        let first = first.expect("it can be read").expect("there is a first line");
        let address = first.strip_prefix("listening on ").expect("the contract");
        let address = address.split_once("://").map_or(address, |(_scheme, address)| address);
        Self { process, address: address.to_owned() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("it still runs")
    }

    /// Sends a signal, by its name.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let kill = Command::new("kill").args(["-s", name, &pid]).status().await;
        assert!(kill.expect("kill runs").success());
    }

    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let exit = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        exit.expect("it ends").expect("it can be waited for")
    }

    /// A request over a connection of its own.
    pub(crate) async fn send(
        &self,
        request: http::request::Builder,
        body: &[u8],
    ) -> Response<Incoming> {
        self.try_send(request, body).await.expect("an answer")
    }

    async fn try_send(
        &self,
        request: http::request::Builder,
        body: &[u8],
    ) -> hyper::Result<Response<Incoming>> {
        send_to(&self.address, request, body).await
    }

    /// Waits until the hub says that it drains. A connection that was accepted just before may be
    /// closed without an answer.
    pub(crate) async fn await_draining(&self) {
        loop {
            if let Ok(response) = self.try_send(Request::get("/healthz"), b"").await
                && json(response).await.0 == StatusCode::SERVICE_UNAVAILABLE
            {
                return;
            }
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        json(self.send(Request::get(path), b"").await).await
    }

    pub(crate) async fn post(&self, path: &str, body: &[u8]) -> (StatusCode, Value) {
        json(self.send(Request::post(path), body).await).await
    }

    /// Publishes, and returns the id.
    pub(crate) async fn publish(&self, query: &str, body: &str) -> String {
        let (status, receipt) = self.post(&format!("/publish?{query}"), body.as_bytes()).await;
        assert_eq!(status, 200, "{receipt}");
        receipt["id"].as_str().expect("an id").to_owned()
    }

    /// Opens a stream, and reads its hello.
    pub(crate) async fn open(&self, query: &str) -> Stream {
        self.open_by(Request::get(format!("/events?{query}"))).await
    }

    pub(crate) async fn open_by(&self, request: http::request::Builder) -> Stream {
        Self::open_at(&self.address, request).await
    }

    /// Opens a stream at another address, where a proxy is.
    pub(crate) async fn open_at(address: &str, request: http::request::Builder) -> Stream {
        let response = send_to(address, request, b"").await.expect("an answer");
        assert_eq!(response.status(), 200);
        let body = response.into_body();
        let mut stream = Stream { body, decoder: Decoder::new(), hello: Value::Null };
        let hello = stream.next().await.expect("a first event");
        assert_eq!(hello.name, "sse-kit:hello");
        stream.hello = serde_json::from_str(&hello.data).expect("JSON");
        stream
    }

    /// A counter of the hub, once it has the value that the test waits for.
    pub(crate) async fn await_stat(&self, name: &str, holds: impl Fn(u64) -> bool) {
        for _ in 0..6000 {
            let (_, stats) = self.get("/stats").await;
            if holds(stats[name].as_u64().expect("a counter")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{name}` never gets there: {:?}", self.get("/stats").await);
    }
}

pub(crate) async fn send_to(
    address: &str,
    request: http::request::Builder,
    body: &[u8],
) -> hyper::Result<Response<Incoming>> {
    let socket = TcpStream::connect(address).await.expect("it listens");
    let (mut client, connection) = http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let named = request.headers_ref().is_some_and(|headers| headers.contains_key("host"));
    let request = if named { request } else { request.header("host", address) };
    let request: Request<Full<Bytes>> =
        request.body(Full::new(Bytes::copy_from_slice(body))).expect("a good request");
    let response = tokio::time::timeout(PATIENCE, client.send_request(request)).await;
    response.expect("an answer in time")
}

pub(crate) async fn json(response: Response<Incoming>) -> (StatusCode, Value) {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.expect("a whole body").to_bytes();
    (status, serde_json::from_slice(&body).expect("JSON"))
}

/// An open event stream.
pub(crate) struct Stream {
    pub(crate) body: Incoming,
    pub(crate) hello: Value,
    decoder: Decoder,
}

impl Stream {
    /// Returns the next event, or `None` when the stream has ended properly.
    pub(crate) async fn next_decoded(&mut self) -> Option<Decoded> {
        loop {
            if let Some(decoded) = self.decoder.pop() {
                return Some(decoded);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await;
            let frame = frame.expect("bytes in time")?.expect("no broken chunk");
            self.decoder.push(&frame.into_data().expect("no trailers")).expect("not too large");
        }
    }

    /// Returns the next event. Heartbeats come between any two, on a machine that is slow enough.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Decoded::Message(message) = self.next_decoded().await?
                && message.name != "sse-kit:heartbeat"
            {
                return Some(message);
            }
        }
    }

    pub(crate) async fn message(&mut self) -> Message {
        self.next().await.expect("another event")
    }

    pub(crate) async fn data(&mut self) -> String {
        self.message().await.data
    }
}
