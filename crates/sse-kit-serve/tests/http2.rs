//! The same bodies over HTTP/2, with prior knowledge and by TLS.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sse_kit_broadcast::Hub;
use sse_kit_event::{Decoded, Decoder, Event, Topic};
use sse_kit_http::{Quota, SseBody, SseRequest, SseResponse};
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_shutdown::{Ended, ProgressLine, Shutdown};
use sse_kit_test_support::{in_time, until};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

/// A server whose every answer is a stream.
struct Serving {
    hub: Hub,
    address: SocketAddr,
    monitor: ServeStatus,
    shutdown: Shutdown,
    ended: JoinHandle<Ended>,
}

impl Serving {
    async fn start(settings: impl FnOnce(Server) -> Server) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(server.expect("a free port"));
        let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
        let hub = Hub::new();
        let shutdown = Shutdown::builder()
            .hub(hub.clone())
            .shutdown_delay(Duration::from_secs(600))
            .deadline(Duration::from_secs(1200))
            .progress_line(ProgressLine::Never)
            .build();
        let (running, events) = (shutdown.clone(), hub.clone());
        let ended = tokio::spawn(async move {
            let service = move |request: Request<RequestBody>, _| {
                let stream = stream(&events, &request);
                async move { Ok::<_, Infallible>(stream) }
            };
            server.serve_until_shutdown(&running, None, service).await.ended
        });
        Self { hub, address, monitor, shutdown, ended }
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("it listens")
    }
}

fn stream(hub: &Hub, request: &Request<RequestBody>) -> Response<SseBody> {
    let seen = SseRequest::from(request).last_event_id();
    match hub.subscribe(topic()).resume(seen).open() {
        Ok(subscription) => SseResponse::new(subscription).into_response(),
        Err(_) => SseResponse::busy(Duration::from_secs(1)),
    }
}

type Client = http2::SendRequest<Empty<Bytes>>;

async fn http2<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I) -> Client {
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await;
    let (client, connection) = shaken.expect("HTTP/2");
    tokio::spawn(connection);
    client
}

async fn open(client: &mut Client) -> Stream {
    let request = Request::get("http://x/events").body(Empty::new()).expect("a request");
    let response = client.send_request(request).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert!(!response.headers().contains_key("connection"));
    let mut stream = Stream { body: response.into_body(), decoder: Decoder::new() };
    assert_eq!(stream.next().await.as_deref(), Some("sse-kit:hello"));
    stream
}

struct Stream {
    body: Incoming,
    decoder: Decoder,
}

