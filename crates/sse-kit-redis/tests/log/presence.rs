//! Presence on a topic, across nodes.

use std::time::{Duration, Instant};

use sse_kit_broadcast::Subscription;
use sse_kit_redis::RedisPresence;

use crate::server::{PATIENCE, Server};
use crate::{Node, config, node, topic};

fn join(node: &Node, id: &str) -> Subscription {
    let subscribe = node.hub.subscribe(topic("room")).id(id.parse().expect("an id"));
    subscribe.metadata(serde_json::json!({ "name": id })).open().expect("it opens")
}

async fn until(presence: &RedisPresence, ids: &[&str]) {
    let begun = Instant::now();
    loop {
        let members = presence.members(&topic("room")).await.expect("Redis is there");
        let found: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
        if found == ids {
            assert!(members.iter().all(|member| member.metadata["name"] == member.id.as_str()));
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{found:?} instead of {ids:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the number that were ever made.
async fn connections(redis: &Server) -> u64 {
    let stats: String = redis.command(&["INFO", "stats"]).await;
    let made = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    made.expect("Redis counts them").trim().parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_all_nodes_are_known_to_all_and_those_of_a_dead_node_are_forgotten() {
    let redis = Server::start(&[]).await;
    let nodes = [node(&redis.url()).await, node(&redis.url()).await];
    let mut shares = Vec::new();
    for node in &nodes {
        let presence = RedisPresence::new(config(&redis.url())).expect("random numbers");
        let hub = node.hub.clone();
        shares.push(tokio::spawn(async move { presence.share(&hub, &topic("room")).await }));
    }
    let asking = RedisPresence::new(config(&redis.url())).expect("random numbers");
    until(&asking, &[]).await;
    let (a, _b) = (join(&nodes[0], "a"), join(&nodes[1], "b"));
    let _c = join(&nodes[1], "c");
    until(&asking, &["a", "b", "c"]).await;
    let clients = connections(&redis).await;
    drop(a);
    until(&asking, &["b", "c"]).await;
    let _a = join(&nodes[0], "a");
    until(&asking, &["a", "b", "c"]).await;
    // As when its process dies: it says nothing more, and nobody says goodbye for it.
    shares[1].abort();
    until(&asking, &["a"]).await;
    let made = connections(&redis).await - clients;
    // One is to ask for their number, and the two that read the log are renewed every few seconds.
    assert!(made < 10, "all is said over the same connections: {made}");
    nodes[0].hub.shut_down(sse_kit_broadcast::Goodbye::StayAway);
    until(&asking, &[]).await;
}
