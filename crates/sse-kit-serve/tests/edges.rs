//! The edges of HTTP: idle connections, unread bodies, missing hosts, servers that leave.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use sse_kit_serve::{RequestBody, RequestBodyError, ServeStatus, Server};
use sse_kit_shutdown::{ProgressLine, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing takes this long; it only keeps a broken server from hanging the tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// `/refuse` answers before it has read anything, `/slow` after a while, `/never` never; all else says how long the body is.
async fn answer(
    request: Request<RequestBody>,
    _: SocketAddr,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let (status, text) = match &*path {
        "/refuse" => (StatusCode::FORBIDDEN, "no".to_owned()),
        "/never" => std::future::pending().await,
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(500)).await;
            (StatusCode::OK, "late".to_owned())
        }
        _ => match request.into_body().collect().await {
            Ok(body) => (StatusCode::OK, body.to_bytes().len().to_string()),
            Err(RequestBodyError::TimedOut) => (StatusCode::REQUEST_TIMEOUT, "slow".to_owned()),
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()),
        },
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, and hyper.
const LANES: [Lane; 2] = [|usual| usual, Server::by_hyper];

struct Serving {
    address: SocketAddr,
    monitor: ServeStatus,
    shutdown: Shutdown,
}

impl Serving {
    /// Streams are the paths that begin with `/own`.
    async fn start(
        lane: Lane,
        pre_drain: Duration,
        settings: impl FnOnce(Server) -> Server,
    ) -> Self {
        let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
        let server = settings(lane(server.expect("a free port"))).streams(
            |request| request.uri().path().starts_with("/own"),
            |_, _| async { Ok::<_, Infallible>(Response::new(Full::from("own"))) },
        );
        let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
        let shutdown = Shutdown::builder()
            .pre_drain(pre_drain)
            .deadline(pre_drain + Duration::from_secs(30))
            .progress_line(ProgressLine::Never)
            .build();
        let running = shutdown.clone();
        tokio::spawn(async move { server.serve_until_shutdown(&running, None, answer).await });
        Self { address, monitor, shutdown }
    }

    async fn open(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.expect("it listens");
        socket.write_all(bytes.as_ref()).await.expect("it reads");
        socket
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
}

/// Reads one answer with a `Content-Length`, and leaves the connection open.
async fn one_answer(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.map_or(0, |length| length.parse().expect("a number")) == body.len() {
                return text;
            }
        }
        let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut all)).await;
        let read = read.expect("bytes in time").expect("no reset");
        assert!(read > 0, "the end after {text}");
    }
}

async fn rest(mut socket: TcpStream) -> String {
    let mut all = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut all)).await;
    reading.expect("an end").expect("no reset");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn an_idle_connection_outlives_the_header_timeout() {
    for lane in LANES {
        let short = Duration::from_millis(50);
        let serving = Serving::start(lane, Duration::ZERO, |s| s.header_timeout(short)).await;
        for first in ["/own", "/post"] {
            let mut socket = serving.open(get(first)).await;
            one_answer(&mut socket).await;
            for second in ["/own", "/post"] {
                tokio::time::sleep(10 * short).await;
                socket.write_all(get(second).as_bytes()).await.expect("it reads");
                assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"), "{second}");
            }
            // But a head that has begun does not.
            socket.write_all(b"GET /own HTTP/1.1\r\n").await.expect("it reads");
            assert_eq!(rest(socket).await, "");
        }
    }
}

#[tokio::test]
async fn an_idle_connection_ends_after_its_own_timeout_and_with_a_drain() {
    for lane in LANES {
        let short = Duration::from_millis(50);
        let serving = Serving::start(lane, Duration::ZERO, |s| s.idle_timeout(short)).await;
        for path in ["/own", "/post"] {
            let mut socket = serving.open(get(path)).await;
            one_answer(&mut socket).await;
            assert_eq!(rest(socket).await, "");
        }
        let serving = Serving::start(lane, Duration::ZERO, |s| s.idle_timeout(Duration::MAX)).await;
        let mut idle = Vec::new();
        for path in ["/own", "/post"] {
            let mut socket = serving.open(get(path)).await;
            one_answer(&mut socket).await;
            idle.push(socket);
        }
        serving.shutdown.trigger();
        for socket in idle {
            assert_eq!(rest(socket).await, "");
        }
    }
}

/// Requests whose end only hyper can tell, so that it has the rest of their connection.
const OF_HYPERS: [&str; 3] = [
    "POST /post HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "POST /post HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\nContent-Length: 3\r\n\r\nabc",
    "GET /post HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
];

#[tokio::test]
async fn a_connection_that_hyper_keeps_has_the_same_timeouts() {
    for lane in LANES {
        let short = Duration::from_millis(100);
        let serving = Serving::start(lane, Duration::ZERO, |s| s.header_timeout(short)).await;
        for first in OF_HYPERS {
            let mut socket = serving.open(first).await;
            assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"), "{first}");
            for second in OF_HYPERS.into_iter().chain([&*get("/own")]) {
                tokio::time::sleep(5 * short).await;
                socket.write_all(second.as_bytes()).await.expect("it reads");
                assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"), "{second}");
            }
            // A handler may take longer than a head.
            socket.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
            assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"), "a slow handler");
            socket.write_all(b"GET /own HTTP/1.1\r\n").await.expect("it reads");
            assert_eq!(rest(socket).await, "", "a head that does not come");
        }
        let serving = Serving::start(lane, Duration::ZERO, |s| s.idle_timeout(short)).await;
        for first in OF_HYPERS {
            let mut socket = serving.open(first).await;
            one_answer(&mut socket).await;
            assert_eq!(rest(socket).await, "", "{first}");
        }
        let serving = Serving::start(lane, Duration::ZERO, |s| s.idle_timeout(Duration::MAX)).await;
        let mut socket = serving.open(OF_HYPERS[0]).await;
        one_answer(&mut socket).await;
        serving.shutdown.trigger();
        assert_eq!(rest(socket).await, "", "a drain ends it at once");
    }
}

