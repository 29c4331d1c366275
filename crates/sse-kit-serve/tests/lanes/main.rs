//! The fast path held to hyper: random sequences of pipelined requests, cut at random places, get the
//! same answers on both.
//!
//! `cargo test` runs 2,000 sequences, always the same; `cargo xtask soak` runs 40,000, and others each time.

mod answers;

use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body as _, Incoming};
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sse_kit_serve::{RequestBody, Server};
use sse_kit_test_support::{in_time, rng, scaled};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use self::answers::{Answer, answers};

/// The number of sequences that run at a time.
const MAX_TOGETHER: usize = 16;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// `/stream/N/…` is a stream of N frames, and says which path it was asked for; `/stream/N/close` ends its
/// connection.
fn stream(path: &str) -> Response<Body> {
    let frames = path.split('/').nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    let (path, is_last) = (path.to_owned(), path.ends_with("/close"));
    let frames = stream::iter(0..frames).then(move |n| {
        let frame = Bytes::from(format!("data: {n} {path}\n\n"));
        async move {
            if n % 3 == 2 {
                tokio::task::yield_now().await;
            }
            Ok(Frame::data(frame))
        }
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    if is_last {
        response.headers_mut().insert("connection", HeaderValue::from_static("close"));
    }
    response
}

/// Repeats the request's body; `/chunked` does not say how long it is, and `/trailers` has some behind it;
/// `/file` says so in its head alone, `/beyond/…` too and has more behind it, `/204` and `/304` have none, `/103` is
/// no answer, `/late` takes a while, `/unread` leaves the body, and `/close` ends its connection; others have a
/// [head of their own](head_of_its_own).
async fn answer<B: http_body::Body>(request: Request<B>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/stream") {
        return Ok(stream(&path));
    }
    if path == "/unread" {
        return Ok(Response::new(full("unread")));
    }
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::from_static(b"cut off"),
    };
    let mut response = Response::new(full(body.clone()));
    match &*path {
        "/404" => *response.status_mut() = StatusCode::NOT_FOUND,
        "/204" => {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = full("");
        }
        "/304" => *response.status_mut() = StatusCode::NOT_MODIFIED,
        "/304/length" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = halves(&body, None);
        }
        "/chunked" => *response.body_mut() = halves(&body, None),
        "/file" => {
            response.headers_mut().insert("content-length", body.len().into());
            *response.body_mut() = halves(&body, None);
        }
        "/trailers" => {
            response.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
            let trailers = [(HeaderName::from_static("x-sum"), HeaderValue::from(body.len()))];
            *response.body_mut() = halves(&body, Some(trailers.into_iter().collect()));
        }
        "/103" => *response.status_mut() = StatusCode::EARLY_HINTS,
        path if path.starts_with("/beyond/") => {
            let body = if path == "/beyond/nothing" { Bytes::new() } else { body };
            response.headers_mut().insert("content-length", body.len().into());
            *response.body_mut() = beyond(&body, path);
        }
        "/late" => tokio::time::sleep(Duration::from_millis(2)).await,
        "/close" => {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        _ => {}
    }
    head_of_its_own(&path, response.headers_mut());
    if path == "/reason" {
        response.extensions_mut().insert(ReasonPhrase::from_static(b"Fine"));
    }
    Ok(response)
}

