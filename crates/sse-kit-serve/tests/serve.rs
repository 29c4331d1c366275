//! The server against real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_test_support::in_time;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than any socket's buffers hold.
const LARGE: usize = 64 << 20;

/// `/large` is large; all else is `ok`.
async fn answer(
    request: Request<RequestBody>,
    _client: SocketAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(match request.uri().path() {
        "/large" => vec![b'x'; LARGE].into(),
        _ => Bytes::from_static(b"ok"),
    })))
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, and hyper.
const LANES: [Lane; 2] = [|usual| usual, Server::by_hyper];

struct Serving {
    address: SocketAddr,
    monitor: ServeStatus,
    stop: oneshot::Sender<()>,
    outcome: JoinHandle<usize>,
}

impl Serving {
    async fn start(lane: Lane, drain: Duration, settings: impl FnOnce(Server) -> Server) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(lane(server.expect("a free port")));
        let address = server.local_addr().expect("an address");
        let monitor = server.monitor();
        let (stop, stopped) = oneshot::channel();
        let outcome = tokio::spawn(server.serve(answer, stopped, drain));
        Self { address, monitor, stop, outcome }
    }

    async fn open(&self, path: &str) -> TcpStream {
        open(self.address, path).await
    }
}

async fn open(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it reads");
    socket
}

/// Returns all bytes until the server closes the connection.
async fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    let reading = socket.read_to_end(&mut all);
    // A connection that is cut off may be reset; what came before counts.
    let _ = in_time("an end", reading).await;
    String::from_utf8_lossy(&all).into_owned()
}

/// Only a broken server makes this take long.
async fn until(holds: impl Fn() -> bool) {
    sse_kit_test_support::until("it comes to that", holds).await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_closed() {
    for lane in LANES {
        let serving =
            Serving::start(lane, Duration::ZERO, |s| s.header_timeout(Duration::from_millis(100)))
                .await;
        let mut socket = TcpStream::connect(serving.address).await.expect("it listens");
        socket.write_all(b"GET / HTTP/1.1\r\nhost").await.expect("it reads");
        let answer = rest(socket).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_takes_no_bytes_is_cut_off_and_counted() {
    for lane in LANES {
        let serving =
            Serving::start(lane, Duration::ZERO, |s| s.write_timeout(Duration::from_millis(100)))
                .await;
        let socket = serving.open("/large").await;
        until(|| serving.monitor.stats().write_timeouts == 1).await;
        assert!(rest(socket).await.len() < LARGE, "it is cut off in the middle");
        assert_eq!(serving.monitor.stats().accepted, 1);
    }
}

#[tokio::test]
async fn it_drains_idle_connections_at_once_and_lets_others_finish() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::from_secs(600), |s| s).await;
        let mut idle = serving.open("/").await;
        let mut first = [0; 12];
        idle.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        let busy = serving.open("/large").await;
        until(|| serving.monitor.stats().accepted == 2).await;
        let mut begun = [0; 1];
        busy.peek(&mut begun).await.expect("the answer has begun");
        serving.stop.send(()).expect("it serves");
        assert!(rest(idle).await.ends_with("ok"));

        // Meanwhile there are answers for those who come late, one for each connection.
        let late = rest(open(serving.address, "/").await).await;
        assert!(late.contains("connection: close"), "{late}");
        assert!(rest(busy).await.len() > LARGE, "all of it");
        assert_eq!(serving.outcome.await.expect("no panic"), 0);
    }
}

#[tokio::test]
async fn who_has_not_ended_by_the_deadline_is_cut_off_and_counted() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::from_millis(200), |s| {
            s.write_timeout(Duration::from_secs(600))
        })
        .await;
        let stuck = [serving.open("/large").await, serving.open("/large").await];
        until(|| serving.monitor.stats().accepted == 2).await;
        for socket in &stuck {
            socket.peek(&mut [0; 1]).await.expect("the answer has begun");
        }
        serving.stop.send(()).expect("it serves");
        assert_eq!(serving.outcome.await.expect("no panic"), 2);
    }
}

#[tokio::test]
async fn a_herd_waits_to_be_accepted_and_is_not_dropped() {
    for lane in LANES {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = lane(server.expect("a free port"));
        let address = server.local_addr().expect("an address");
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("Linux");
        let herd = most.trim().parse::<usize>().expect("a number").min(600);
        // Nobody accepts them yet. TCP would try again for ever, and never come in.
        let connecting = (0..herd).map(|_| TcpStream::connect(address));
        let connecting = futures_util::future::try_join_all(connecting);
        let mut connected = in_time("there is room for all", connecting).await.expect("it listens");
        let (stop, stopped) = oneshot::channel();
        let outcome = tokio::spawn(server.serve(answer, stopped, Duration::from_secs(60)));
        for socket in &mut connected {
            let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
            socket.write_all(request).await.expect("it reads");
        }
        for socket in connected {
            assert!(rest(socket).await.ends_with("ok"));
        }
        stop.send(()).expect("it serves");
        assert_eq!(outcome.await.expect("no panic"), 0);
    }
}
