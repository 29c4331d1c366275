//! Caps on connections, and what a client that does not read costs.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use sse_kit_http::Quota;
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_shutdown::{Ended, ProgressLine, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A body without end, which counts what was taken of it.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = Bytes::from_static(&[b'x'; 4096]);
        self.0.fetch_add(chunk.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, and hyper.
const LANES: [Lane; 2] = [|usual| usual, Server::by_hyper];

struct Serving {
    address: SocketAddr,
    monitor: ServeStatus,
    shutdown: Shutdown,
    taken: Arc<AtomicUsize>,
    ended: tokio::task::JoinHandle<Ended>,
}

impl Serving {
    /// Every answer is endless.
    async fn start(lane: Lane, settings: impl FnOnce(Server) -> Server) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(lane(server.expect("a free port")));
        let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
        let shutdown = Shutdown::builder().progress_line(ProgressLine::Never).build();
        let (running, taken) = (shutdown.clone(), Arc::<AtomicUsize>::default());
        let counter = Arc::clone(&taken);
        let service = move |_: Request<RequestBody>, _| {
            let body = Endless(Arc::clone(&counter));
            async move { Ok::<_, Infallible>(Response::new(body)) }
        };
        let ended = tokio::spawn(async move {
            server.serve_until_shutdown(&running, None, service).await.ended
        });
        Self { address, monitor, shutdown, taken, ended }
    }

    async fn ask(&self, header: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        ask(&mut socket, header).await;
        socket
    }
}

async fn ask(socket: &mut TcpStream, header: &str) {
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{header}\r\n");
    socket.write_all(request.as_bytes()).await.expect("it reads");
}

async fn head(socket: &mut TcpStream) -> String {
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.expect("an answer");
    String::from_utf8_lossy(&head).into_owned()
}

async fn all(mut socket: TcpStream) -> String {
    let mut all = String::new();
    socket.read_to_string(&mut all).await.expect("an answer, and its end");
    all
}

/// Only a broken server makes this take long.
async fn until(holds: impl FnMut() -> bool) {
    sse_kit_test_support::until("it comes to that", holds).await;
}

#[tokio::test]
async fn who_is_beyond_the_cap_is_told_to_come_back_and_finds_room_later() {
    for lane in LANES {
        let serving =
            Serving::start(lane, |server| server.limits(Quota::new().total(10).per_client(2)))
                .await;
        let mut open = [serving.ask("").await, serving.ask("").await];
        for socket in &mut open {
            assert_eq!(head(socket).await, "HTTP/1.1 200");
        }
        let refused = all(serving.ask("accept: text/event-stream\r\n").await).await;
        assert!(refused.starts_with("HTTP/1.1 200"), "{refused}");
        assert!(refused.contains("event: sse-kit:busy\n"), "{refused}");
        assert!(refused.contains("\nretry: "), "{refused}");
        let refused = all(serving.ask("").await).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        assert!(refused.contains("retry-after: 5\r\n"), "{refused}");
        assert_eq!((serving.monitor.stats().accepted, serving.monitor.stats().refused), (4, 2));

        let [gone, _kept] = open;
        drop(gone);
        // How long it takes until the server sees that one is gone is its own affair.
        loop {
            if head(&mut serving.ask("").await).await == "HTTP/1.1 200" {
                break;
            }
        }
    }
}

#[tokio::test]
async fn those_who_do_not_even_ask_are_closed_without_a_word() {
    for lane in LANES {
        let serving =
            Serving::start(lane, |server| server.limits(Quota::new().total(1).per_client(1))).await;
        let mut first = serving.ask("").await;
        head(&mut first).await;
        let mut silent = Vec::new();
        for _ in 0..64 {
            silent.push(TcpStream::connect(serving.address).await.expect("it listens"));
        }
        until(|| serving.monitor.stats().refused == 64).await;
        let mut beyond = TcpStream::connect(serving.address).await.expect("it listens");
        // An end or a reset, whichever comes first; but no answer.
        assert_eq!(beyond.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_costs_little() {
    for lane in LANES {
        let serving =
            Serving::start(lane, |server| server.write_timeout(None).user_timeout(None)).await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a buffer");
        let mut stuck = socket.connect(serving.address).await.expect("it listens");
        ask(&mut stuck, "").await;
        // Until nothing more is taken for a while: it is stuck.
        let (mut before, mut looks) = (0, 0);
        until(|| {
            let now = serving.taken.load(Ordering::Relaxed);
            looks = if now > 0 && now == before { looks + 1 } else { 0 };
            before = now;
            looks == 100
        })
        .await;
        let taken = serving.taken.load(Ordering::Relaxed);
        assert!(taken < 300 * 1024, "{taken} bytes wait for one client");
    }
}

#[tokio::test]
async fn the_kernel_ends_a_connection_whose_peer_takes_nothing() {
    for lane in LANES {
        let settings = |server: Server| {
            server.write_timeout(None).user_timeout(Duration::from_millis(300)).send_buffer(4096)
        };
        let serving = Serving::start(lane, settings).await;
        let stuck = serving.ask("").await;
        until(|| serving.monitor.stats().write_timeouts == 1).await;
        drop(stuck);
    }
}

#[tokio::test]
async fn a_connection_that_is_left_at_the_deadline_is_counted() {
    for lane in LANES {
        let serving = Serving::start(lane, |server| server).await;
        let mut stuck = serving.ask("").await;
        head(&mut stuck).await;
        assert_eq!(serving.shutdown.progress().connections, 1);
        serving.shutdown.trigger();
        assert_eq!(serving.ended.await.expect("no panic"), Ended::Deadline);
        assert_eq!(serving.shutdown.progress().connections, 0, "it is gone with the server");
    }
}