#[tokio::test]
async fn clients_are_told_how_long_an_idle_connection_is_kept() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        let told = async |request: &str| {
            one_answer(&mut serving.open(request).await)
                .await
                .contains("\r\nkeep-alive: timeout=74\r\n")
        };
        assert!(told(&get("/post")).await);
        assert!(told(OF_HYPERS[0]).await);
        assert!(!told("GET /post HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await);
        assert!(!told("GET /post HTTP/1.0\r\nHost: x\r\n\r\n").await);
        let serving =
            Serving::start(lane, Duration::ZERO, |s| s.idle_timeout(Duration::from_secs(1))).await;
        let answer = one_answer(&mut serving.open(get("/post")).await).await;
        assert!(!answer.contains("keep-alive"), "too short to be of use: {answer}");
    }
}

#[tokio::test]
async fn the_largest_timeouts_are_none() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |server| {
            let longest = Duration::MAX;
            let server = server.header_timeout(longest).idle_timeout(longest).body_timeout(longest);
            server.write_timeout(longest).user_timeout(longest).tcp_keepalive(longest)
        })
        .await;
        let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for request in [get("/own"), get("/post"), chunked.to_owned()] {
            let mut socket = serving.open(request).await;
            assert!(one_answer(&mut socket).await.starts_with("HTTP/1.1 200"));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_leaving_asks_for_no_further_request() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::from_secs(30), |s| s).await;
        let mut sockets = Vec::new();
        for path in ["/own", "/post"] {
            let mut socket = serving.open(get(path)).await;
            assert!(!one_answer(&mut socket).await.contains("connection: close"));
            sockets.push((path, socket));
        }
        serving.shutdown.trigger();
        while serving.shutdown.is_ready() {
            tokio::task::yield_now().await;
        }
        for (path, mut socket) in sockets {
            socket.write_all(get(path).as_bytes()).await.expect("it still serves");
            let answer = rest(socket).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_body_that_nobody_reads_arrives() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        for lines in ["Content-Length: 5000000", "Content-Length: 5000000\r\nConnection: close"] {
            for _ in 0..20 {
                let head = format!("POST /refuse HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
                let mut socket = serving.open(head).await;
                let piece = vec![b'x'; 100_000];
                // As `http.client` does: all of it is sent before anything is read.
                for _ in 0..50 {
                    socket.write_all(&piece).await.expect("somebody reads");
                }
                let answer = one_answer(&mut socket).await;
                assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            }
        }
    }
}

/// A proxy keeps a connection whose request it has sent in full, and sends its next one into it. So the head of the
/// answer has to say that nobody reads on.
#[tokio::test]
async fn an_answer_before_the_end_of_a_body_says_that_its_connection_ends() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        let post = |path: &str, body: &str| {
            let length = body.len();
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        let chunked = "POST /refuse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
        for unread in [post("/refuse", "x"), post("/refuse", &"x".repeat(100_000)), chunked.into()]
        {
            let mut socket = serving.open(unread).await;
            let answer = one_answer(&mut socket).await;
            assert!(answer.contains("connection: close"), "{answer}");
            assert_eq!(rest(socket).await, "");
        }
        let mut socket = serving.open(post("/", "x")).await;
        for read in [post("/", &"x".repeat(100_000)), post("/refuse", ""), get("/refuse"), get("/")]
        {
            let answer = one_answer(&mut socket).await;
            assert!(!answer.contains("connection: close"), "{answer}");
            socket.write_all(read.as_bytes()).await.expect("it reads");
        }
    }
}

#[tokio::test]
async fn what_is_sent_behind_a_body_that_nobody_reads_is_no_request() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        for pause in [0, 1, 20] {
            let mut socket = serving
                .open("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
                .await;
            for _ in 0..50 {
                let piece = get("/own").repeat(10_000 / get("/own").len() + 1);
                socket.write_all(&piece.as_bytes()[..10_000]).await.expect("somebody reads");
                tokio::time::sleep(Duration::from_millis(pause) / 20).await;
            }
            socket.shutdown().await.expect("half of it is closed");
            let answer = rest(socket).await;
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
        assert_eq!(serving.monitor.stats().fast_path, 0);
    }
}

#[tokio::test]
async fn http_1_1_without_one_host_is_refused() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        for path in ["/own", "/post"] {
            for (hosts, status) in
                [("", 400), ("Host: x\r\nHost: x\r\n", 400), ("Host: x\r\n", 200)]
            {
                let request = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
                let answer = one_answer(&mut serving.open(request).await).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
            }
        }
        let answer = rest(serving.open("GET /post HTTP/1.0\r\n\r\n").await).await;
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    for lane in LANES {
        let serving =
            Serving::start(lane, Duration::ZERO, |s| s.body_timeout(Duration::from_millis(50)))
                .await;
        let request = "POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc";
        let answer = one_answer(&mut serving.open(request).await).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_behind_bytes_that_nobody_reads() {
    for lane in LANES {
        let serving = Serving::start(lane, Duration::ZERO, |s| s).await;
        let with_body = "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc";
        for request in [format!("{}X", get("/never")), with_body.to_owned()] {
            let socket = serving.open(&request).await;
            while serving.shutdown.progress().connections == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            drop(socket);
            let gone = async {
                while serving.shutdown.progress().connections > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            assert!(
                tokio::time::timeout(PATIENCE, gone).await.is_ok(),
                "nobody sees that it is gone: {request}"
            );
        }
    }
}