impl Stream {
    /// The data of the next event, or its name where it is one of ours; `None` at the proper end.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.decoder.pop() {
                Some(Decoded::Message(message)) if message.name.starts_with("sse-kit:") => {
                    return Some(message.name);
                }
                Some(Decoded::Message(message)) => return Some(message.data),
                Some(_) => {}
                None => {
                    let frame = self.body.frame().await?.expect("no broken stream");
                    let data = frame.into_data().expect("no trailers");
                    self.decoder.push(&data).expect("not too large");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_streams_on_one_connection_get_the_same_and_say_goodbye() {
    let serving = Serving::start(Server::http2_prior_knowledge).await;
    let mut client = http2(serving.socket().await).await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        streams.push(open(&mut client).await);
    }
    for n in 0..20 {
        serving.hub.publish(&topic(), Event::new(n.to_string())).await.expect("it is open");
    }
    serving.shutdown.trigger();
    for stream in &mut streams {
        for n in 0..20 {
            assert_eq!(stream.next().await, Some(n.to_string()));
        }
        assert_eq!(stream.next().await.as_deref(), Some("sse-kit:shutdown"));
        assert_eq!(stream.next().await, None, "and a proper end");
    }
    assert_eq!(serving.ended.await.expect("no panic"), Ended::Drained);
}

#[tokio::test]
async fn who_comes_while_work_is_being_done_is_answered_and_told_goodbye() {
    // Were it waited for, it would be cut off at the deadline.
    let settings =
        |server: Server| server.http2_prior_knowledge().header_timeout(Duration::from_secs(600));
    let serving = Serving::start(settings).await;
    let early = serving.socket().await;
    let work = serving.shutdown.work().expect("it runs");
    serving.shutdown.trigger();
    serving.shutdown.stopping().await;
    let mut client = http2(serving.socket().await).await;
    let mut stream = open(&mut client).await;
    // They have asked for nothing, and hold up nothing.
    let silent = serving.socket().await;
    drop(work);
    assert_eq!(stream.next().await.as_deref(), Some("sse-kit:shutdown"));
    assert_eq!(stream.next().await, None, "and a proper end");
    assert_eq!(serving.ended.await.expect("no panic"), Ended::Drained);
    drop((early, silent));
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_up_no_other_on_its_connection() {
    let serving = Serving::start(Server::http2_prior_knowledge).await;
    let mut client = http2(serving.socket().await).await;
    let stuck = open(&mut client).await;
    let mut good = open(&mut client).await;
    // Far more than the window of a stream, one at a time, so that the good one keeps up.
    for n in 0..40 {
        let data = format!("{n} {}", "x".repeat(100_000));
        serving.hub.publish(&topic(), Event::new(data.clone())).await.expect("it is open");
        assert_eq!(good.next().await, Some(data));
    }
    drop(stuck);
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_after_the_write_timeout_and_the_others_go_on() {
    let short = Duration::from_millis(200);
    let serving = Serving::start(|s| s.http2_prior_knowledge().write_timeout(short)).await;
    // This client answers pings, and reads whatever it is asked to read.
    let mut client = http2(serving.socket().await).await;
    let mut good = open(&mut client).await;
    let mut stuck = Vec::new();
    // More than two have all of the connection's window, and then the good one gets nothing either.
    for _ in 0..2 {
        stuck.push(open(&mut client).await);
    }
    for n in 0..40 {
        let data = format!("{n} {}", "x".repeat(100_000));
        serving.hub.publish(&topic(), Event::new(data.clone())).await.expect("it is open");
        assert_eq!(good.next().await, Some(data));
    }
    until("both are cut off", || serving.monitor.stats().write_timeouts == 2).await;
    assert_eq!(serving.hub.connection_count(), 1, "what they held is free");
    serving.hub.publish(&topic(), Event::new("more")).await.expect("it is open");
    assert_eq!(good.next().await.as_deref(), Some("more"));
    // A client learns of it when it reads on.
    let mut late = stuck.remove(0).body;
    drop(stuck);
    let reading = async { while late.frame().await.is_some_and(|frame| frame.is_ok()) {} };
    in_time("an end", reading).await;
}

/// A client that speaks frames, and says nothing that it is not told to say.
struct Frames(TcpStream);

impl Frames {
    async fn begin(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        let begin = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        socket.write_all(begin).await.expect("it reads");
        Self(socket)
    }

    async fn ask(&mut self, stream: usize) {
        self.0.write_all(&request(stream)).await.expect("it reads");
    }

    /// Reads a frame: its type, its stream, and its payload. `None` at the end.
    async fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        in_time("a frame or the end", self.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        in_time("a payload", self.0.read_exact(&mut payload)).await.ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Waits for a frame of a type on a stream, and returns how much data came on any before it.
    async fn until(&mut self, kind: u8, stream: u32) -> usize {
        let mut data = 0;
        loop {
            let (is, on, payload) = self.next().await.expect("it goes on");
            if (is, on) == (kind, stream) {
                return data;
            }
            data += if is == DATA { payload.len() } else { 0 };
        }
    }
}

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// As wide as the windows of a stream and of a connection are when a client says nothing.
const WINDOW: usize = 65_535;

#[tokio::test]
async fn a_stuck_stream_that_has_all_of_its_connections_window_is_reset() {
    let short = Duration::from_millis(200);
    let serving = Serving::start(|s| s.http2_prior_knowledge().write_timeout(short)).await;
    let mut client = Frames::begin(serving.address).await;
    client.ask(1).await;
    client.until(DATA, 1).await;
    for n in 0..10 {
        let data = format!("{n} {}", "x".repeat(100_000));
        serving.hub.publish(&topic(), Event::new(data)).await.expect("it is open");
    }
    // What came before is the hello.
    let data = client.until(RST_STREAM, 1).await;
    assert!(data < WINDOW && data > WINDOW / 2, "no more than the window: {data}");
    assert_eq!(serving.monitor.stats().write_timeouts, 1);
    until("what it held is free", || serving.hub.connection_count() == 0).await;

    // As a client does when a stream is reset: what was sent of it takes no room any more.
    let window = u32::try_from(WINDOW).expect("it is short").to_be_bytes();
    let update = [&[0, 0, 4, 8, 0, 0, 0, 0, 0], &window[..]].concat();
    client.0.write_all(&update).await.expect("it reads");
    client.ask(3).await;
    client.until(HEADERS, 3).await;
    client.until(DATA, 3).await;
}

#[tokio::test]
async fn an_answer_whose_end_is_not_taken_does_not_keep_its_connection() {
    let short = Duration::from_millis(200);
    let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
    let server = server.expect("a free port").http2_prior_knowledge();
    let server = server.write_timeout(short).idle_timeout(short);
    let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
    let large = |_: Request<RequestBody>, _| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("x".repeat(2 * WINDOW))))
    };
    tokio::spawn(server.serve(large, std::future::pending::<()>(), Duration::ZERO));
    let mut client = Frames::begin(address).await;
    client.ask(1).await;
    client.until(GOAWAY, 0).await;
    while client.next().await.is_some() {}
    assert_eq!(monitor.stats().write_timeouts, 1);
}

#[tokio::test]
async fn a_stream_with_nothing_to_send_is_not_stuck() {
    let short = Duration::from_millis(50);
    let serving = Serving::start(|s| s.http2_prior_knowledge().write_timeout(short)).await;
    let mut client = http2(serving.socket().await).await;
    let mut quiet = open(&mut client).await;
    tokio::time::sleep(10 * short).await;
    serving.hub.publish(&topic(), Event::new("after a while")).await.expect("it is open");
    assert_eq!(quiet.next().await.as_deref(), Some("after a while"));
    assert_eq!(serving.monitor.stats().write_timeouts, 0);
}

#[tokio::test]
async fn a_connection_without_streams_ends_after_the_idle_timeout() {
    let short = Duration::from_millis(100);
    let serving = Serving::start(|s| s.http2_prior_knowledge().idle_timeout(short)).await;
    let socket = serving.socket().await;
    let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await;
    let (mut client, connection): (Client, _) = shaken.expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let stream = open(&mut client).await;
    tokio::time::sleep(5 * short).await;
    assert!(!connection.is_finished(), "a stream is no idleness");
    drop(stream);
    connection.await.expect("no panic").expect("a proper end");
}

#[tokio::test]
async fn every_stream_counts_for_the_limits() {
    let settings = |server: Server| {
        server.http2_prior_knowledge().limits(Quota::new().total(100).per_client(3))
    };
    let serving = Serving::start(settings).await;
    let mut client = http2(serving.socket().await).await;
    let first = open(&mut client).await;
    let _kept = [open(&mut client).await, open(&mut client).await];
    let again = async |client: &mut Client| {
        let request = Request::get("http://x/events").header("accept", "text/event-stream");
        let request = request.body(Empty::new()).expect("a request");
        let response = client.send_request(request).await.expect("an answer");
        let mut stream = Stream { body: response.into_body(), decoder: Decoder::new() };
        stream.next().await
    };
    assert_eq!(again(&mut client).await.as_deref(), Some("sse-kit:busy"));
    drop(first);
    until("two streams are left", || serving.hub.connection_count() == 2).await;
    assert_eq!(again(&mut client).await.as_deref(), Some("sse-kit:hello"));
}

#[tokio::test]
async fn http1_is_spoken_on_the_same_port() {
    let serving = Serving::start(Server::http2_prior_knowledge).await;
    let shaken = http1::handshake(TokioIo::new(serving.socket().await)).await;
    let (mut client, connection) = shaken.expect("HTTP/1.1");
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "x").body(Empty::<Bytes>::new());
    let response = client.send_request(request.expect("a request")).await.expect("an answer");
    assert_eq!(response.version(), Version::HTTP_11);

