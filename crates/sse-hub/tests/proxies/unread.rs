//! Errors that answer large bodies arrive, 20 of 20: with Python's `http.client`, which writes all of a request
//! before it reads, with a socket that does the same, and through nginx.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::GUIDE;
use crate::proxy::Proxy;
use crate::server::Server;

/// The number of times that each is tried.
const TRIES: usize = 20;

/// A request that the hub refuses.
struct Refused {
    status: &'static str,
    path: &'static str,
    /// A header, and its value.
    header: (&'static str, &'static str),
    bytes: usize,
}

const NO_HEADER: (&str, &str) = ("X-Header", "none");

const REFUSED: &[Refused] = &[
    Refused { status: "400", path: "/publish?topic=a*", header: NO_HEADER, bytes: 1_000_000 },
    Refused {
        status: "403",
        path: "/publish?topic=a",
        header: ("Origin", "http://elsewhere.example"),
        bytes: 1_000_000,
    },
    // Nobody reads this one, not even up to the limit.
    Refused {
        status: "403",
        path: "/publish?topic=a",
        header: ("Host", "elsewhere.example"),
        bytes: 5 << 20,
    },
    Refused { status: "404", path: "/nothing", header: NO_HEADER, bytes: 1_000_000 },
    Refused { status: "413", path: "/publish?topic=a", header: NO_HEADER, bytes: 5 << 20 },
];

/// Prints the status of each answer. An error in writing is an answer that is lost.
const HTTP_CLIENT: &str = "
import http.client, sys
host, path, name, value, size, tries = sys.argv[1:]
for _ in range(int(tries)):
    client = http.client.HTTPConnection(host, timeout=120)
    client.request('POST', path, b'x' * int(size), {name: value})
    answer = client.getresponse()
    answer.read()
    print(answer.status)
    client.close()
";

async fn by_http_client(address: &str, refused: &Refused) {
    let (name, value) = refused.header;
    let mut python = Command::new("python3");
    python.args(["-c", HTTP_CLIENT, address, refused.path, name, value]);
    python.args([refused.bytes.to_string(), TRIES.to_string()]);
    let ran = python.stdin(Stdio::null()).output().await.expect("Python 3 is installed");
    let statuses = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(statuses.lines().collect::<Vec<_>>(), [refused.status; TRIES], "{errors}");
}

async fn by_socket(address: &str, refused: &Refused) {
    let (name, value) = refused.header;
    let host = if name == "Host" { String::new() } else { format!("Host: {address}\r\n") };
    let head = format!(
        "POST {} HTTP/1.1\r\n{host}{name}: {value}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        refused.path, refused.bytes
    );
    let body = vec![b'x'; refused.bytes];
    for attempt in 0..TRIES {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        socket.write_all(head.as_bytes()).await.expect("it reads");
        socket.write_all(&body).await.expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer");
        let expected = format!("HTTP/1.1 {}", refused.status);
        assert!(answer.starts_with(&expected), "{attempt}: {expected}: {answer}");
    }
}

#[tokio::test]
async fn an_error_that_answers_a_large_body_arrives() {
    let hub = Server::start("").await;
    for refused in REFUSED {
        by_http_client(&hub.address, refused).await;
        by_socket(&hub.address, refused).await;
    }
}

#[tokio::test]
async fn through_nginx_an_error_that_answers_a_large_body_arrives() {
    let hub = Server::start("").await;
    // By itself nginx takes no bodies of more than 1 MiB, and answers 413.
    let guide = GUIDE.replacen("location / {", "client_max_body_size 16m;\n    location / {", 1);
    let proxy = Proxy::nginx(&guide, &hub.address).await;
    for refused in REFUSED {
        by_http_client(&proxy.address, refused).await;
        by_socket(&proxy.address, refused).await;
    }
}
