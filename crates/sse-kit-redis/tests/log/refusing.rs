//! Refusals of Redis.

use std::time::Duration;

use sse_kit_broadcast::{AppendError, Hub, LogHealth, PublishError, Receipt};
use sse_kit_event::Event;
use sse_kit_redis::{RedisConfig, RedisConnectError, RedisLog};
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::server::Server;
use crate::{Node, config, event, hasty, node, node_with, publish, topic, until};

async fn try_publish(node: &Node) -> Result<Receipt, AppendError> {
    match node.hub.publish(&topic("a"), Event::new("x")).await {
        Ok(receipt) => Ok(receipt),
        Err(PublishError::Log(error)) => Err(error),
        Err(other) => panic!("the log should have refused: {other}"),
    }
}

/// As managed services do it, and unlike Sentinel: nobody kills the connections to the old primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_becomes_a_replica_and_keeps_its_connections_is_left() {
    let (old, new) = (Server::start(&[]).await, Server::start(&[]).await);
    let proxy = Proxy::start(Protocol::Redis, old.port).await;
    let node = node(&proxy.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    publish(&node, "a", "before").await;
    assert_eq!(event(&mut stream).await.1, "before");
    new.replicate(&old).await;
    new.promote().await;
    proxy.lead_to(new.port);
    old.replicate(&new).await;
    publish(&node, "a", "after").await;
    assert_eq!(event(&mut stream).await.1, "after");
    assert_eq!(node.redis.stats().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_is_tried_again_while_replicas_are_missing() {
    let redis = Server::start(&[]).await;
    let replica = Server::start(&[]).await;
    let node = node_with(hasty(&redis.url()), Hub::builder()).await;
    publish(&node, "a", "1").await;
    let _: String = redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    // The events that an attempt under way at its deadline may have written: nobody knows.
    let mut unknown = 0;
    let next = match try_publish(&node).await {
        // Redis 6.2 does not look for replicas when a script writes.
        Ok(receipt) => receipt.id.offset() + 1,
        Err(error) => {
            unknown += of_unknown_fate(&error);
            assert!(node.redis.stats().retried > 0);
            2
        }
    };
    replica.replicate(&redis).await;
    // Until the outage is over, appends fail at once.
    let receipt = loop {
        match try_publish(&node).await {
            Ok(receipt) => break receipt,
            Err(error) => unknown += of_unknown_fate(&error),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let offset = receipt.id.offset();
    assert!((next..=next + unknown).contains(&offset), "{offset}: an offset was spent");
}

/// Returns the number of events that a failed append may have written, although nobody confirmed them.
fn of_unknown_fate(error: &AppendError) -> u64 {
    match error {
        AppendError::Unavailable(_) => 0,
        AppendError::Ambiguous(_) => 1,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_an_acl_forbids_spends_nothing() {
    let redis = Server::start(&[]).await;
    let reader = node(&redis.url()).await;
    let mut stream = reader.hub.subscribe(topic("a")).open().unwrap();
    publish(&reader, "a", "1").await;
    assert_eq!(event(&mut stream).await.1, "1");
    for denied in ["xadd", "set", "hset"] {
        let user = format!("no-{denied}");
        let rule = ["ACL", "SETUSER", &user, "on", ">secret", "~*", "+@all"];
        let _: String = redis.command(&rule).await;
        let url = format!("redis://{user}:secret@127.0.0.1:{}", redis.port);
        let denied_node = node(&url).await;
        let _: String = redis.command(&["ACL", "SETUSER", &user, &format!("-{denied}")]).await;
        for _ in 0..3 {
            let error = try_publish(&denied_node).await.unwrap_err();
            assert!(matches!(error, AppendError::Unavailable(_)), "{denied}: {error:?}");
        }
    }
    assert_eq!(publish(&reader, "a", "2").await.offset(), 2, "no offset was spent");
    assert_eq!(event(&mut stream).await.1, "2", "and no gap was told");
    assert_eq!(reader.redis.stats().epochs, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_key_of_a_refused_append_is_not_taken() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    publish(&node, "a", "1").await;
    let _: String = redis.command(&["ACL", "SETUSER", "default", "-xadd"]).await;
    let once = |text: &str| text.parse().expect("a key");
    let event = || Event::new("2").with_idempotency_key(once("k"));
    assert!(node.hub.publish(&topic("a"), event()).await.is_err());
    let _: String = redis.command(&["ACL", "SETUSER", "default", "+xadd"]).await;
    assert_eq!(node.hub.publish(&topic("a"), event()).await.unwrap().id.offset(), 2);
    assert_eq!(redis.command::<u64>(&["XLEN", "{sse-kit}:log"]).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_outage_is_waited_for_like_the_first() {
    let mut redis = Server::start(&["--appendonly", "yes"]).await;
    let hasty = config(&redis.url()).append_deadline(Duration::from_millis(1500));
    let node = node_with(hasty, Hub::builder()).await;
    publish(&node, "a", "1").await;
    redis.kill().await;
    assert!(try_publish(&node).await.is_err());
    redis.restart().await;
    until("it is up", || node.redis.health() == LogHealth::Up).await;
    // Nobody publishes for longer than an append may take.
    tokio::time::sleep(Duration::from_secs(2)).await;
    redis.kill().await;
    let before = node.redis.stats().retried;
    let restarting = async {
        // It has failed, and is tried again, before Redis is back.
        until("it is tried again", || node.redis.stats().retried > before).await;
        redis.restart().await;
    };
    let (published, ()) = tokio::join!(try_publish(&node), restarting);
    // A busy machine may take longer than the deadline to start Redis; then it was tried to the end.
    assert!(published.is_ok() || node.redis.stats().retried > before + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_at_their_largest_value_work() {
    let redis = Server::start(&[]).await;
    let config = RedisConfig::new(&redis.url())
        .unwrap()
        .keep_events(u64::MAX)
        .keep_for(Duration::MAX)
        .warm_up(u64::MAX)
        .append_deadline(Duration::from_secs(1_000_000_000))
        .attempt_timeout(Duration::MAX / 2)
        .idempotency(Duration::MAX)
        .max_record_bytes(usize::MAX)
        .tick(Duration::MAX);
    // The sum of two of them is longer than the longest window, and so refused.
    let error = RedisLog::connect(config.clone()).await.unwrap_err();
    assert!(matches!(error, RedisConnectError::ShortWindow { .. }), "{error}");
    let config = config.attempt_timeout(Duration::from_secs(1));
    let node = node_with(config, Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    for i in 1..=3 {
        assert_eq!(publish(&node, "a", i.to_string()).await.offset(), i);
        assert_eq!(event(&mut stream).await.1, i.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_window_shorter_than_an_append_is_refused() {
    let redis = Server::start(&[]).await;
    let usual = RedisConfig::new(&redis.url()).unwrap();
    let short = usual.clone().idempotency(Duration::from_millis(3999));
    let error = RedisLog::connect(short).await.unwrap_err().to_string();
    assert!(error.contains("3.999s") && error.contains("4s"), "{error}");
    let enough = usual.idempotency(Duration::from_secs(4));
    assert!(RedisLog::connect(enough).await.is_ok());
}
