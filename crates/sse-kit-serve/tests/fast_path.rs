//! Streams on the server's fast path: as hyper would serve them, to the byte.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_test_support::in_time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The number of bodies there are, in all tests.
static BODIES: AtomicUsize = AtomicUsize::new(0);

/// A body by the letters of the path: `s` gives a short frame, `l` a long one, `e` an empty one, `w`
/// waits for a moment, `f` fails, `.` is for ever; a digit is how much longer it says that it is.
struct Script {
    steps: std::vec::IntoIter<u8>,
    says: Option<u64>,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Script {
    fn new(steps: &str) -> Self {
        BODIES.fetch_add(1, Ordering::SeqCst);
        let length = |step: u8| frame(step).map_or(0, |frame| frame.len() as u64);
        let more = steps.bytes().find(u8::is_ascii_digit).map(|digit| u64::from(digit - b'0'));
        let says = more.map(|more| more + steps.bytes().map(length).sum::<u64>());
        Self { steps: steps.as_bytes().to_vec().into_iter(), says, sleep: None }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        BODIES.fetch_sub(1, Ordering::SeqCst);
    }
}

fn frame(step: u8) -> Option<Bytes> {
    match step {
        b's' => Some(Bytes::from_static(b"data: short\n\n")),
        b'l' => Some((0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect()),
        b'e' => Some(Bytes::new()),
        _ => None,
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                std::task::ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            if self.steps.as_slice() == b"." {
                return Poll::Pending;
            }
            match self.steps.next() {
                Some(b'f') => return Poll::Ready(Some(Err("it failed"))),
                Some(b'w') => {
                    self.sleep = Some(Box::pin(tokio::time::sleep(Duration::from_millis(2))));
                }
                Some(step) => {
                    let Some(frame) = frame(step) else { continue };
                    return Poll::Ready(Some(Ok(Frame::data(frame))));
                }
                None => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.says.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// `/no-content` has none, `/error` ends the connection, all else is a script.
fn answer(path: &str) -> Result<Response<Script>, &'static str> {
    let mut response = Response::new(Script::new(path.trim_start_matches('/')));
    response.headers_mut().insert("x-path", path.parse().map_err(|_| "no header")?);
    match path {
        "/error" => return Err("an error"),
        "/no-content" => {
            *response.body_mut() = Script::new("");
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        _ => {}
    }
    Ok(response)
}

struct Serving {
    address: SocketAddr,
    monitor: ServeStatus,
    stop: oneshot::Sender<()>,
    outcome: JoinHandle<usize>,
}

impl Serving {
    /// Streams are `GET`s of all paths that do not begin with `/other`.
    async fn start(settings: impl FnOnce(Server) -> Server) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(server.expect("a free port")).streams(
            |request| !request.uri().path().starts_with("/other"),
            |request: Request<()>, _| std::future::ready(answer(request.uri().path())),
        );
        let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
        let (stop, stopped) = oneshot::channel();
        let service = |request: Request<RequestBody>, _| {
            let path = request.uri().path().trim_start_matches("/other").to_owned();
            async move { answer(&path) }
        };
        let outcome = tokio::spawn(server.serve(service, stopped, Duration::from_secs(600)));
        Self { address, monitor, stop, outcome }
    }

    async fn open(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        socket
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")
}

/// Returns all bytes until the server closes the connection.
async fn rest(mut socket: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let reading = socket.read_to_end(&mut all);
    // A connection that is cut off may be reset; what came before counts.
    let _ = in_time("an end", reading).await;
    all
}

/// The head as lines, sorted, without the date and what only answers have that are no streams; and the body.
fn parts(response: &[u8]) -> (Vec<String>, Vec<u8>) {
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&response[..end]).into_owned();
    let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.starts_with("date: ") && !line.starts_with("keep-alive: "));
    lines[1..].sort_unstable();
    (lines, response[end + 4..].to_vec())
}

/// Only a broken server makes this take long.
async fn until(holds: impl Fn() -> bool) {
    sse_kit_test_support::until("it comes to that", holds).await;
}

#[tokio::test]
async fn responses_are_those_of_hyper() {
    for hypers in [Server::by_hyper, Server::streams_by_hyper] {
        responses_are_those_of(hypers).await;
    }
}

async fn responses_are_those_of(hypers: fn(Server) -> Server) {
    let [serving, by_hyper] = [Serving::start(|server| server).await, Serving::start(hypers).await];
    let scripts = ["", "s", "sss", "sws", "slsl", "lws", "ese", "0", "s0", "sl0", "no-content"];
    for script in scripts {
        let hypers = by_hyper.open(&get(&format!("/{script}"))).await;
        let hypers = parts(&heard(hypers).await);
        for path in [format!("/{script}"), format!("/other/{script}")] {
            let ours = parts(&heard(serving.open(&get(&path)).await).await);
            assert_eq!(ours.0, hypers.0, "{path}");
            assert!(ours.1 == hypers.1, "{path}: {} and {} bytes", ours.1.len(), hypers.1.len());
        }
    }
    assert_eq!(serving.monitor.stats().fast_path, scripts.len() as u64);
    assert_eq!(by_hyper.monitor.stats().fast_path, 0);
    for (serving, path) in [(&serving, "/s"), (&serving, "/other/s"), (&by_hyper, "/s")] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: x, Close\r\n\r\n");
        let (head, body) = parts(&rest(serving.open(&request).await).await);
        assert!(head.contains(&"connection: close".to_owned()), "{head:?}");
        assert!(body.ends_with(b"0\r\n\r\n"), "{path}");
    }
}

/// One response, and whatever comes behind it until the server sees that nothing more is asked for.
async fn heard(mut socket: TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    while !is_whole(&all) {
        let read = in_time("more of the response", socket.read_buf(&mut all)).await;
        assert!(read.expect("no reset") > 0, "it ends: {}", String::from_utf8_lossy(&all));
    }
    socket.shutdown().await.expect("it is open");
    all.extend(rest(socket).await);
    all
}

/// Returns `true` if a response has come as far as its head says.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]);
    if text.contains("transfer-encoding: chunked") {
        return bytes.ends_with(b"\r\n0\r\n\r\n");
    }
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
    bytes.len() >= head + 4 + length
}

/// The beginning of what comes, of this length.
async fn begin(mut socket: TcpStream, length: usize) -> Vec<u8> {
    let mut begin = vec![0; length];
    in_time("an answer", socket.read_exact(&mut begin)).await.expect("an answer");
    begin
}

#[tokio::test]
async fn a_request_is_read_however_it_was_cut() {
    let serving = Serving::start(|server| server).await;
    let request = format!("GET /s HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(3000));
    for piece in [1, 7, 1000] {
        let mut socket = serving.open("").await;
        socket.set_nodelay(true).expect("a socket");
        for bytes in request.as_bytes().chunks(piece) {
            socket.write_all(bytes).await.expect("it reads");
            tokio::task::yield_now().await;
        }
        assert!(heard(socket).await.ends_with(b"\r\n0\r\n\r\n"));
    }
    assert_eq!(serving.monitor.stats().fast_path, 3);
}

#[tokio::test]
async fn one_connection_bears_one_request_after_another_on_either_lane() {
    let serving = Serving::start(|server| server).await;
    // All at once; the second waits while the first is answered. The last is to end it.
    let last = "GET /s HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // hyper writes trailers.
    let hypers = "GET /other/s HTTP/1.1\r\nhost: x\r\nte: trailers\r\n\r\n";
    let all = [&get("/ws"), &get("/s"), &get("/other/s"), hypers, last].concat();
    let heard = String::from_utf8(rest(serving.open(&all).await).await).expect("UTF-8");
    let paths: Vec<_> = heard.lines().filter_map(|line| line.strip_prefix("x-path: ")).collect();
    assert_eq!(paths, ["/ws", "/s", "/s", "/s", "/s"]);
    assert_eq!(heard.matches("data: short").count(), 5);
    assert_eq!(serving.monitor.stats().fast_path, 3, "hyper gives the connection back");
}

#[tokio::test]
async fn what_is_not_for_the_lane_goes_to_hyper_with_all_that_was_read() {
    let serving = Serving::start(|server| server).await;
    for (request, status) in [
        ("POST /s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi", "200"),
        ("GET /s HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi", "200"),
        ("GET /s HTTP/1.0\r\n\r\n", "200"),
        ("HEAD /s HTTP/1.1\r\nhost: x\r\n\r\n", "200"),
        ("GET /s HTTP/9\r\n\r\n", "400"),
        ("G\r\n\r\n", "400"),
        (&format!("GET /s HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20_000)), "431"),
        (&format!("GET /s HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101)), "431"),
    ] {
        let begin = begin(serving.open(request).await, 12).await;
        let begin = String::from_utf8_lossy(&begin).into_owned();
        assert_eq!(begin.split(' ').nth(1), Some(status), "{request:.60}: {begin}");
    }
    assert_eq!(serving.monitor.stats().fast_path, 0);
}

#[tokio::test]
async fn a_body_that_fails_or_is_too_short_has_no_end() {
    let serving = Serving::start(|server| server).await;
    for (path, written) in [("/sf", "D\r\ndata: short\n\n\r\n"), ("/s7", "data: short\n\n")] {
        let (_, body) = parts(&rest(serving.open(&get(path)).await).await);
        assert_eq!(String::from_utf8_lossy(&body), written);
    }
    assert!(rest(serving.open(&get("/error")).await).await.is_empty());
}

#[tokio::test]
async fn a_reader_that_is_stuck_is_cut_off_and_one_that_is_slow_misses_nothing() {
    let serving = Serving::start(|s| s.write_timeout(Duration::from_secs(3))).await;
    let path = format!("/{}", "sl".repeat(60));
    let stuck = serving.open(&get(&path)).await;
    until(|| serving.monitor.stats().write_timeouts == 1).await;
    let expected = parts(&heard(serving.open(&get(&path)).await).await).1;
    assert!(rest(stuck).await.len() < expected.len(), "it is cut off in the middle");

    let mut slow = serving.open(&get(&path)).await;
    let mut all = Vec::new();
    // In all for longer than the timeout, but with far shorter pauses.
    while all.len() < 2_000_000 {
        tokio::time::sleep(Duration::from_millis(30)).await;
        let mut some = [0; 16_384];
        let read = slow.read(&mut some).await.expect("it goes on");
        all.extend_from_slice(&some[..read]);
    }
    while !all.ends_with(b"\r\n0\r\n\r\n") {
        let read = in_time("the rest", slow.read_buf(&mut all)).await;
        assert!(read.expect("no reset") > 0, "it ends after {} bytes", all.len());
    }
    assert!(parts(&all).1 == expected);
}

#[tokio::test]
async fn when_it_is_told_to_stop_who_waits_goes_and_who_streams_may_end() {
    let serving = Serving::start(|s| s.header_timeout(Duration::from_secs(600))).await;
    let silent = serving.open("GET /").await;
    let idle = serving.open(&get("/s")).await;
    let streaming = serving.open(&get("/swwwwwwwwwwwwwwwwwwwwwwwwwwwwwws")).await;
    until(|| serving.monitor.stats().fast_path == 2).await;
    serving.stop.send(()).expect("it serves");
    let (silent, idle, streaming) = tokio::join!(rest(silent), rest(idle), rest(streaming));
    assert!(silent.is_empty());
    assert!(idle.ends_with(b"0\r\n\r\n") && streaming.ends_with(b"0\r\n\r\n"));
    assert_eq!(serving.outcome.await.expect("no panic"), 0);
}

#[tokio::test]
async fn who_says_nothing_more_is_closed_after_the_header_timeout() {
    let timeout = Duration::from_secs(2);
    let serving = Serving::start(|s| s.header_timeout(timeout).idle_timeout(timeout)).await;
    assert!(rest(serving.open("GET /s HTTP/1.1\r\nhost").await).await.is_empty());
    assert_eq!(serving.monitor.stats().handshake_failures, 1);
    assert!(rest(serving.open(&get("/s")).await).await.ends_with(b"0\r\n\r\n"));
    assert_eq!(serving.monitor.stats().handshake_failures, 1, "it has had what it wanted");
}

#[tokio::test]
async fn with_prior_knowledge_both_versions_find_their_way() {
    let serving = Serving::start(Server::http2_prior_knowledge).await;
    assert!(heard(serving.open(&get("/s")).await).await.ends_with(b"0\r\n\r\n"));
    assert_eq!(serving.monitor.stats().fast_path, 1);
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0";
    let begin = begin(serving.open(preface).await, 4).await;
    assert_eq!(begin[3], 4, "settings");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_body_along() {
    let serving = Serving::start(|server| server).await;
    let mut socket = serving.open(&get("/s.")).await;
    socket.read_exact(&mut [0; 15]).await.expect("an answer");
    assert!(BODIES.load(Ordering::SeqCst) > 0);
    drop(socket);
    until(|| BODIES.load(Ordering::SeqCst) == 0).await;
}
