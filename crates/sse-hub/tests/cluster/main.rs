//! Several hubs on one Redis, as processes that are killed.
//!
//! Sizes are small, so that this runs with all other tests. `cargo xtask soak` takes those of the book's
//! chapter on scaling, and shows the figures.

mod client;
mod failover;
#[path = "../../../../crates/sse-kit-redis/tests/log/managed.rs"]
mod managed;
mod nodes;
#[path = "../../../../crates/sse-kit-redis/tests/log/server.rs"]
mod server;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::{Client, Seen};
use nodes::Nodes;
use server::Server as Redis;
use sse_kit_test_support::rng;

/// The size of the test.
#[derive(Clone, Copy)]
struct Size {
    clients: usize,
    messages: usize,
    kills: usize,
    restarts: usize,
    pause: Duration,
}

impl Size {
    fn get() -> Self {
        if std::env::var_os("SSE_KIT_SOAK").is_some() {
            let pause = Duration::from_secs(10);
            Self { clients: 300, messages: 10_000, kills: 20, restarts: 10, pause }
        } else {
            let pause = Duration::from_secs(1);
            Self { clients: 30, messages: 600, kills: 3, restarts: 2, pause }
        }
    }
}

/// The knowledge of the publishers in the end.
#[derive(Default)]
struct Published {
    /// The id of each message that was acknowledged.
    acknowledged: HashMap<String, String>,
    /// The time that each of them took.
    latencies: Vec<Duration>,
    /// Messages that were not, and may be in the log nevertheless.
    unknown: Vec<String>,
}

impl Published {
    fn add(&mut self, more: Self) {
        self.acknowledged.extend(more.acknowledged);
        self.latencies.extend(more.latencies);
        self.unknown.extend(more.unknown);
    }
}

/// Publishes these messages through whichever nodes there are, several at once.
async fn publish(nodes: &Arc<Nodes>, messages: Range<usize>) -> Published {
    const PUBLISHERS: usize = 4;
    let tasks: Vec<_> = (0..PUBLISHERS)
        .map(|n| {
            let (nodes, messages) = (Arc::clone(nodes), messages.clone());
            tokio::spawn(async move {
                let mut published = Published::default();
                for i in messages.skip(n).step_by(PUBLISHERS) {
                    let data = format!("message {i}");
                    let begun = Instant::now();
                    match nodes.publish(i, &data).await {
                        Some(id) => {
                            published.latencies.push(begun.elapsed());
                            published.acknowledged.insert(data, id);
                        }
                        None => published.unknown.push(data),
                    }
                }
                published
            })
        })
        .collect();
    let mut all = Published::default();
    for task in tasks {
        all.add(task.await.expect("it does not panic"));
    }
    all
}

