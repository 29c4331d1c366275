//! The snippets of the page "Running in production", each as it stands there, with the proxy from Debian
//! that it is for; and answers to requests whose bodies nobody wants.
//!
//! `cargo xtask test` finds or installs the proxies and names them, in `SSE_KIT_NGINX` and
//! `SSE_KIT_CADDY`; otherwise `nginx` and `caddy` are what the shell finds. These tests fail where they are
//! missing.

#[expect(dead_code, reason = "not everything of it is used by both")]
#[path = "../contract/server.rs"]
mod server;

mod cluster;
mod proxy;
mod unread;

use http::Request;
use proxy::Proxy;
use server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

/// Options of every hub.
const LANE: &[&str] = &[];

/// Options of streams on the fast path, and by hyper.
const LANES: [&str; 2] = ["", "--hyper-streams"];

const GUIDE: &str = include_str!("../../../../docs/src/production.md");

#[tokio::test]
async fn nginx_passes_on_each_event_at_once() {
    for lane in LANES {
        let hub = Server::start(&format!("{lane} --heartbeat 0 --shutdown-delay 600")).await;
        streams_work(&Proxy::nginx(GUIDE, &hub.address).await, hub).await;
    }
}

#[tokio::test]
async fn caddy_passes_on_each_event_at_once() {
    for lane in LANES {
        let hub = Server::start(&format!("{lane} --heartbeat 0 --shutdown-delay 600")).await;
        streams_work(&Proxy::caddy(GUIDE, &hub.address).await, hub).await;
    }
}

#[tokio::test]
async fn behind_nginx_limits_see_the_client() {
    let hub = Server::start("--trust-proxy 127.0.0.1 --max-per-ip 1").await;
    limits_see_the_client(&Proxy::nginx(GUIDE, &hub.address).await).await;
}

#[tokio::test]
async fn behind_caddy_limits_see_the_client() {
    let hub = Server::start("--trust-proxy 127.0.0.1 --max-per-ip 1").await;
    limits_see_the_client(&Proxy::caddy(GUIDE, &hub.address).await).await;
}

/// Clients have addresses of their own on the loopback.
async fn limits_see_the_client(proxy: &Proxy) {
    let first = async |from: &str, headers: &str| {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(format!("{from}:0").parse().expect("an address")).expect("it is ours");
        let address = proxy.address.parse().expect("an address");
        let mut socket = socket.connect(address).await.expect("it listens");
        let request = format!("GET /events?topic=a HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains("\n\n") {
            assert!(socket.read_buf(&mut bytes).await.expect("no reset") > 0, "the end");
        }
        let is_hello = String::from_utf8_lossy(&bytes).contains("event: sse-kit:hello");
        (socket, is_hello)
    };
    let (_two, is_hello) = first("127.0.0.2", "").await;
    assert!(is_hello);
    let (_, is_hello) = first("127.0.0.2", "").await;
    assert!(!is_hello, "it has one already");
    let (_three, is_hello) = first("127.0.0.3", "").await;
    assert!(is_hello);
    for invented in ["X-Forwarded-For: 127.0.0.9\r\n", "Forwarded: for=127.0.0.9\r\n"] {
        let (_, is_hello) = first("127.0.0.2", invented).await;
        assert!(!is_hello, "{invented}");
    }
}

/// By the line that the guide has for it.
#[tokio::test]
async fn nginx_finds_the_hub_at_a_unix_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hub.sock");
    let address = format!("unix:{}", path.display());
    let options = format!(
        "--listen {address} --heartbeat 0 --shutdown-delay 600 --trust-proxy 127.0.0.1 --max-per-ip 1"
    );
    let mut hub = Server::start(&options).await;
    assert_eq!(hub.address, address);
    assert!(GUIDE.contains("    server unix:/run/hub/hub.sock;\n"));
    let proxy = Proxy::nginx(GUIDE, &address).await;
    limits_see_the_client(&proxy).await;
    hub.address.clone_from(&proxy.address);
    streams_work(&proxy, hub).await;
    assert!(!path.exists(), "the file is removed at the end");
}

async fn streams_work(proxy: &Proxy, mut hub: Server) {
    let through = &proxy.address;
    // The hello alone fills no buffer of a proxy, and nothing follows it by itself.
    let mut stream = Server::open_at(through, Request::get("/events?topic=a")).await;
    for n in 0..3 {
        hub.publish("topic=a", &n.to_string()).await;
        assert_eq!(stream.data().await, n.to_string());
    }
    let last = hub.publish("topic=a", "seen").await;
    assert_eq!(stream.data().await, "seen");

    drop(stream);
    hub.await_stat("connections", |connections| connections == 0).await;
    hub.publish("topic=a", "missed").await;
    let resume = Request::get("/events?topic=a").header("last-event-id", last);
    let mut stream = Server::open_at(through, resume).await;
    assert_eq!(stream.data().await, "missed");

    hub.signal("TERM").await;
    assert_eq!(stream.message().await.name, "sse-kit:shutdown");
    assert_eq!(stream.next().await, None, "and a proper end");
    assert_eq!(hub.exit().await.code(), Some(0), "whatever the proxy keeps open");
}
