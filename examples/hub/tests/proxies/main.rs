//! The snippets of the page "Running in production", each as it stands there, with the proxy from Debian
//! that it is for.
//!
//! `cargo xtask test` finds or installs the proxies and names them, in `SSE_KIT_NGINX` and
//! `SSE_KIT_CADDY`; otherwise `nginx` and `caddy` are what the shell finds. These tests fail where they are
//! missing.

#[expect(dead_code, reason = "not everything of it is used by both")]
#[path = "../contract/server.rs"]
mod server;

mod proxy;

use http::Request;
use proxy::Proxy;
use server::Server;

/// Options of every hub.
const LANE: &[&str] = &[];

const GUIDE: &str = include_str!("../../../../docs/src/production.md");

#[tokio::test]
async fn nginx_passes_on_each_event_at_once() {
    let hub = Server::start("--heartbeat 0 --shutdown-delay 600").await;
    streams_work(&Proxy::nginx(GUIDE, &hub.address).await, hub).await;
}

#[tokio::test]
async fn caddy_passes_on_each_event_at_once() {
    let hub = Server::start("--heartbeat 0 --shutdown-delay 600").await;
    streams_work(&Proxy::caddy(GUIDE, &hub.address).await, hub).await;
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
