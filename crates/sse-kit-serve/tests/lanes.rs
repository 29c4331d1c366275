//! The fast path held to hyper: random sequences of pipelined requests, cut at random places, get the
//! same answers on both.
//!
//! `cargo test` runs 1,000 sequences, always the same; `cargo xtask soak` runs 20,000, and others each time.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use futures_util::stream::{self, StreamExt};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sse_kit_serve::{RequestBody, Server};
use sse_kit_test_support::{in_time, rng, scaled};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How many sequences run at a time.
const MAX_TOGETHER: usize = 16;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// `/stream/N/…` is a stream of N frames, and says which path it was asked for.
fn stream(path: &str) -> Response<Body> {
    let frames = path.split('/').nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    let path = path.to_owned();
    let frames = stream::iter(0..frames).then(move |n| {
        let frame = Bytes::from(format!("data: {n} {path}\n\n"));
        async move {
            if n % 3 == 2 {
                tokio::task::yield_now().await;
            }
            Ok(Frame::data(frame))
        }
    });
    Response::new(StreamBody::new(frames).boxed_unsync())
}

/// Repeats the request's body; `/chunked` does not say how long it is, `/204` has none, `/late` takes a
/// while, and `/close` ends its connection.
async fn answer<B: http_body::Body>(request: Request<B>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/stream") {
        return Ok(stream(&path));
    }
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::from_static(b"cut off"),
    };
    let mut response = Response::new(Full::new(body.clone()).boxed_unsync());
    match &*path {
        "/404" => *response.status_mut() = StatusCode::NOT_FOUND,
        "/204" => {
            *response.status_mut() = StatusCode::NO_CONTENT;
            *response.body_mut() = Full::default().boxed_unsync();
        }
        "/chunked" => {
            let (first, second) = body.split_at(body.len() / 2);
            let halves = [first, second].map(|half| Ok(Frame::data(Bytes::copy_from_slice(half))));
            *response.body_mut() = StreamBody::new(stream::iter(halves)).boxed_unsync();
        }
        "/late" => tokio::time::sleep(Duration::from_millis(2)).await,
        "/close" => {
            response.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
        }
        _ => {}
    }
    Ok(response)
}

/// Our server, with short requests on the fast path, and streams too or by hyper.
async fn ours(lanes: fn(Server) -> Server) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
    let server = lanes(server.expect("a free port")).streams(
        |request| request.uri().path().starts_with("/stream"),
        |request: Request<()>, _| {
            let response = stream(request.uri().path());
            async move { Ok::<_, Infallible>(response) }
        },
    );
    let address = server.local_addr().expect("an address");
    let service = |request: Request<RequestBody>, _| answer(request);
    tokio::spawn(server.serve(service, std::future::pending::<()>(), Duration::ZERO));
    address
}

/// hyper as it is, for comparison.
async fn hypers() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.expect("a client");
            let service = service_fn(answer::<Incoming>);
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

/// What one client sends, and where it pauses.
#[derive(Debug)]
struct Sequence {
    bytes: Vec<u8>,
    /// Ends of the pieces that are written at once, with the milliseconds that follow each.
    pieces: Vec<(usize, u64)>,
}

impl Sequence {
    fn random(mut rng: Rng) -> Self {
        let mut bytes = Vec::new();
        let last = rng.usize(1..=5);
        for n in 1..=last {
            request(&mut rng, &mut bytes, n, n == last);
        }
        let cuts = rng.usize(0..8);
        let mut ends: Vec<usize> = (0..cuts).map(|_| rng.usize(1..bytes.len())).collect();
        ends.push(bytes.len());
        ends.sort_unstable();
        // Most pieces follow at once, so that they wait while an answer is under way.
        let pieces = ends.into_iter().map(|end| (end, if rng.u8(..4) == 0 { 3 } else { 0 }));
        Self { bytes, pieces: pieces.collect() }
    }
}

