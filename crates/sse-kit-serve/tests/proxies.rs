//! Clients behind proxies, trusted and not.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use sse_kit_http::{Quota, TrustedProxies};
use sse_kit_serve::{RequestBody, ServeStatus, Server};
use sse_kit_test_support::{in_time, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LOOPBACK: &str = "127.0.0.0/8";

fn trusting(network: &str) -> TrustedProxies {
    TrustedProxies::new([network.parse().expect("a network")])
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, and hyper.
const LANES: [Lane; 2] = [|usual| usual, Server::by_hyper];

/// Says whom it takes for the client; `/own` does so as a stream.
async fn start(lane: Lane, settings: impl FnOnce(Server) -> Server) -> (SocketAddr, ServeStatus) {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
    let server = settings(lane(server.expect("a free port"))).streams(
        |request| matches!(request.uri().path(), "/own" | "/never"),
        |request: Request<()>, client| async move {
            if request.uri().path() == "/never" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(client.to_string()))
        },
    );
    let (address, monitor) = (server.local_addr().expect("an address"), server.monitor());
    let service = |_: Request<RequestBody>, client: SocketAddr| async move {
        Ok::<_, Infallible>(Response::new(client.to_string()))
    };
    tokio::spawn(server.serve(service, std::future::pending::<()>(), Duration::ZERO));
    (address, monitor)
}

/// Returns all bytes until the end, which may be a reset.
async fn ask(address: SocketAddr, introduction: &[u8], headers: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    let all = [introduction, request.as_bytes()].concat();
    for piece in all.chunks(7) {
        // A server that has had enough may be gone.
        if socket.write_all(piece).await.is_err() {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_trusted_proxy_tells_the_address_and_others_do_not() {
    for lane in LANES {
        let header = "X-Forwarded-For: 1.1.1.1, 192.0.2.7\r\n";
        for path in ["/own", "/other"] {
            let (address, _) = start(lane, |server| server.trust(trusting(LOOPBACK))).await;
            let answer = ask(address, b"", header, path).await;
            assert!(answer.ends_with("\r\n192.0.2.7:0"), "{answer}");
            let (address, _) = start(lane, |server| server.trust(trusting("10.0.0.0/8"))).await;
            let answer = ask(address, b"", header, path).await;
            assert!(answer.contains("\r\n127.0.0.1:"), "{answer}");
        }
    }
}

#[tokio::test]
async fn the_proxy_protocol_is_for_trusted_proxies() {
    for lane in LANES {
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n";
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x12\x67\0\x50";
        let spoof = "X-Forwarded-For: 1.1.1.1\r\n";
        for prior_knowledge in [false, true] {
            let (address, monitor) = start(lane, |server| {
                let server = server.trust(trusting(LOOPBACK)).proxy_protocol();
                if prior_knowledge { server.http2_prior_knowledge() } else { server }
            })
            .await;
            for path in ["/own", "/other"] {
                for introduction in [&v1[..], v2] {
                    let answer = ask(address, introduction, spoof, path).await;
                    assert!(answer.ends_with("\r\n192.0.2.7:4711"), "{answer}");
                }
                let answer = ask(address, b"PROXY UNKNOWN\r\n", "", path).await;
                assert!(answer.contains("\r\n127.0.0.1:"), "{answer}");
            }
            assert_eq!(ask(address, b"", "", "/own").await, "", "it did not say whose it is");
            assert_eq!(monitor.stats().handshake_failures, 1);
        }
        let (address, _) = start(lane, |s| s.trust(trusting("10.0.0.0/8")).proxy_protocol()).await;
        let answer = ask(address, b"", "", "/own").await;
        assert!(answer.contains("\r\n127.0.0.1:"), "{answer}");
        let answer = ask(address, v1, "", "/own").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
}

#[tokio::test]
async fn limits_count_the_clients_of_a_proxy_and_not_the_proxy() {
    for lane in LANES {
        let limits = Quota::new().total(3).per_client(1);
        let settings = |s: Server| s.trust(trusting(LOOPBACK)).limits(limits.clone());
        let (address, monitor) = start(lane, settings).await;
        // Connections that a proxy keeps for later.
        let mut kept = Vec::new();
        for _ in 0..10 {
            kept.push(TcpStream::connect(address).await.expect("it listens"));
        }
        for path in ["/own", "/other"] {
            let answer = ask(address, b"", "X-Forwarded-For: 192.0.2.7\r\n", path).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        assert_eq!(monitor.stats().refused, 0);
        until("the others have ended", || limits.open() == 0).await;
        // As long as a stream is answered, its client has no other, on whichever connection.
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = "GET /never HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("it reads");
        until("it is open", || limits.open() == 1).await;
        for path in ["/own", "/other"] {
            let answer = ask(address, b"", "X-Forwarded-For: 192.0.2.7\r\n", path).await;
            assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
            let answer = ask(address, b"", "X-Forwarded-For: 192.0.2.8\r\n", path).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        drop(stream);
        until("it has ended", || limits.open() == 0).await;
        // By the PROXY protocol the connection is the client's.
        let (address, monitor) = start(lane, |s| settings(s).proxy_protocol()).await;
        let mut first = TcpStream::connect(address).await.expect("it listens");
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n";
        first.write_all(v1).await.expect("it reads");
        first.write_all(b"GET /own HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        assert!(first.read(&mut [0; 100]).await.expect("an answer") > 0);
        let answer = ask(address, v1, "", "/own").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert_eq!(monitor.stats().refused, 1);
        let other = b"PROXY TCP4 192.0.2.8 10.0.0.1 4711 80\r\n";
        assert!(ask(address, other, "", "/own").await.starts_with("HTTP/1.1 200"));
        drop(kept);
    }
}

/// As many as the clients that connect without a proxy.
#[tokio::test]
async fn clients_behind_the_proxy_protocol_that_do_not_ask_are_closed_without_a_word() {
    for lane in LANES {
        let (address, monitor) = start(lane, |server| {
            let server = server.trust(trusting(LOOPBACK)).proxy_protocol();
            server.limits(Quota::new().total(1).per_client(1))
        })
        .await;
        let introduced = async || {
            let mut socket = TcpStream::connect(address).await.expect("it listens");
            let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n";
            socket.write_all(v1).await.expect("it reads");
            socket
        };
        let mut first = introduced().await;
        first.write_all(b"GET /own HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        assert!(first.read(&mut [0; 100]).await.expect("an answer") > 0);
        let mut silent = Vec::new();
        for _ in 0..64 {
            silent.push(introduced().await);
        }
        until("64 are refused", || monitor.stats().refused == 64).await;
        // An end or a reset, whichever comes first; but no answer.
        let mut beyond = introduced().await;
        let ended = in_time("the end", beyond.read(&mut [0; 1])).await;
        assert_eq!(ended.unwrap_or(0), 0);
        // The answers that are under way have room.
        silent[0].write_all(b"GET /own HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
        assert!(in_time("an answer", silent[0].read(&mut [0; 100])).await.expect("an answer") > 0);
    }
}