/// Adds headers that say more of the connection and of the body than most do.
fn head_of_its_own(path: &str, headers: &mut HeaderMap) {
    let lines: &[(&str, &str)] = match path {
        "/304/length" => &[("content-length", "17")],
        "/coded" => &[("transfer-encoding", "gzip")],
        "/coded/chunked" => &[("transfer-encoding", "gzip, chunked")],
        "/upgrade" => &[("connection", "upgrade"), ("upgrade", "x")],
        _ => &[],
    };
    for (name, value) in lines {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that does not say how long it is.
fn halves(body: &[u8], trailers: Option<HeaderMap>) -> Body {
    let (first, second) = body.split_at(body.len() / 2);
    let halves = [first, second].map(|half| Frame::data(Bytes::copy_from_slice(half)));
    let frames = halves.into_iter().chain(trailers.map(Frame::trailers)).map(Ok);
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// A body that goes on where it should end: with more bytes, with an error, or for ever.
fn beyond(body: &[u8], path: &str) -> Body {
    let all = Frame::data(Bytes::copy_from_slice(body));
    let frames = stream::iter([Ok(all)]);
    match path {
        "/beyond/bytes" => {
            let more = [body, b"more"].concat();
            let frames = [Ok(Frame::data(more.into())), Ok(Frame::data("and more".into()))];
            StreamBody::new(stream::iter(frames)).boxed_unsync()
        }
        "/beyond/error" => {
            let error = stream::iter([Err(io::Error::other("too late"))]);
            StreamBody::new(frames.chain(error)).boxed_unsync()
        }
        _ => StreamBody::new(frames.chain(stream::pending())).boxed_unsync(),
    }
}

/// The function that answers streams.
#[derive(Clone, Copy)]
enum Streams {
    Defined,
    OfTheService,
}

/// Our server, with requests and streams on these lanes, and streams that are defined or that the service answers.
async fn ours(lanes: fn(Server) -> Server, streams: Streams) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
    // A connection that should have ended must not end by this timeout.
    let server = server.expect("a free port").idle_timeout(Duration::from_secs(3600));
    let server = match streams {
        Streams::Defined => lanes(server).streams(
            |request| request.uri().path().starts_with("/stream"),
            |request: Request<()>, _| {
                let response = stream(request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            },
        ),
        Streams::OfTheService => lanes(server),
    };
    let address = server.local_addr().expect("an address");
    let service = |request: Request<RequestBody>, _| answer(request);
    tokio::spawn(server.serve(service, std::future::pending::<()>(), Duration::ZERO));
    address
}

/// hyper as it is, for comparison; but it says so when a body that was not read ends its connection.
async fn hypers() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a client");
            tokio::spawn(by_hyper(socket.into_std().expect("a socket")));
        }
    });
    address
}

