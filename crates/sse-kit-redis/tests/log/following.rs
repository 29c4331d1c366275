//! Logs behind sentinels and in a cluster.

use std::time::Duration;

use sse_kit_broadcast::Subscription;
use sse_kit_redis::{RedisConnectError, RedisLog};
use sse_kit_test_support::in_time;

use crate::managed::{Cluster, Sentinels};
use crate::server::Server;
use crate::{Node, config, event, node, publish, topic};

/// Publishes by turns and sees that everything comes to the streams, in order.
async fn goes_on(nodes: &[Node], streams: &mut [Subscription], count: &mut usize) {
    for _ in 0..10 {
        *count += 1;
        let id = publish(&nodes[*count % nodes.len()], "a", count.to_string()).await;
        assert_eq!(id.offset(), *count as u64);
        for stream in &mut *streams {
            assert_eq!(event(stream).await.1, count.to_string());
        }
    }
}

async fn two(url: &str) -> (Vec<Node>, Vec<Subscription>) {
    let nodes = vec![node_with_patience(url).await, node_with_patience(url).await];
    let streams =
        nodes.iter().map(|n| n.hub.subscribe(topic("a")).open().expect("it is open")).collect();
    (nodes, streams)
}

/// Servers need some seconds to agree on another one.
async fn node_with_patience(url: &str) -> Node {
    let deadline = crate::server::PATIENCE;
    crate::node_with(config(url).append_deadline(deadline), sse_kit_broadcast::Hub::builder()).await
}

/// Waits until the replicas of a server have confirmed all that it has.
async fn replicated(server: &Server) {
    let in_step = async {
        loop {
            let info: String = server.command(&["INFO", "replication"]).await;
            let own = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
            let own = format!("offset={},", own.expect("it is a primary").trim());
            let mut replicas = info.lines().filter(|line| line.contains(",offset=")).peekable();
            if replicas.peek().is_some() && replicas.all(|replica| replica.contains(&own)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time("its replicas get all", in_step).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_are_asked_for_the_primary() {
    let mut redis = Sentinels::start().await;
    let (nodes, mut streams) = two(&redis.url()).await;
    let mut count = 0;
    goes_on(&nodes, &mut streams, &mut count).await;
    // One sentinel is gone, and then the primary.
    redis.sentinels[0].kill().await;
    replicated(&redis.servers[0]).await;
    redis.servers[0].kill().await;
    goes_on(&nodes, &mut streams, &mut count).await;
    let role: (String, u64, Vec<redis::Value>) = redis.servers[1].command(&["ROLE"]).await;
    assert_eq!(role.0, "master");
    // A node that starts now finds it too.
    let other = node(&redis.url()).await;
    assert_eq!(other.hub.cursor().offset(), count as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_no_sentinel_knows_is_told() {
    let redis = Sentinels::start().await;
    let url = redis.url().replace("/main", "/other");
    let config = config(&url).start_deadline(Duration::from_millis(300));
    let error = RedisLog::connect(config).await.unwrap_err();
    let RedisConnectError::Redis(error) = error else { panic!("{error}") };
    assert!(error.to_string().contains("other"), "{error}");
    assert_eq!(redis.primary().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_to_another_node_of_a_cluster_is_followed() {
    let redis = Cluster::start().await;
    let (nodes, mut streams) = two(&redis.url()).await;
    let mut count = 0;
    goes_on(&nodes, &mut streams, &mut count).await;
    let owner = redis.owner().await;
    redis.move_slot(owner, (owner + 1) % 3).await;
    goes_on(&nodes, &mut streams, &mut count).await;
    for node in &nodes {
        assert_eq!((node.redis.stats().epochs, node.redis.stats().failed), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_that_dies_is_replaced() {
    let mut redis = Cluster::start().await;
    let (nodes, mut streams) = two(&redis.url()).await;
    let mut count = 0;
    goes_on(&nodes, &mut streams, &mut count).await;
    let owner = redis.owner().await;
    replicated(&redis.servers[owner]).await;
    redis.servers[owner].kill().await;
    goes_on(&nodes, &mut streams, &mut count).await;
    for node in &nodes {
        assert_eq!(node.redis.stats().epochs, 0, "nothing was lost");
    }
}