    // A beginning that could still become HTTP/2, byte by byte.
    let mut slow = serving.socket().await;
    for byte in b"PR" {
        slow.write_all(&[*byte]).await.expect("it reads");
        slow.flush().await.expect("it reads");
    }
    slow.write_all(b"OPFIND / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it reads");
    let mut head = [0; 12];
    slow.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
}

#[tokio::test]
async fn who_begins_nothing_is_closed() {
    let settings =
        |server: Server| server.http2_prior_knowledge().header_timeout(Duration::from_millis(100));
    let serving = Serving::start(settings).await;
    for begun in ["", "PRI * HTTP/2.0\r\n"] {
        let mut socket = serving.socket().await;
        socket.write_all(begun.as_bytes()).await.expect("it reads");
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn rapid_resets_end_their_connection_and_nothing_else() {
    // In full by `cargo xtask soak`.
    let resets = if std::env::var_os("SSE_KIT_SOAK").is_some() { 100_000 } else { 10_000 };
    let serving = Serving::start(Server::http2_prior_knowledge).await;
    let mut client = http2(serving.socket().await).await;
    let mut good = open(&mut client).await;
    let mut sent = 0;
    while sent < resets {
        let mut socket = serving.socket().await;
        let (mut reader, mut writer) = socket.split();
        let attack = async {
            writer.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
            for stream in (1..2 * resets).step_by(2) {
                writer.write_all(&request_and_reset(stream)).await?;
                sent += 1;
            }
            Ok::<_, std::io::Error>(())
        };
        // Until the server has had enough of it, and closes.
        let mut answer = Vec::new();
        tokio::select! {
            _ = attack => {}
            _ = reader.read_to_end(&mut answer) => {}
        }
    }
    serving.hub.publish(&topic(), Event::new("still here")).await.expect("it is open");
    assert_eq!(good.next().await.as_deref(), Some("still here"));
    until("one stream is left", || serving.hub.connection_count() == 1).await;
}

/// `GET / HTTP/2` in a frame.
fn request(stream: usize) -> Vec<u8> {
    let id = u32::try_from(stream).expect("a stream id").to_be_bytes();
    // By HPACK's static table: GET, /, http; and an authority, which is a literal.
    let fields = [0x82, 0x84, 0x86, 0x41, 1, b'x'];
    let length = [0, 0, u8::try_from(fields.len()).expect("it is short")];
    [&length[..], &[1, 0b101], &id, &fields].concat()
}

/// A request, and its reset, in frames.
fn request_and_reset(stream: usize) -> Vec<u8> {
    let id = u32::try_from(stream).expect("a stream id").to_be_bytes();
    let reset = [&[0, 0, 4, 3, 0], &id[..], &[0, 0, 0, 8]].concat();
    [request(stream), reset].concat()
}

#[cfg(feature = "tls")]
mod tls {
    use std::sync::Arc;

    use sse_kit_serve::Tls;
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    use tokio_rustls::{TlsConnector, client::TlsStream};

    use super::*;

    /// A server, and how a client connects that offers these protocols.
    async fn start() -> (Serving, impl AsyncFn(&[&str]) -> TlsStream<TcpStream>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let key = made.signing_key.serialize_pem();
        let tls = Tls::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).expect("they fit");
        let serving =
            Serving::start(|server| server.tls(tls).header_timeout(Duration::from_secs(5))).await;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        let address = serving.address;
        let connect = async move |protocols: &[&str]| {
            let provider = Arc::new(ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("there are some")
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().into()).collect();
            let socket = TcpStream::connect(address).await.expect("it listens");
            let name = ServerName::try_from("localhost").expect("a name");
            TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("TLS")
        };
        (serving, connect)
    }

    #[tokio::test]
    async fn who_offers_http2_gets_it_and_the_streams_end_properly() {
        let (serving, connect) = start().await;
        let mut client = http2(connect(&["h2", "http/1.1"]).await).await;
        let mut streams = [open(&mut client).await, open(&mut client).await];
        serving.hub.publish(&topic(), Event::new("x")).await.expect("it is open");
        serving.shutdown.trigger();
        for stream in &mut streams {
            assert_eq!(stream.next().await.as_deref(), Some("x"));
            assert_eq!(stream.next().await.as_deref(), Some("sse-kit:shutdown"));
            assert_eq!(stream.next().await, None);
        }
        assert_eq!(serving.ended.await.expect("no panic"), Ended::Drained);
    }

    #[tokio::test]
    async fn who_does_not_offer_it_gets_http1() {
        let (_serving, connect) = start().await;
        for protocols in [&["http/1.1"][..], &[]] {
            let io = TokioIo::new(connect(protocols).await);
            let (mut client, connection) = http1::handshake(io).await.expect("HTTP/1.1");
            tokio::spawn(connection);
            let request = Request::get("/").header("host", "x").body(Empty::<Bytes>::new());
            let response = client.send_request(request.expect("a request")).await;
            assert_eq!(response.expect("an answer").version(), Version::HTTP_11);
        }
    }

    #[tokio::test]
    async fn who_speaks_no_tls_is_closed_and_the_others_are_served() {
        let (serving, connect) = start().await;
        let mut plain = serving.socket().await;
        plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it reads");
        let mut answer = Vec::new();
        let _ = plain.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        let mut silent = serving.socket().await;
        assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
        open(&mut http2(connect(&["h2"]).await).await).await;
    }
}