/// Publishes the last message, which clients wait for.
async fn publish_end(nodes: &Nodes) {
    for i in 0.. {
        if nodes.publish(i, client::END).await.is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every acknowledged message came to every client once, in the same order, and nothing else came but
/// messages of which nobody knows.
fn check(seen: &[Seen], published: &Published) {
    for client in seen {
        assert_eq!(client.gaps, 0, "no client was told of a gap");
        let by_data: HashMap<_, _> =
            client.messages.iter().map(|(id, data)| (data.as_str(), id.as_str())).collect();
        assert_eq!(by_data.len(), client.messages.len(), "nothing came twice");
        for (data, id) in &published.acknowledged {
            assert_eq!(by_data.get(data.as_str()), Some(&id.as_str()), "{data}");
        }
        let unknown = client.messages.len() - published.acknowledged.len();
        assert!(unknown <= published.unknown.len());
        assert!(client.messages == seen[0].messages, "all clients see the same");
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

fn report(what: &str, durations: impl Iterator<Item = Duration>) {
    let mut sorted: Vec<_> = durations.collect();
    sorted.sort_unstable();
    let [half, most, all] = [50, 99, 100].map(|percent| percentile(&sorted, percent));
    eprintln!("{what}: p50 {half:.1?}, p99 {most:.1?}, most {all:.1?} of {}", sorted.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_killed_and_no_client_misses_a_message() {
    let size = Size::get();
    let redis = Redis::start(&[]).await;
    let nodes = Arc::new(Nodes::start(3, &redis.url()).await);
    let clients: Vec<_> = (0..size.clients).map(|n| Client::follow(n, &nodes)).collect();
    nodes.await_connections(size.clients).await;

    let tenth = size.messages / 10;
    let before = nodes.cpu();
    let mut published = publish(&nodes, 0..tenth).await;
    for (n, (before, after)) in before.into_iter().zip(nodes.cpu()).enumerate() {
        let messages = u32::try_from(tenth).expect("few");
        eprintln!("node {n}: {:?} of CPU per message", after.saturating_sub(before) / messages);
    }
    report("publish over HTTP, calm", published.latencies.drain(..));

    let killing = {
        let (nodes, mut random) = (Arc::clone(&nodes), rng());
        tokio::spawn(async move {
            for n in 0..size.kills {
                tokio::time::sleep(Duration::from_millis(random.u64(50..200))).await;
                nodes.replace(n % 3).await;
            }
        })
    };
    // They go on for as long as nodes are being killed.
    let mut round = 1;
    while round < 10 || !killing.is_finished() {
        published.add(publish(&nodes, round * tenth..(round + 1) * tenth).await);
        round += 1;
    }
    killing.await.expect("it does not panic");
    publish_end(&nodes).await;
    let seen = client::all(clients).await;
    let moved: usize = seen.iter().map(|client| client.failovers.len()).sum();
    assert!(moved > 0, "somebody was on a node that was killed");
    eprintln!(
        "{} messages acknowledged, {} unknown, {moved} failovers",
        published.acknowledged.len(),
        published.unknown.len()
    );
    report("publish over HTTP, with nodes killed", published.latencies.iter().copied());
    report("failover", seen.iter().flat_map(|client| client.failovers.iter().copied()));
    check(&seen, &published);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_restarted_one_after_another_and_no_client_misses_a_message() {
    let size = Size::get();
    let redis = Redis::start(&[]).await;
    let nodes = Arc::new(Nodes::start(2, &redis.url()).await);
    let proxy = nodes.proxy();
    let clients: Vec<_> = (0..size.clients).map(|_| Client::behind(&proxy)).collect();
    nodes.await_connections(size.clients).await;
    let restarting = {
        let nodes = Arc::clone(&nodes);
        tokio::spawn(async move {
            for n in 0..size.restarts {
                tokio::time::sleep(Duration::from_millis(300)).await;
                nodes.restart(n % 2).await;
            }
        })
    };
    // 200 a second, to whichever node is there.
    let mut published = Published::default();
    let mut interval = tokio::time::interval(Duration::from_millis(5));
    for i in 0.. {
        interval.tick().await;
        let (data, begun) = (format!("message {i}"), Instant::now());
        match nodes.publish(i, &data).await {
            Some(id) => {
                published.latencies.push(begun.elapsed());
                published.acknowledged.insert(data, id);
            }
            None => published.unknown.push(data),
        }
        if restarting.is_finished() {
            break;
        }
    }
    restarting.await.expect("every node ends in order");
    publish_end(&nodes).await;
    let seen = client::all(clients).await;
    let moved: usize = seen.iter().map(|client| client.failovers.len()).sum();
    assert!(moved >= size.clients, "nearly everybody was on a node that was restarted");
    eprintln!(
        "{} restarts, {} messages acknowledged, {} not, {moved} streams moved",
        size.restarts,
        published.acknowledged.len(),
        published.unknown.len()
    );
    report("publish over HTTP, with nodes restarted", published.latencies.iter().copied());
    report("failover", seen.iter().flat_map(|client| client.failovers.iter().copied()));
    check(&seen, &published);
}

/// Redis is killed and started again, with its append-only file.
#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_comes_back_with_everything_acknowledged() {
    let size = Size::get();
    // With `everysec` Redis puts off its writes while the disk is busy, and a kill loses them.
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let nodes = Arc::new(Nodes::start(3, &redis.url()).await);
    let clients: Vec<_> = (0..size.clients).map(|n| Client::follow(n, &nodes)).collect();
    nodes.await_connections(size.clients).await;
    let publishing = {
        let nodes = Arc::clone(&nodes);
        tokio::spawn(async move { publish(&nodes, 0..size.messages).await })
    };
    for _ in 0..size.kills {
        tokio::time::sleep(Duration::from_millis(100)).await;
        redis.kill().await;
        redis.restart().await;
    }
    let published = publishing.await.expect("it does not panic");
    publish_end(&nodes).await;
    let seen = client::all(clients).await;
    eprintln!(
        "{} messages acknowledged, {} unknown",
        published.acknowledged.len(),
        published.unknown.len()
    );
    check(&seen, &published);
    assert!(seen.iter().all(|client| client.failovers.is_empty()), "every stream stayed open");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_stands_still_and_streams_stay_open() {
    let size = Size::get();
    let redis = Redis::start(&[]).await;
    let nodes = Arc::new(Nodes::start(3, &redis.url()).await);
    let clients: Vec<_> = (0..size.clients).map(|n| Client::follow(n, &nodes)).collect();
    nodes.await_connections(size.clients).await;
    let mut published = publish(&nodes, 0..100).await;
    redis.signal("STOP").await;
    let during = {
        let nodes = Arc::clone(&nodes);
        tokio::spawn(async move { publish(&nodes, 100..120).await })
    };
    tokio::time::sleep(size.pause).await;
    redis.signal("CONT").await;
    published.add(during.await.expect("it does not panic"));
    published.add(publish(&nodes, 200..300).await);
    publish_end(&nodes).await;
    let seen = client::all(clients).await;
    check(&seen, &published);
    assert!(seen.iter().all(|client| client.failovers.is_empty()), "every stream stayed open");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_wiped_and_every_client_is_told() {
    let size = Size::get();
    let redis = Redis::start(&[]).await;
    let nodes = Arc::new(Nodes::start(3, &redis.url()).await);
    let clients: Vec<_> = (0..size.clients).map(|n| Client::follow(n, &nodes)).collect();
    nodes.await_connections(size.clients).await;
    publish(&nodes, 0..50).await;
    let wiped = Instant::now();
    let () = redis.command(&["FLUSHALL"]).await;
    let seen = client::all_told(clients).await;
    report("from the wipe to the gap", seen.iter().map(|told| *told - wiped));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_publishing_is_an_error_by_its_deadline() {
    let mut redis = Redis::start(&[]).await;
    let nodes = Arc::new(Nodes::start(1, &redis.url()).await);
    let client = Client::follow(0, &nodes);
    nodes.await_connections(1).await;
    redis.kill().await;
    // By its deadline, or never.
    let (status, body) = nodes.post(0, "/publish?topic=a", "x").await.expect("an answer");
    assert_eq!(status, 503);
    assert!(body["error"].as_str().is_some_and(|error| error.contains("log")), "{body}");
    redis.restart().await;
    publish_end(&nodes).await;
    let seen = client::all(vec![client]).await;
    assert!(seen[0].failovers.is_empty(), "the stream stayed open");
    assert_eq!(seen[0].gaps, 1, "as Redis came back with nothing");
}
