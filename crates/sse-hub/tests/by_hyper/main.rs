//! The same contract, with streams that hyper serves: nobody is to see a difference.

#[path = "../contract/contract.rs"]
mod contract;
#[path = "../contract/hostile.rs"]
mod hostile;
#[path = "../contract/server.rs"]
mod server;
#[path = "../contract/signing.rs"]
mod signing;
#[path = "../contract/tokens.rs"]
mod tokens;

use server::Server;

/// Options of every hub.
const LANE: &[&str] = &["--hyper-streams"];

#[tokio::test]
async fn they_are_by_hyper() {
    let hub = Server::start("").await;
    let _stream = hub.open("topic=a").await;
    assert_eq!(hub.get("/stats").await.1["fast_path"], 0);
}
