//! The log against a real Redis server.

mod behind;
mod conformance;
mod failing;
mod failover;
mod following;
mod foreign;
mod managed;
mod presence;
mod publishers;
mod reading;
mod refusing;
mod server;

use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub, HubBuilder, Subscription};
use sse_kit_event::control::Gap;
use sse_kit_event::{Event, EventId, Topic};
use sse_kit_redis::{RedisConfig, RedisLog, RedisStatus};
use sse_kit_test_support::{PATIENCE, in_time, until};

/// A node of a hub.
struct Node {
    hub: Hub,
    redis: RedisStatus,
}

/// Settings with which everything succeeds on a busy machine too; tests of failures use [`hasty`].
fn config(url: &str) -> RedisConfig {
    let config = RedisConfig::new(url).expect("an address").tick(Duration::from_millis(100));
    let config = config.append_deadline(PATIENCE).attempt_timeout(PATIENCE / 2);
    config.idempotency(2 * PATIENCE)
}

/// For appends that are to fail, after others that are not.
fn hasty(url: &str) -> RedisConfig {
    config(url).append_deadline(Duration::from_secs(5)).attempt_timeout(Duration::from_secs(2))
}

async fn node(url: &str) -> Node {
    node_with(config(url), Hub::builder().history(100_000)).await
}

async fn node_with(config: RedisConfig, builder: HubBuilder) -> Node {
    let log = RedisLog::connect(config).await.expect("Redis is there");
    let redis = log.monitor();
    Node { hub: builder.log(log).build().expect("the settings are right"), redis }
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

async fn publish(node: &Node, name: &str, data: impl Into<String>) -> EventId {
    node.hub.publish(&topic(name), Event::new(data)).await.expect("it is appended").id
}

/// Waits until a node has read what it has published: until then it would come to a stream as new.
async fn has_read(node: &Node, id: EventId) {
    until("the node has read all", || node.hub.cursor() == id).await;
}

/// Returns the next delivery, heartbeats aside.
async fn next(stream: &mut Subscription) -> Delivery {
    let delivery = async {
        loop {
            match stream.recv().await.expect("the stream goes on") {
                Delivery::Heartbeat { .. } => {}
                delivery => return delivery,
            }
        }
    };
    in_time("something comes", delivery).await
}

/// The id and the data of the next event.
async fn event(stream: &mut Subscription) -> (String, String) {
    match next(stream).await {
        Delivery::Entry(entry) => {
            let frame = String::from_utf8(entry.frame().to_vec()).expect("UTF-8");
            let data = frame.lines().filter_map(|line| line.strip_prefix("data: "));
            (entry.id().to_string(), data.collect::<Vec<_>>().join("\n"))
        }
        other => panic!("an event was expected, not {other:?}"),
    }
}

async fn gap(stream: &mut Subscription) -> Gap {
    match next(stream).await {
        Delivery::Gap(gap) => gap,
        other => panic!("a gap was expected, not {other:?}"),
    }
}
