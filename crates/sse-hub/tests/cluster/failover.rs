//! Another server takes over from the one that has the log, under load.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{self, Client, Seen};
use crate::managed::{Cluster, Sentinels};
use crate::nodes::Nodes;
use crate::server::Server;
use crate::{Published, Size, publish_end};

/// The time for which publishers go on before the failover, and after they succeed again.
const AROUND: Duration = Duration::from_millis(700);

/// Publishes 200 messages a second until some time after publishing has succeeded again, and returns how
/// long that took from the failover on.
async fn publish_over(
    nodes: &Arc<Nodes>,
    fail_over: impl Future<Output = ()>,
) -> (Published, Duration) {
    let mut published = Published::default();
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    let begun = Instant::now();
    let mut messages = 0..;
    let mut publish = async |published: &mut Published| {
        interval.tick().await;
        let n = messages.next().expect("there are many numbers");
        let data = format!("message {n}");
        match nodes.publish(n, &data).await {
            Some(id) => _ = published.acknowledged.insert(data, id),
            None => published.unknown.push(data),
        }
        published.acknowledged.len()
    };
    while begun.elapsed() < AROUND {
        publish(&mut published).await;
    }
    let before = published.acknowledged.len();
    let failed = Instant::now();
    fail_over.await;
    while publish(&mut published).await == before {}
    let took = failed.elapsed();
    let again = Instant::now();
    while again.elapsed() < AROUND {
        publish(&mut published).await;
    }
    (published, took)
}

/// Nothing comes twice, and a client that lacks what was acknowledged was told of a gap.
fn check(what: &str, seen: &[Seen], published: &Published, took: Duration) {
    let (mut lost, mut gaps) = (HashSet::new(), 0);
    for client in seen {
        let by_data: HashMap<_, _> =
            client.messages.iter().map(|(id, data)| (data.as_str(), id.as_str())).collect();
        assert_eq!(by_data.len(), client.messages.len(), "nothing comes twice");
        let lacks = |data: &&String| !by_data.contains_key(data.as_str());
        let lacking: Vec<_> = published.acknowledged.keys().filter(lacks).collect();
        assert!(lacking.is_empty() || client.gaps > 0, "lost in silence: {lacking:?}");
        lost.extend(lacking);
        gaps += client.gaps;
    }
    let without = seen.iter().map(|client| client.longest_pause).max().unwrap_or_default();
    eprintln!(
        "{what}: first publish after {took:.1?}, without events {without:.1?}, gaps {gaps} at {} \
         clients, {} of {} acknowledged lost, 0 twice",
        seen.len(),
        lost.len(),
        published.acknowledged.len(),
    );
}

async fn followed(url: &str) -> (Arc<Nodes>, Vec<Client>) {
    let nodes = Arc::new(Nodes::start(3, url).await);
    let clients = Size::get().clients;
    let following: Vec<_> = (0..clients).map(|n| Client::follow(n, &nodes)).collect();
    nodes.await_connections(clients).await;
    (nodes, following)
}

/// An address that leads to one port, and then to another.
async fn address_of(to: &Arc<AtomicU16>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let to = Arc::clone(to);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = Arc::clone(&to);
            tokio::spawn(async move {
                let to = ("127.0.0.1", to.load(Ordering::SeqCst));
                let Ok(mut server) = TcpStream::connect(to).await else { return };
                // The end of one side ends both.
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    format!("redis://127.0.0.1:{port}")
}

/// Somebody promotes the replica, and the address leads to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_promoted_by_hand() {
    let (mut primary, replica) = (Server::start(&[]).await, Server::start(&[]).await);
    replica.replicate(&primary).await;
    let to = Arc::new(AtomicU16::new(primary.port));
    let (nodes, clients) = followed(&address_of(&to).await).await;
    let (published, took) = publish_over(&nodes, async {
        primary.kill().await;
        replica.promote().await;
        to.store(replica.port, Ordering::SeqCst);
    })
    .await;
    publish_end(&nodes).await;
    check("by hand", &client::all(clients).await, &published, took);
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_promote_the_replica() {
    let mut redis = Sentinels::start().await;
    let (nodes, clients) = followed(&redis.url()).await;
    let (published, took) = publish_over(&nodes, redis.servers[0].kill()).await;
    publish_end(&nodes).await;
    assert_eq!(redis.primary().await, 1);
    check("sentinels", &client::all(clients).await, &published, took);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_replaces_the_node_that_has_the_log() {
    let mut redis = Cluster::start().await;
    let (nodes, clients) = followed(&redis.url()).await;
    let owner = redis.owner().await;
    let (published, took) = publish_over(&nodes, redis.servers[owner].kill()).await;
    publish_end(&nodes).await;
    check("cluster", &client::all(clients).await, &published, took);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_moves_the_slot_of_the_log() {
    let redis = Cluster::start().await;
    let (nodes, clients) = followed(&redis.url()).await;
    let owner = redis.owner().await;
    let (published, took) = publish_over(&nodes, redis.move_slot(owner, (owner + 1) % 3)).await;
    publish_end(&nodes).await;
    let seen = client::all(clients).await;
    assert!(seen.iter().all(|client| client.gaps == 0), "nothing was lost");
    check("slot moved", &seen, &published, took);
}

/// The hub is started first, as containers are in any order.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_starts_before_redis_waits_for_it() {
    let mut redis = Server::start(&[]).await;
    redis.kill().await;
    let url = redis.url();
    let starting = tokio::spawn(async move { Nodes::start(1, &url).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!starting.is_finished());
    redis.restart().await;
    let nodes = starting.await.expect("it starts");
    assert!(nodes.publish(0, "x").await.is_some());
}
