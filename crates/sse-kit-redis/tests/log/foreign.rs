//! Foreign hands on the keys of the log.

use sse_kit_event::Event;
use sse_kit_event::control::GapReason;
use sse_kit_test_support::in_time;

use crate::server::Server;
use crate::{Node, event, gap, next, node, publish, topic, until};

async fn run(redis: &Server, command: &[&str]) {
    let _: redis::Value = redis.command(command).await;
}

/// Entries that no node wrote, each added after the first record of the log.
const ENTRIES: [&[&str]; 6] = [
    &["XADD", "{sse-kit}:log", "*", "foo", "bar"],
    &["XADD", "{sse-kit}:log", "1-1", "foo", "bar"],
    &["XADD", "{sse-kit}:log", "1-*", "topic", "a", "event", "data: no\n"],
    &["XADD", "{sse-kit}:log", "2-0", "topic", "a", "event", "data: no\n"],
    &["XADD", "{sse-kit}:log", "900-0", "topic", "a", "event", "data: no\n"],
    &["XADD", "{sse-kit}:log", "18446744073709551615-1", "\u{7f}", ""],
];

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_somebody_else_stops_nobody_and_is_counted() {
    for entry in ENTRIES {
        // Redis 6.2 does not know `1-*`.
        let entry = if entry[2] == "1-*" { ENTRIES[1] } else { entry };
        let redis = Server::start(&[]).await;
        let nodes = [node(&redis.url()).await, node(&redis.url()).await];
        let mut streams =
            nodes.each_ref().map(|node| node.hub.subscribe(topic("a")).open().unwrap());
        publish(&nodes[0], "a", "1").await;
        for stream in &mut streams {
            assert_eq!(event(stream).await.1, "1");
        }
        run(&redis, entry).await;
        for i in 2..=4 {
            let id = publish(&nodes[i % 2], "a", i.to_string()).await;
            assert_eq!(id.offset(), i as u64, "{entry:?}");
            for stream in &mut streams {
                assert_eq!(event(stream).await.1, i.to_string(), "{entry:?}");
            }
        }
        for node in &nodes {
            until(&format!("{entry:?} is counted"), || node.redis.stats().malformed == 1).await;
            assert_eq!((node.redis.stats().epochs, node.redis.stats().lost), (0, 0), "{entry:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_was_deleted_again_stops_nobody_either() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    publish(&node, "a", "1").await;
    assert_eq!(event(&mut stream).await.1, "1");
    // In one step, so that no node sees the entry.
    let script =
        "local id = redis.call('XADD', KEYS[1], '*', 'foo', 'bar') redis.call('XDEL', KEYS[1], id)";
    run(&redis, &["EVAL", script, "1", "{sse-kit}:log"]).await;
    assert_eq!(publish(&node, "a", "2").await.offset(), 2);
    assert_eq!(event(&mut stream).await.1, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_foreign_entries_is_removed_while_events_go_on() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    let script = "for i = 1, 1000 do redis.call('XADD', KEYS[1], '*', 'foo', i) end";
    for i in 1..=10 {
        run(&redis, &["EVAL", script, "1", "{sse-kit}:log"]).await;
        assert_eq!(publish(&node, "a", i.to_string()).await.offset(), i);
        assert_eq!(event(&mut stream).await.1, i.to_string());
    }
    until("all are counted", || node.redis.stats().malformed == 10_000).await;
    let length: u64 = redis.command(&["XLEN", "{sse-kit}:log"]).await;
    assert_eq!(length, 10);
}

async fn goes_on(node: &Node, stream: &mut sse_kit_broadcast::Subscription) {
    // The log begins anew, and what was published before that is gone with it.
    assert_eq!(gap(stream).await.reason, GapReason::UnknownEpoch);
    let id = publish(node, "a", "on").await;
    while let sse_kit_broadcast::Delivery::Entry(entry) = next(stream).await {
        if entry.id() == id {
            return;
        }
    }
    panic!("one gap is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_were_deleted_or_are_of_a_wrong_type_or_content_begin_a_new_log() {
    let breaks: [&[&[&str]]; 7] = [
        &[&["DEL", "{sse-kit}:meta"]],
        &[&["SET", "{sse-kit}:log", "x"]],
        &[&["SET", "{sse-kit}:meta", "x"]],
        &[&["HDEL", "{sse-kit}:meta", "last"]],
        &[&["HSET", "{sse-kit}:meta", "epoch", "not one"]],
        &[&["HSET", "{sse-kit}:meta", "last", "many"]],
        &[&["RENAME", "{sse-kit}:meta", "{sse-kit}:other"]],
    ];
    for commands in breaks {
        let redis = Server::start(&[]).await;
        let node = node(&redis.url()).await;
        let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
        publish(&node, "a", "1").await;
        assert_eq!(event(&mut stream).await.1, "1");
        for command in commands {
            run(&redis, command).await;
        }
        let going_on = goes_on(&node, &mut stream);
        in_time(&format!("it goes on after {commands:?}"), going_on).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_of_a_wrong_type_matter_to_nobody() {
    let redis = Server::start(&[]).await;
    let node = node(&redis.url()).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    run(&redis, &["DEL", "{sse-kit}:nodes"]).await;
    run(&redis, &["SET", "{sse-kit}:nodes", "x"]).await;
    run(&redis, &["LPUSH", "{sse-kit}:once:app:k", "x"]).await;
    let draft = Event::new("1").with_idempotency_key("k".parse().unwrap());
    assert_eq!(node.hub.publish(&topic("a"), draft).await.unwrap().id.offset(), 1);
    assert_eq!(event(&mut stream).await.1, "1");
    assert_eq!(node.redis.stats().epochs, 0);
}
