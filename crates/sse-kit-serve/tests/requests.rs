//! Short requests without hyper: their limits, and what happens when something goes wrong.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sse_kit_http::Quota;
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_test_support::{in_time, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than what a socket of [`Serving::open_narrow`] takes, shorter than a server's buffer.
const LONG: usize = 50_000;

/// Longer than any buffer of the kernel.
const HUGE: usize = 50_000_000;

/// The handlers that run, and those that have failed.
#[derive(Debug, Default)]
struct Handlers {
    running: AtomicUsize,
    failed: AtomicUsize,
}

/// Counts a handler as long as it runs.
struct Running(Arc<Handlers>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// `/long` and `/huge` answer with that much, `/103` with a status that is no answer, `/hold` never; `/fail`
/// fails, `/timeout` too, and `/panic` panics; `/arrived` repeats a body that has arrived with its head, and all
/// else each body.
async fn answer(
    mut request: Request<RequestBody>,
    handlers: Arc<Handlers>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    handlers.running.fetch_add(1, Ordering::SeqCst);
    let running = Running(handlers);
    let path = request.uri().path().to_owned();
    if path == "/arrived" {
        let body = request.body_mut().take_arrived();
        return Ok(Response::new(Full::from(body.unwrap_or_else(|| "later".into()))));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let (status, body) = match &*path {
        "/long" => (StatusCode::OK, vec![b'l'; LONG].into()),
        "/huge" => (StatusCode::OK, vec![b'h'; HUGE].into()),
        "/103" => (StatusCode::EARLY_HINTS, Bytes::new()),
        "/hold" => std::future::pending().await,
        "/fail" => {
            running.0.failed.fetch_add(1, Ordering::SeqCst);
            return Err("it failed".into());
        }
        "/timeout" => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        "/panic" => panic!("a handler that panics"),
        _ => (StatusCode::OK, body),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

struct Serving {
    address: SocketAddr,
    monitor: ServeStatus,
    handlers: Arc<Handlers>,
}

impl Serving {
    async fn start(settings: impl FnOnce(Server) -> Server) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(server.expect("a free port"));
        let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
        let handlers = Arc::<Handlers>::default();
        let ours = Arc::clone(&handlers);
        let service = move |request, _| answer(request, Arc::clone(&ours));
        tokio::spawn(server.serve(service, std::future::pending::<()>(), Duration::ZERO));
        Self { address, monitor, handlers }
    }

    async fn open(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(bytes.as_ref()).await.expect("it reads");
        socket
    }

    /// Opens a connection whose kernel takes little before it is read.
    async fn open_narrow(&self, bytes: &[u8]) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(2_048).expect("a socket");
        let mut socket = socket.connect(self.address).await.expect("it listens");
        socket.write_all(bytes).await.expect("it reads");
        socket
    }

    fn running(&self) -> usize {
        self.handlers.running.load(Ordering::SeqCst)
    }
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is cut off may be reset; what came before counts.
    _ = in_time("the connection ends", socket.read_to_end(&mut all)).await;
    String::from_utf8_lossy(&all).into_owned()
}

async fn status(socket: &mut TcpStream) -> String {
    let mut status = [0; 12];
    in_time("an answer", socket.read_exact(&mut status)).await.expect("an answer");
    String::from_utf8_lossy(&status).into_owned()
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, with streams and without.
const FAST_LANES: [Lane; 2] = [|usual| usual, Server::streams_by_hyper];

const LANES: [Lane; 3] = [FAST_LANES[0], FAST_LANES[1], Server::by_hyper];

#[tokio::test]
async fn a_head_behind_empty_lines_has_the_header_timeout() {
    for lane in LANES {
        let timeout = Duration::from_secs(1);
        let serving = Serving::start(|s| lane(s).header_timeout(timeout)).await;
        for empty in ["\r\n\r\n", "\n\n\n", "\r\n\r\nPOST / HTTP/1.1\r\nHost: x"] {
            assert_eq!(rest(serving.open(empty).await).await, "", "{empty:?}");
        }
        // By a server that waits for as long as a busy machine may take.
        let serving = Serving::start(lane).await;
        let late = format!("\r\n\r\n\r\n{}", post("/", "late"));
        let mut socket = serving.open(late).await;
        assert_eq!(status(&mut socket).await, "HTTP/1.1 200");
    }
}

#[tokio::test]
async fn a_failure_leaves_the_answers_before_it() {
    for lane in LANES {
        let serving = Serving::start(lane).await;
        let requests = [post("/long", ""), post("/fail", ""), post("/", &"x".repeat(200_000))];
        let socket = serving.open_narrow(requests.concat().as_bytes()).await;
        until("it has failed", || serving.handlers.failed.load(Ordering::SeqCst) == 1).await;
        until("it has ended", || serving.running() == 0).await;
        assert_eq!(rest(socket).await.matches('l').count(), LONG + 2, "its head has two");
    }
}

#[tokio::test]
async fn a_status_that_is_no_answer_is_a_failure() {
    for lane in LANES {
        let serving = Serving::start(lane).await;
        let requests = [post("/", "a"), post("/103", ""), post("/", "b")].concat();
        let answers = rest(serving.open(requests).await).await;
        let (first, second) = answers.split_once("\r\n\r\naHTTP/1.1 ").expect("two answers");
        assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{answers}");
        assert!(second.starts_with("500 Internal Server Error\r\n"), "{answers}");
        assert!(second.contains("content-length: 0\r\n"), "{answers}");
        assert!(second.ends_with("\r\n\r\n"), "{answers}");
    }
}

/// A body that hyper reads has not arrived, even if there is none.
#[tokio::test]
async fn a_get_takes_the_fast_path_unless_streams_are_by_hyper() {
    for (lane, by_hyper) in LANES.into_iter().zip([false, true, true]) {
        let serving = Serving::start(lane).await;
        let request = "GET /arrived HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answers = rest(serving.open(request).await).await;
        assert!(answers.starts_with("HTTP/1.1 200"), "{answers}");
        assert_eq!(answers.ends_with("later"), by_hyper, "{answers}");
    }
}

#[tokio::test]
async fn a_body_that_has_arrived_is_taken_at_once_and_counts_as_read() {
    for lane in FAST_LANES {
        let serving = Serving::start(lane).await;
        let last = "POST /arrived HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        let requests = [&*post("/arrived", "first"), &*post("/arrived", ""), last].concat();
        let answers = rest(serving.open(requests).await).await;
        let bodies: Vec<_> = answers.split("\r\n\r\n").skip(1).collect();
        assert!(
            matches!(&*bodies, [first, empty, late] if first.starts_with("firstHTTP/1.1 200")
            && empty.starts_with("HTTP/1.1 200") && *late == "later"),
            "{answers}"
        );
        assert_eq!(answers.matches("connection: close").count(), 1, "the one that was not read");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_handler_along() {
    let serving = Serving::start(|usual| usual).await;
    let socket = serving.open(post("/", "first") + &post("/hold", "body")).await;
    until("it holds", || serving.running() == 1).await;
    drop(socket);
    until("it has ended", || serving.running() == 0).await;
}

#[tokio::test]
async fn one_connection_is_one_client_whatever_becomes_of_its_requests() {
    let limits = Quota::new().per_client(1);
    let serving = Serving::start(|s| s.limits(limits.clone())).await;
    for end in ["/panic", "/fail", "/hold"] {
        let mut socket = serving.open(post("/", "")).await;
        assert_eq!(status(&mut socket).await, "HTTP/1.1 200");
        assert_eq!(limits.open(), 1);
        socket.write_all(post(end, "").as_bytes()).await.expect("it reads");
        if end == "/hold" {
            until("it holds", || serving.running() == 1).await;
            assert_eq!(status(&mut serving.open(post("/", "")).await).await, "HTTP/1.1 503");
            drop(socket);
        } else {
            rest(socket).await;
        }
        until("there is room", || limits.open() == 0).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_a_long_answer_is_cut_off() {
    let timeout = Duration::from_secs(1);
    let serving = Serving::start(|s| s.write_timeout(timeout)).await;
    let socket = serving.open(post("/huge", "")).await;
    until("it is cut off", || serving.monitor.stats().write_timeouts == 1).await;
    assert!(rest(socket).await.len() < HUGE);
}

#[tokio::test]
async fn a_timeout_of_the_app_is_not_one_of_the_client() {
    for lane in LANES {
        let serving = Serving::start(lane).await;
        assert_eq!(rest(serving.open(post("/timeout", "")).await).await, "");
        rest(serving.open("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await).await;
        assert_eq!(serving.monitor.stats().write_timeouts, 0);
    }
}

#[tokio::test]
async fn what_is_no_request_is_refused_behind_whatever_it_comes() {
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    // Among these are lengths after which the socket takes nothing more in the same turn of its task.
    let long = (32_800..33_100).step_by(25).map(|length| post("/", &"x".repeat(length)));
    let before: Vec<String> =
        ["", chunked, &post("/", "short")].map(str::to_owned).into_iter().chain(long).collect();
    let bad_line = "POST / HTTP/1.2\r\n\r\n";
    let bad_header = "POST / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for lane in LANES {
        let serving = Serving::start(lane).await;
        for (before, wrong) in before.iter().flat_map(|b| [(b, bad_line), (b, bad_header)]) {
            let answers = rest(serving.open(before.clone() + wrong).await).await;
            let length = before.len();
            assert!(answers.contains("HTTP/1.1 400"), "{wrong:?} behind {length}: {answers:.80}");
        }
    }
}
