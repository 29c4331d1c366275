//! Nodes that are behind, on slow links.

use std::time::Duration;

use sse_kit_broadcast::Hub;
use sse_kit_broadcast::LogHealth;
use sse_kit_event::control::GapReason;
use sse_kit_event::{EventId, LastEventId};
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::server::Server;
use crate::{config, event, gap, node, node_with, publish, topic, until};

/// Appends records as a publisher elsewhere would, all at once: so many, of so many bytes each.
async fn append(redis: &Server, count: usize, bytes: usize) {
    let script = "local data = 'data: ' .. string.rep('x', ARGV[2]) .. '\\n' \
                  for i = 1, ARGV[1] do local id = redis.call('HINCRBY', KEYS[2], 'last', 1) \
                  redis.call('XADD', KEYS[1], id .. '-0', 'topic', 'a', 'event', data) end";
    let (count, bytes) = (count.to_string(), bytes.to_string());
    let keys = ["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta", &count, &bytes];
    let _: redis::Value = redis.command(&keys).await;
}

/// 40 MB at 10 MB/s, where a reply may take 1.1 s: no page of 256 records would ever arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_megabytes_behind_catches_up() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let node = node_with(config(&proxy.url()), Hub::builder().history(2)).await;
    proxy.throttle(10_000_000);
    append(&redis, 200, 200_000).await;
    until("it knows", || node.redis.stats().lag > 0).await;
    until("all is read", || node.redis.stats().read == 200).await;
    let stats = node.redis.stats();
    assert_eq!((stats.lag, stats.lost), (0, 0));
    // Nothing to speak of was sent twice.
    assert!(proxy.received() < 50_000_000, "{}", proxy.received());
}

/// One record takes longer than a reply usually may.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_alone_is_late_arrives_all_the_same() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let slow = config(&proxy.url()).attempt_timeout(Duration::from_millis(400));
    let node = node_with(slow, Hub::builder().history(2)).await;
    proxy.throttle(1_000_000);
    append(&redis, 3, 1_000_000).await;
    until("it is known to be behind", || node.redis.health() != LogHealth::Up).await;
    until("all is read", || node.redis.stats().read == 3).await;
    until("it is up", || node.redis.health() == LogHealth::Up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_where_the_log_is_larger_than_its_link_carries() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    drop(node(&redis.url()).await);
    append(&redis, 300, 200_000).await;
    proxy.throttle(5_000_000);
    let node = node(&proxy.url()).await;
    assert_eq!(node.hub.cursor().offset(), 300, "it is where the log is");
    // It has the newest, and says where they begin.
    let epoch = node.hub.cursor().epoch();
    let resume = |offset| Some(LastEventId::Known(EventId::new(epoch, offset)));
    let mut stream = node.hub.subscribe(topic("a")).resume(resume(295)).open().unwrap();
    assert_eq!(event(&mut stream).await.0, EventId::new(epoch, 296).to_string());
    let mut stream = node.hub.subscribe(topic("a")).resume(resume(1)).open().unwrap();
    assert_eq!(gap(&mut stream).await.reason, GapReason::Trimmed);
    proxy.throttle(0);
    assert_eq!(publish(&node, "a", "on").await.offset(), 301);
}

/// Records that lie too far back are not read from Redis, whoever asks for them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_for_who_reaches_back_too_far() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    drop(node(&redis.url()).await);
    append(&redis, 10_100, 100).await;
    let short = config(&proxy.url()).warm_up(10);
    let node = node_with(short, Hub::builder().history(2)).await;
    let epoch = node.hub.cursor().epoch();
    let before = proxy.received();
    for _ in 0..50 {
        let resume = LastEventId::Known(EventId::new(epoch, 50));
        let subscribe = node.hub.subscribe(topic("a")).resume(resume).backfill().await;
        assert_eq!(gap(&mut subscribe.unwrap()).await.reason, GapReason::Trimmed);
    }
    // 50 pages would be more than a megabyte. The reader's looks go on meanwhile.
    assert!(proxy.received() - before < 300_000, "{}", proxy.received() - before);
}

/// The connection for backfills has ended since the last one.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_after_a_cut_connection_has_no_gap() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let node = node_with(config(&proxy.url()), Hub::builder().history(5)).await;
    let first = publish(&node, "a", "0").await;
    for n in 1..40 {
        publish(&node, "a", &n.to_string()).await;
    }
    for _ in 0..2 {
        let resume = LastEventId::Known(first);
        let subscribe = node.hub.subscribe(topic("a")).resume(resume).backfill().await;
        let mut stream = subscribe.expect("it opens");
        for n in 1..40 {
            assert_eq!(event(&mut stream).await.1, n.to_string());
        }
        proxy.cut();
    }
}

/// Whenever the reader looks, there are records that it has not read: replies take longer than events
/// are apart.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_ahead_is_told_while_events_stream_in() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let node = node_with(config(&proxy.url()), Hub::builder().history(10)).await;
    proxy.delay(60);
    let streaming = async {
        loop {
            append(&redis, 1, 10).await;
        }
    };
    let told = async {
        until("events stream in", || node.redis.stats().read > 20).await;
        let never = EventId::new(node.hub.cursor().epoch(), 1 << 40);
        let resume = LastEventId::Known(never);
        let mut stream = node.hub.subscribe(topic("b")).resume(resume).open().unwrap();
        gap(&mut stream).await
    };
    tokio::select! {
        () = streaming => {}
        gap = told => assert_eq!(gap.reason, GapReason::Future),
    }
}