/// Appends a request; the last one ends its connection, one way or another.
fn request(rng: &mut Rng, bytes: &mut Vec<u8>, n: usize, is_last: bool) {
    let end = if rng.u8(..8) == 0 { "\n" } else { "\r\n" };
    let is_stream = rng.bool();
    let mut head = String::new();
    let (method, path) = match rng.u8(..8) {
        _ if is_stream => ("GET", format!("/stream/{}/{n}", rng.usize(0..9))),
        0 => ("GET", "/404".to_owned()),
        1 => ("HEAD", format!("/stream/2/{n}")),
        2 => ("GET", format!("/get/{n}")),
        3 => ("POST", "/chunked".to_owned()),
        4 => ("POST", ["/204", "/late"][rng.usize(..2)].to_owned()),
        5 if is_last => ("POST", "/close".to_owned()),
        _ => ("POST", format!("/post/{n}")),
    };
    let is_plain = !is_last || rng.u8(..4) > 0;
    let version = if is_plain { "1.1" } else { "1.0" };
    write!(head, "{method} {path} HTTP/{version}{end}hOst: x{end}").expect("a string");
    if is_last && is_plain && path != "/close" {
        write!(head, "Connection: {}{end}", ["close", "x, Close"][rng.usize(..2)])
            .expect("a string");
    }
    if rng.u8(..4) == 0 {
        write!(head, "Cookie: secret={}{end}", "s".repeat(rng.usize(..3000))).expect("a string");
    }
    let body = body(rng);
    if method != "POST" {
        bytes.extend_from_slice(format!("{head}{end}").as_bytes());
    } else if rng.u8(..3) == 0 && is_plain {
        bytes.extend_from_slice(format!("{head}Transfer-Encoding: chunked{end}{end}").as_bytes());
        for chunk in body.chunks(rng.usize(1..20_000)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
    } else {
        let length = format!("{head}Content-Length: {}{end}{end}", body.len());
        bytes.extend_from_slice(length.as_bytes());
        bytes.extend_from_slice(&body);
    }
}

/// A body that looks like requests, up to 64 KiB.
fn body(rng: &mut Rng) -> Vec<u8> {
    let length = match rng.u8(..4) {
        0 => rng.usize(..4),
        1 => rng.usize(..900),
        2 => rng.usize(..16_000),
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

/// One answer: its status, its head in order, without the date and what hyper does not say by itself, and its
/// body without chunks.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: Vec<String>,
    body: Vec<u8>,
}

/// The answers, and what cannot be read as one.
fn answers(mut bytes: &[u8], sequence: &Sequence) -> (Vec<Answer>, Vec<u8>) {
    let mut all = Vec::new();
    let requests = String::from_utf8_lossy(&sequence.bytes).into_owned();
    let is_head = |n: usize| requests.contains(&format!("HEAD /stream/2/{} ", n + 1));
    while let Some((answer, length)) = one_answer(bytes, is_head(all.len())) {
        all.push(answer);
        bytes = &bytes[length..];
    }
    (all, bytes.to_vec())
}

fn one_answer(bytes: &[u8], is_head: bool) -> Option<(Answer, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(begin) = parsed.parse(bytes).ok()? else { return None };
    let status = parsed.code?;
    let text = |header: &httparse::Header| {
        format!("{}: {}", header.name, String::from_utf8_lossy(header.value)).to_lowercase()
    };
    let mut head: Vec<String> = parsed.headers.iter().map(text).collect();
    head.retain(|line| !line.starts_with("date: ") && !line.starts_with("keep-alive: "));
    head.sort_unstable();
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: "));
    let (body, end) = if is_head || status == 204 {
        (Vec::new(), begin)
    } else if let Some(length) = length {
        let end = begin + length.parse::<usize>().ok()?;
        (bytes.get(begin..end)?.to_vec(), end)
    } else if head.iter().any(|line| line == "transfer-encoding: chunked") {
        unchunked(bytes, begin)?
    } else {
        (bytes[begin..].to_vec(), bytes.len())
    };
    Some((Answer { status, head, body }, end))
}

fn unchunked(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((line, size)) =
            httparse::parse_chunk_size(&bytes[at..]).ok()?
        else {
            return None;
        };
        let begin = at + line;
        let end = begin + usize::try_from(size).ok()?;
        body.extend_from_slice(bytes.get(begin..end)?);
        at = end + 2;
        if size == 0 {
            return Some((body, at));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_get_the_answers_that_hyper_gives() {
    let both = [ours(Server::fast_path).await, ours(Server::fast_requests).await];
    let hypers = hypers().await;
    let mut rng = rng();
    let sequences = (0..scaled(1000)).map(|number| (number, Sequence::random(rng.fork())));
    stream::iter(sequences)
        .for_each_concurrent(MAX_TOGETHER, |(number, sequence)| async move {
            let ours = both[number as usize % 2];
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
