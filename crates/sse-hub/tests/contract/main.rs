//! The contract of the hub against the real process, with streams on the server's fast path, which is the default.

mod configured;
mod contract;
mod described;
mod encrypted;
mod health;
mod hostile;
mod inspecting;
mod limits;
mod metrics;
mod packaged;
mod publishers;
mod restarts;
mod server;
mod signing;
mod tokens;

use server::Server;

/// Options of every hub.
const LANE: &[&str] = &[];

#[tokio::test]
async fn they_are_on_the_fast_path() {
    let hub = Server::start("").await;
    let _stream = hub.open("topic=a").await;
    assert_eq!(hub.get("/stats").await.1["fast_path"], 1);
}
