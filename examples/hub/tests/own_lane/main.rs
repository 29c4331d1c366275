//! The same contract, with streams on the server's own lane: nobody is to see a difference.

#[path = "../contract/contract.rs"]
mod contract;
#[path = "../contract/server.rs"]
mod server;

use server::Server;

/// Options of every hub.
const LANE: &[&str] = &["--own-lane"];

#[tokio::test]
async fn they_are_on_their_own_lane() {
    let hub = Server::start("").await;
    let _stream = hub.open("topic=a").await;
    assert_eq!(hub.get("/stats").await.1["own_lane"], 1);
}