/// Serves a connection, and reads what is left of it, so that no reset takes an answer away.
async fn by_hyper(socket: std::net::TcpStream) {
    let left = TcpStream::from_std(socket.try_clone().expect("a socket"));
    let socket = TcpStream::from_std(socket).expect("a socket");
    let service = service_fn(|request: Request<Incoming>| async {
        let path = request.uri().path();
        let is_read = !path.starts_with("/stream") && path != "/unread";
        let is_left = !is_read && !request.body().is_end_stream();
        let mut response = answer(request).await?;
        if is_left {
            response.headers_mut().insert("connection", HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    let mut left = left.expect("a socket");
    _ = left.shutdown().await;
    _ = tokio::io::copy(&mut left, &mut tokio::io::sink()).await;
}

/// The requests of one client, and where it pauses.
#[derive(Debug)]
struct Sequence {
    bytes: Vec<u8>,
    /// For each request, `true` if it is a `HEAD`, whose answer has no body.
    are_heads: Vec<bool>,
    /// Ends of the pieces that are written at once, with the milliseconds that follow each.
    pieces: Vec<(usize, u64)>,
}

impl Sequence {
    fn random(mut rng: Rng) -> Self {
        let mut bytes = Vec::new();
        let last = rng.usize(1..=5);
        let mut are_heads = Vec::new();
        for n in 1..=last {
            if n == last && rng.u8(..4) == 0 {
                bytes.extend_from_slice(malformed(&mut rng).as_bytes());
            } else {
                are_heads.push(request(&mut rng, &mut bytes, n, n == last));
            }
        }
        let cuts = rng.usize(0..8);
        let mut ends: Vec<usize> = (0..cuts).map(|_| rng.usize(1..bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        // Most pieces follow at once, so that they wait while an answer is under way.
        let pieces = ends.into_iter().map(|end| (end, if rng.u8(..4) == 0 { 3 } else { 0 }));
        Self { bytes, are_heads, pieces: pieces.collect() }
    }
}

/// Appends a request; the last one ends its connection, one way or another. Returns `true` if it is a `HEAD`.
fn request(rng: &mut Rng, bytes: &mut Vec<u8>, n: usize, is_last: bool) -> bool {
    let end = if rng.u8(..8) == 0 { "\n" } else { "\r\n" };
    let (method, path) = match rng.u8(..9) {
        0 => ("GET", ["/404", "/304", "/file"][rng.usize(..3)].to_owned()),
        1 => ("HEAD", [format!("/stream/2/{n}"), "/unread".to_owned()][rng.usize(..2)].clone()),
        2 => ("GET", format!("/get/{n}")),
        3 => (METHODS[rng.usize(..METHODS.len())], format!("/any/{n}")),
        4 => ("POST", PATHS[rng.usize(..PATHS.len())].to_owned()),
        5 if is_last => [("POST", "/close"), ("GET", "/stream/2/close")]
            .map(|(method, path)| (method, path.to_owned()))[rng.usize(..2)]
        .clone(),
        5 => ("OPTIONS", "*".to_owned()),
        6 => ("POST", format!("/post/{n}")),
        _ => ("GET", format!("/stream/{}/{n}", rng.usize(0..9))),
    };
    // What has no known length would end a connection of HTTP/1.0.
    let is_old = rng.u8(..8) == 0 && (is_last || path.contains(['p', 'y']));
    let mut head = if rng.u8(..8) == 0 { end.repeat(rng.usize(1..3)) } else { String::new() };
    let host = if rng.u8(..8) == 0 && path != "*" { "http://x" } else { "" };
    let version = if is_old { "1.0" } else { "1.1" };
    write!(head, "{method} {host}{path} HTTP/{version}{end}hOst: x{end}").expect("a string");
    let connection = match (is_last, is_old) {
        (true, false) if !path.ends_with("/close") => ["close", "x, Close"][rng.usize(..2)],
        (false, true) => ["keep-alive", "x, Keep-Alive"][rng.usize(..2)],
        _ => ["y", "keep-alive", "upgrade", "\t"][rng.usize(if is_old { 0..1 } else { 0..4 })],
    };
    write!(head, "Connection: {connection}{end}").expect("a string");
    match if path == "/trailers" { 2 } else { rng.u8(..10) } {
        0 | 1 => write!(head, "Cookie: secret={}{end}", "s".repeat(rng.usize(..3000))),
        2 => write!(head, "TE: trailers{end}"),
        3 => write!(head, "Upgrade: x{end}"),
        4 => write!(head, "{}", format!("X: y{end}").repeat(rng.usize(..90))),
        _ => Ok(()),
    }
    .expect("a string");
    append_body(rng, bytes, &head, end, (method, is_old));
    method == "HEAD"
}

const METHODS: &[&str] =
    &["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "head", "post", "X"];

const PATHS: &[&str] = &[
    "/204",
    "/304",
    "/304/length",
    "/late",
    "/unread",
    "/chunked",
    "/file",
    "/trailers",
    "/reason",
    "/coded",
    "/coded/chunked",
    "/upgrade",
    "/103",
    "/beyond/bytes",
    "/beyond/error",
    "/beyond/for-ever",
    "/beyond/nothing",
];

/// Appends the end of a head, and a body, which most `GET`s do not have.
fn append_body(
    rng: &mut Rng,
    bytes: &mut Vec<u8>,
    head: &str,
    end: &str,
    (method, is_old): (&str, bool),
) {
    let body = body(rng);
    let is_bodiless = rng.u8(..8) > 0;
    if matches!(method, "GET" | "HEAD") && is_bodiless {
        bytes.extend_from_slice(format!("{head}{end}").as_bytes());
    } else if rng.u8(..4) == 0 && !is_old {
        bytes.extend_from_slice(format!("{head}Transfer-Encoding: chunked{end}{end}").as_bytes());
        for chunk in body.chunks(rng.usize(1..20_000)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        let length = body.len();
        let length = match rng.u8(..12) {
            0 => format!("Content-Length: 00{length}{end}"),
            1 => format!("Content-Length: {length}{end}content-length:{length}{end}"),
            2 if !is_old => format!("Expect: 100-continue{end}Content-Length: {length}{end}"),
            3 => format!("cOntent-length:\t {length} {end}"),
            _ => format!("Content-Length: {length}{end}"),
        };
        bytes.extend_from_slice(format!("{head}{length}{end}").as_bytes());
        bytes.extend_from_slice(&body);
    }
}

/// A request that is refused, with what looks like another in its body.
fn malformed(rng: &mut Rng) -> String {
    let many = "X: y\r\n".repeat(101);
    let headers = [
        "Content-Length: +1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: \r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length : 1\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, x\r\nContent-Length: 1\r\n",
        "X: a\r\n b\r\n",
        "X: \0\r\n",
        "X\r\n",
        &many,
    ];
    let head = headers[rng.usize(..headers.len())];
    let line = match rng.u8(..12) {
        0 => "POST / HTTP/1.2",
        1 => "POST  / HTTP/1.1",
        2 => "POST /\x01 HTTP/1.1",
        3 => "PO(ST / HTTP/1.1",
        4 => "POST http:// HTTP/1.1",
        _ => "POST / HTTP/1.1",
    };
    format!("{line}\r\nHost: x\r\n{head}\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// A body that looks like requests, up to 64 KiB.
fn body(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.u8(..5) {
        0 => rng.usize(..4),
        1 => rng.usize(..900),
        2 => rng.usize(..16_000),
        3 => 16 * 1024 - 1 + rng.usize(..3),
        _ => rng.usize(..=65_536),
    };
    let shift = rng.usize(..50);
    let text = b"GET /stream/3/smuggled HTTP/1.1\r\nHost: x\r\n\r\n0\r\n\r\n".iter().cycle();
    text.skip(shift).copied().take(length).collect()
}

/// Sends a sequence, and reads until the server closes.
async fn play(address: SocketAddr, sequence: &Sequence) -> Vec<u8> {
    let socket = TcpStream::connect(address).await.expect("it listens");
    socket.set_nodelay(true).expect("a socket");
    let (mut reader, mut writer) = socket.into_split();
    let sending = async {
        let mut from = 0;
        for &(to, pause) in &sequence.pieces {
            // The server may have had enough of it.
            if writer.write_all(&sequence.bytes[from..to]).await.is_err() {
                return;
            }
            from = to;
            match pause {
                0 => tokio::task::yield_now().await,
                millis => tokio::time::sleep(Duration::from_millis(millis)).await,
            }
        }
    };
    let mut answers = Vec::new();
    let reading = async { _ = reader.read_to_end(&mut answers).await };
    in_time("the server closes", async { tokio::join!(sending, reading) }).await;
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_get_the_answers_that_hyper_gives() {
    let ours = [
        ours(|usual| usual, Streams::Defined).await,
        ours(Server::streams_by_hyper, Streams::Defined).await,
        ours(|usual| usual, Streams::OfTheService).await,
        ours(Server::by_hyper, Streams::Defined).await,
    ];
    let hypers = hypers().await;
    let mut rng = rng();
    let sequences = (0..scaled(2000)).map(|number| (number, Sequence::random(rng.fork())));
    stream::iter(sequences)
        .for_each_concurrent(MAX_TOGETHER, |(number, sequence)| async move {
            let ours = ours[number as usize % ours.len()];
            let (on_lane, by_hyper) = tokio::join!(play(ours, &sequence), play(hypers, &sequence));
            let (on_lane, by_hyper) = (answers(&on_lane, &sequence), answers(&by_hyper, &sequence));
            let summary = |answers: &(Vec<Answer>, Vec<u8>)| {
                let one = |a: &Answer| format!("{} {:?} {} bytes", a.status, a.head, a.body.len());
                let all: Vec<String> = answers.0.iter().map(one).collect();
                format!("{all:#?} and {} bytes", answers.1.len())
            };
            assert!(
                on_lane == by_hyper,
                "sequence {number}\non the lane: {}\nby hyper: {}",
                summary(&on_lane),
                summary(&by_hyper)
            );
            assert!(by_hyper.1.is_empty(), "sequence {number}: what follows is no answer");
        })
        .await;
}
