//! Failures of Redis, and of the way to it.

use sse_kit_broadcast::LogHealth;
use sse_kit_broadcast::{AppendError, Hub, PublishError};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, EventId};
use sse_kit_test_support::in_time;
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::server::Server;
use crate::{config, event, gap, hasty, node, node_with, publish, topic, until};

fn append_error(published: Result<sse_kit_broadcast::Receipt, PublishError>) -> AppendError {
    match published {
        Err(PublishError::Log(error)) => error,
        other => panic!("the log should have refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_was_lost_after_the_append_makes_no_duplicate() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let (here, there) = (node(&proxy.url()).await, node(&redis.url()).await);
    let mut stream = there.hub.subscribe(topic("a")).open().unwrap();
    publish(&here, "a", "0").await;
    assert_eq!(event(&mut stream).await.1, "0");
    for i in 1..=20 {
        proxy.lose_replies(1);
        let id = publish(&here, "a", i.to_string()).await;
        assert_eq!(proxy.lost_replies(), i);
        assert_eq!(event(&mut stream).await, (id.to_string(), i.to_string()));
    }
    let length: u64 = redis.command(&["XLEN", "{sse-kit}:log"]).await;
    assert_eq!(length, 21);
    assert!(here.redis.stats().retried >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_is_never_answered_is_ambiguous_and_may_stand_in_the_log() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let here = node_with(hasty(&proxy.url()), Hub::builder()).await;
    publish(&here, "a", "0").await;
    proxy.lose_replies(usize::MAX);
    let error = append_error(here.hub.publish(&topic("a"), Event::new("1")).await);
    assert!(matches!(error, AppendError::Ambiguous(_)), "{error:?}");
    assert_eq!(here.redis.stats().ambiguous, 1);
    let length: u64 = redis.command(&["XLEN", "{sse-kit}:log"]).await;
    assert_eq!(length, 2, "once, however often it was tried");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_away_publishing_fails_by_its_deadline_and_streams_stay_open() {
    // With `everysec` Redis puts off its writes while the disk is busy, and a kill loses them.
    let mut redis = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let node = node_with(hasty(&redis.url()), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    publish(&node, "a", "before").await;
    assert_eq!(event(&mut stream).await.1, "before");
    redis.kill().await;
    // By its deadline, or never.
    let publish_lost = async || {
        let published = node.hub.publish(&topic("a"), Event::new("lost")).await;
        append_error(published)
    };
    let first = in_time("an error", publish_lost()).await;
    assert!(matches!(first, AppendError::Unavailable(_) | AppendError::Ambiguous(_)), "{first:?}");
    let late = in_time("an error", publish_lost()).await;
    assert!(matches!(late, AppendError::Unavailable(_)), "surely not written: {late:?}");
    until("it is known to be down", || matches!(node.redis.health(), LogHealth::Down { .. })).await;
    assert_eq!(node.hub.connection_count(), 1);

    redis.restart().await;
    until("it is up again", || node.redis.health() == LogHealth::Up).await;
    publish(&node, "a", "after").await;
    assert_eq!(event(&mut stream).await.1, "after", "on the same stream, and without a gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_redis_is_a_gap_for_every_stream_of_every_node() {
    let redis = Server::start(&[]).await;
    let nodes = [node(&redis.url()).await, node(&redis.url()).await];
    let id = publish(&nodes[0], "a", "1").await;
    let mut streams = Vec::new();
    for node in &nodes {
        until("it is read", || node.hub.cursor() == id).await;
        streams.push(node.hub.subscribe(topic("a")).open().unwrap());
        streams.push(node.hub.subscribe(topic("quiet")).open().unwrap());
    }
    let () = redis.command(&["FLUSHALL"]).await;
    let mut epochs = Vec::new();
    for stream in &mut streams {
        let told = gap(stream).await;
        assert_eq!((told.reason, told.from), (GapReason::UnknownEpoch, Some(id)));
        epochs.push(told.to);
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0] && epoch.offset() == 0));
    assert_ne!(epochs[0].epoch(), id.epoch());
    assert!(nodes[0].hub.history(&topic("a"), 10).is_empty());
    assert_eq!(publish(&nodes[1], "a", "new").await, EventId::new(epochs[0].epoch(), 1));
    assert_eq!(event(&mut streams[0]).await.1, "new");
    assert_eq!(event(&mut streams[2]).await.1, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_redis_that_is_filled_again_at_once_is_noticed_all_the_same() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    for i in 0..5 {
        publish(&node, "a", i.to_string()).await;
        event(&mut stream).await;
    }
    // Another publisher is past the offset of this node before it can look.
    let script = "redis.call('FLUSHALL') redis.call('HSET', KEYS[2], 'epoch', 'abc', 'since', 0, 'last', 9) \
                  for i = 1, 9 do redis.call('XADD', KEYS[1], i .. '-0', 'topic', 'a', 'event', 'data: new\\n') end";
    let _: redis::Value =
        redis.command(&["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta"]).await;
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.to.to_string()), (GapReason::UnknownEpoch, "abc-0".into()));
    for i in 1..=9 {
        assert_eq!(event(&mut stream).await, (format!("abc-{i}"), "new".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_gets_a_new_epoch() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    for i in 1..=5 {
        publish(&node, "a", i.to_string()).await;
        event(&mut stream).await;
    }
    let epoch = node.hub.cursor().epoch();
    // The last two are lost, as after a crash; and the first who comes is a publisher.
    let script = "redis.call('DEL', KEYS[1]) redis.call('HSET', KEYS[2], 'last', 3) \
                  for i = 1, 3 do redis.call('XADD', KEYS[1], i .. '-0', 'topic', 'a', 'event', 'data: x\\n') end";
    let _: redis::Value =
        redis.command(&["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta"]).await;
    let id = publish(&node, "a", "new").await;
    assert_ne!(id.epoch(), epoch);
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.to), (GapReason::UnknownEpoch, EventId::new(id.epoch(), 3)));
    assert_eq!(event(&mut stream).await, (id.to_string(), "new".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_and_grew_again_unseen_gets_a_new_epoch_too() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    for i in 1..=3 {
        publish(&node, "a", i.to_string()).await;
        event(&mut stream).await;
    }
    let epoch = node.hub.cursor().epoch();
    // The third is lost, and a publisher who had not seen it has appended another in its place.
    let script = "redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '3-0', 'topic', 'a', 'event', 'data: other\\n', 'once', 'r')";
    let _: redis::Value =
        redis.command(&["EVAL", script, "2", "{sse-kit}:log", "{sse-kit}:meta"]).await;
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.to.offset()), (GapReason::UnknownEpoch, 3));
    assert_ne!(told.to.epoch(), epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_over_fifty_cuts() {
    let redis = Server::start(&[]).await;
    let proxy = Proxy::start(Protocol::Redis, redis.port).await;
    let (here, there) = (node(&proxy.url()).await, node(&proxy.url()).await);
    let streams = [&here, &there].map(|node| {
        let builder = node.hub.subscribe(topic("a"));
        builder.open().unwrap()
    });
    let publishing = async {
        let mut ids = Vec::new();
        for i in 0..500 {
            if i % 10 == 5 {
                proxy.cut();
            }
            ids.push(publish(&here, "a", i.to_string()).await.to_string());
        }
        ids
    };
    let ids = publishing.await;
    for mut stream in streams {
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(event(&mut stream).await, (id.clone(), i.to_string()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_says_so_and_an_event_that_is_too_large_too() {
    let redis = Server::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]).await;
    let node = node_with(config(&redis.url()).max_record_bytes(150_000), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    let error = append_error(node.hub.publish(&topic("a"), Event::new("x".repeat(150_000))).await);
    assert!(matches!(error, AppendError::TooLarge { max: 150_000, .. }), "{error:?}");
    let large = "x".repeat(100_000);
    let mut published = 0;
    let error = loop {
        match node.hub.publish(&topic("a"), Event::new(large.clone())).await {
            Ok(receipt) => {
                published += 1;
                assert_eq!(receipt.id.offset(), published, "no offset is wasted");
            }
            error => break append_error(error),
        }
        assert!(published < 100);
    };
    assert!(matches!(error, AppendError::Full), "{error:?}");
    for _ in 0..published {
        event(&mut stream).await;
    }
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "100mb"]).await;
    assert_eq!(publish(&node, "a", "room again").await.offset(), published + 1);
    assert_eq!(event(&mut stream).await.1, "room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_waited_for_without_an_end() {
    let redis = Server::start(&[]).await;
    let node = node_with(hasty(&redis.url()), Hub::builder()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    publish(&node, "a", "before").await;
    assert_eq!(event(&mut stream).await.1, "before");
    redis.signal("STOP").await;
    let error = append_error(node.hub.publish(&topic("a"), Event::new("perhaps")).await);
    let is_possible = match error {
        AppendError::Ambiguous(_) => true,
        // It was to be sent over a new connection, which there was none.
        AppendError::Unavailable(_) => false,
        error => panic!("{error:?}"),
    };
    until("it is known to hang", || matches!(node.redis.health(), LogHealth::Down { .. })).await;
    redis.signal("CONT").await;
    until("it is up again", || node.redis.health() == LogHealth::Up).await;
    publish(&node, "a", "after").await;
    let mut seen = vec![event(&mut stream).await.1];
    if seen[0] == "perhaps" {
        assert!(is_possible, "it was said that it is surely not written");
        seen.push(event(&mut stream).await.1);
    }
    assert_eq!(seen.last().map(String::as_str), Some("after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_shutdown_nothing_is_appended() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    publish(&node, "a", "1").await;
    node.hub.shut_down(sse_kit_broadcast::Goodbye::StayAway);
    let error = node.hub.publish(&topic("a"), Event::new("2")).await;
    assert!(matches!(error, Err(PublishError::Closed)), "{error:?}");
    assert_eq!(node.redis.health(), LogHealth::Closed);
    assert_eq!(redis.command::<u64>(&["XLEN", "{sse-kit}:log"]).await, 1);
}
