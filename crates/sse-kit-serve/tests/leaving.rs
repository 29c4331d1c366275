//! A client that leaves takes everything along that was done for it, on the fast path and by hyper.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use sse_kit_http::{Permit, Quota};
use sse_kit_serve::{RequestBody, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// As many handlers as there may be.
const MAX_STREAMS: usize = 20;

type Answer = Result<Response<Full<Bytes>>, Infallible>;

/// Answers `/quick` at once, and all else never, with a permit as long as that takes.
async fn answer(limits: Quota, path: String, client: SocketAddr) -> Answer {
    let text = match limits.admit(client.ip()) {
        Ok(permit) if path == "/slow" => never(permit).await,
        Ok(_permit) => "there is room",
        Err(_) => "there is no room",
    };
    Ok(Response::new(Full::new(Bytes::from_static(text.as_bytes()))))
}

async fn never(permit: Permit) -> &'static str {
    pending::<()>().await;
    drop(permit);
    ""
}

/// A setting that decides which lane answers requests.
type Lane = fn(Server) -> Server;

/// The fast path, and hyper.
const LANES: [Lane; 2] = [|usual| usual, Server::by_hyper];

/// Streams and other requests, by the path that they begin with.
async fn start(lane: Lane) -> SocketAddr {
    let server = Server::bind("127.0.0.1:0".parse().expect("an address")).await;
    let limits = [
        Quota::new().total(MAX_STREAMS).per_client(MAX_STREAMS),
        Quota::new().total(MAX_STREAMS).per_client(MAX_STREAMS),
    ];
    let [streams, others] = limits;
    let server = lane(server.expect("a free port")).streams(
        |request| request.uri().path().starts_with("/streams"),
        move |request: Request<()>, client| {
            answer(streams.clone(), request.uri().path().replace("/streams", ""), client)
        },
    );
    let address = server.local_addr().expect("an address");
    let service = move |request: Request<RequestBody>, client| {
        answer(others.clone(), request.uri().path().replace("/others", ""), client)
    };
    tokio::spawn(server.serve(service, pending::<()>(), Duration::ZERO));
    address
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it reads");
    socket
}

async fn answer_to(address: SocketAddr, path: &str) -> String {
    let mut socket = ask(address, path).await;
    socket.shutdown().await.expect("half of it is closed");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// Only a broken server makes this take long.
async fn until(address: SocketAddr, path: &str, answer: &str) {
    for _ in 0..6000 {
        if answer_to(address, path).await.ends_with(answer) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{path} never says: {answer}");
}

#[tokio::test]
async fn a_handler_ends_with_its_client() {
    for lane in LANES {
        let address = start(lane).await;
        for path in ["/streams", "/others"] {
            let (slow, quick) = (format!("{path}/slow"), format!("{path}/quick"));
            let mut clients = Vec::new();
            for _ in 0..MAX_STREAMS {
                clients.push(ask(address, &slow).await);
            }
            until(address, &quick, "there is no room").await;
            drop(clients);
            until(address, &quick, "there is room").await;
        }
    }
}

#[tokio::test]
async fn a_client_that_closes_its_side_still_gets_a_short_answer() {
    for lane in LANES {
        let address = start(lane).await;
        for path in ["/streams", "/others"] {
            for _ in 0..50 {
                let answer = answer_to(address, &format!("{path}/quick")).await;
                assert!(answer.ends_with("there is room"), "{path}: {answer}");
            }
        }
    }
}
