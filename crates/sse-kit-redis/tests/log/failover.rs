//! Failovers to another server.

use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub, Subscription};
use sse_kit_event::{Event, EventId, LastEventId};
use sse_kit_redis::RedisConfig;
use sse_kit_test_support::in_time;
use sse_kit_test_support::proxy::{Protocol, Proxy};

use crate::server::Server;
use crate::{Node, config, event, node, node_with, publish, topic, until};

/// A primary, its replica, and the ways of two nodes and of the replica to the primary.
struct Pair {
    primary: Server,
    replica: Server,
    ways: [Proxy; 2],
    replication: Proxy,
}

impl Pair {
    async fn start() -> Self {
        let (primary, replica) = (Server::start(&[]).await, Server::start(&[]).await);
        let replication = Proxy::start(Protocol::Redis, primary.port).await;
        replica.replicate_from(replication.port()).await;
        let ways = [
            Proxy::start(Protocol::Redis, primary.port).await,
            Proxy::start(Protocol::Redis, primary.port).await,
        ];
        Self { primary, replica, ways, replication }
    }

    fn config(&self, way: usize) -> RedisConfig {
        config(&self.ways[way].url()).roll_call(Duration::from_millis(600))
    }

    async fn node(&self, way: usize) -> Node {
        node_with(self.config(way), Hub::builder().history(1000)).await
    }

    /// Waits until the replica has all that the primary has.
    async fn in_step(&self) {
        let length =
            async |server: &Server| -> u64 { server.command(&["XLEN", "{sse-kit}:log"]).await };
        while length(&self.replica).await < length(&self.primary).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Reads on until the last event, and returns the data of all and whether a gap came.
async fn rest(stream: &mut Subscription) -> (Vec<String>, bool) {
    let (mut all, mut is_told) = (Vec::new(), false);
    loop {
        match crate::next(stream).await {
            Delivery::Gap(_) => is_told = true,
            Delivery::Entry(entry) => {
                let frame = String::from_utf8_lossy(entry.frame());
                let data = frame.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.expect("it has data");
                if data == "end" {
                    return (all, is_told);
                }
                all.push(data.to_owned());
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The first node and the primary are cut off together, with what they publish meanwhile; then both
/// die, and the second node goes on with the replica. `late` is how long the client of the first node
/// takes to come to the second.
async fn lose_the_end(late: Duration) {
    let pair = Pair::start().await;
    let (first, second) = (pair.node(0).await, pair.node(1).await);
    let mut moving = first.hub.subscribe(topic("a")).open().expect("it is open");
    let mut staying = second.hub.subscribe(topic("a")).open().expect("it is open");
    for i in 0..10 {
        publish(&second, "a", format!("old {i}")).await;
        event(&mut moving).await;
        event(&mut staying).await;
    }
    pair.in_step().await;
    for way in [&pair.replication, &pair.ways[1]] {
        way.lead_to(0);
        way.cut();
    }
    let mut last = None;
    for i in 0..5 {
        last = Some(publish(&first, "a", format!("lost {i}")).await);
        assert_eq!(event(&mut moving).await.1, format!("lost {i}"));
    }
    drop((first, moving));
    let Pair { mut primary, replica, ways, .. } = pair;
    primary.kill().await;
    replica.promote().await;
    ways[1].lead_to(replica.port);

    let resume = async {
        tokio::time::sleep(late).await;
        let resume = last.map(LastEventId::Known);
        let mut stream =
            second.hub.subscribe(topic("a")).resume(resume).open().expect("it is open");
        rest(&mut stream).await
    };
    let publishing = async {
        for i in 0..12 {
            // While the log is not open, an append may come to its deadline.
            let data = format!("new {i}");
            while second.hub.publish(&topic("a"), Event::new(data.clone())).await.is_err() {}
        }
        tokio::time::sleep(late).await;
        publish(&second, "a", "end").await;
    };
    let ((came, is_told), ()) = tokio::join!(resume, publishing);
    assert!(is_told, "the client had what was lost, and is told; it came late by {late:?}");
    let mut once = came.clone();
    once.dedup();
    assert_eq!(once, came, "nothing comes twice");
    let (came, is_told) = rest(&mut staying).await;
    assert!(is_told, "what was lost had been acknowledged");
    assert_eq!(came, (0..12).map(|i| format!("new {i}")).collect::<Vec<_>>());
    assert_eq!(second.redis.stats().epochs, 1);
}

/// In `cargo xtask soak` 20 times.
#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_the_end_is_told_to_who_had_it() {
    let rounds = if std::env::var_os("SSE_KIT_SOAK").is_some() { 20 } else { 2 };
    for round in 0..rounds {
        lose_the_end(Duration::from_millis(round * 37 % 300)).await;
        lose_the_end(Duration::from_millis(1000 + round * 97)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_that_loses_nothing_is_told_to_nobody() {
    let mut pair = Pair::start().await;
    let nodes = [node(&pair.ways[0].url()).await, node(&pair.ways[1].url()).await];
    let mut streams = nodes.each_ref().map(|node| node.hub.subscribe(topic("a")).open().unwrap());
    for i in 0..20 {
        publish(&nodes[i % 2], "a", i.to_string()).await;
    }
    pair.in_step().await;
    pair.primary.kill().await;
    pair.replica.promote().await;
    for way in &pair.ways {
        way.lead_to(pair.replica.port);
    }
    for i in 20..40 {
        assert_eq!(publish(&nodes[i % 2], "a", i.to_string()).await.offset(), i as u64 + 1);
    }
    for stream in &mut streams {
        for i in 0..40 {
            assert_eq!(event(stream).await.1, i.to_string());
        }
    }
    assert_eq!(nodes.each_ref().map(|node| node.redis.stats().epochs), [0, 0]);
}

/// A publisher was told that its event is in the log, and no node has read it from there.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_acknowledged_and_lost_is_told_as_a_gap() {
    let mut pair = Pair::start().await;
    let node = pair.node(0).await;
    let mut stream = node.hub.subscribe(topic("a")).open().unwrap();
    publish(&node, "a", "1").await;
    assert_eq!(event(&mut stream).await.1, "1");
    pair.in_step().await;
    pair.replication.lead_to(0);
    pair.replication.cut();
    publish(&node, "a", "lost").await;
    pair.primary.kill().await;
    pair.replica.promote().await;
    pair.ways[0].lead_to(pair.replica.port);
    publish(&node, "a", "2").await;
    publish(&node, "a", "end").await;
    let (came, is_told) = rest(&mut stream).await;
    assert!(is_told);
    assert!(came == ["2"] || came == ["lost", "2"], "{came:?}");
}

/// Ends the connection of a server on which a command was run last.
async fn end_connection(server: &Server, command: &str) {
    let said = format!("cmd={command}");
    let of_it = async {
        loop {
            let clients: String = server.command(&["CLIENT", "LIST"]).await;
            // In between it may have run something else.
            if let Some(client) = clients.lines().find(|line| line.contains(&said)) {
                return client.to_owned();
            }
        }
    };
    let client = in_time("somebody runs it", of_it).await;
    let id = client.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id");
    let _: u64 = server.command(&["CLIENT", "KILL", "ID", id]).await;
}

/// The address leads to the new primary, and the old one goes on running: as a service of Kubernetes
/// does, or a name. One of the node's connections comes to the new one, or none.
#[tokio::test(flavor = "multi_thread")]
async fn two_connections_that_lead_to_two_servers_come_together_again() {
    for ended in [Some("evalsha"), Some("xread"), None] {
        let pair = Pair::start().await;
        let here = pair.node(0).await;
        let mut stream = here.hub.subscribe(topic("a")).open().unwrap();
        publish(&here, "a", "1").await;
        assert_eq!(event(&mut stream).await.1, "1");
        pair.in_step().await;
        pair.replica.promote().await;
        pair.ways.iter().for_each(|way| way.lead_to(pair.replica.port));
        let there = pair.node(1).await;
        let mut other = there.hub.subscribe(topic("a")).open().unwrap();
        let both_have_it = async {
            // This node noticed it in time, or the log has begun anew: then a gap comes first.
            for stream in [&mut stream, &mut other] {
                loop {
                    match crate::next(stream).await {
                        Delivery::Gap(_) => {}
                        Delivery::Entry(entry) => {
                            let frame = String::from_utf8_lossy(entry.frame());
                            assert!(frame.contains("data: 2\n"), "{frame}");
                            break;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        };
        match ended {
            Some("xread") => {
                end_connection(&pair.primary, "xread").await;
                // Until the node notices that it reads from one server and appends to another, an event is
                // lost with the old one, and told.
                let publishing = async {
                    loop {
                        let _ = here.hub.publish(&topic("a"), Event::new("2")).await;
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                };
                tokio::select! {
                    () = both_have_it => {}
                    () = publishing => {}
                }
            }
            Some(command) => {
                end_connection(&pair.primary, command).await;
                publish(&here, "a", "2").await;
                both_have_it.await;
            }
            None => {
                publish(&there, "a", "2").await;
                both_have_it.await;
            }
        }
        until("nothing is left to read", || here.redis.stats().lag == 0).await;
    }
}

/// A node that died is waited for, but not for long.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_told_where_a_node_that_knew_more_may_be_gone() {
    let mut redis = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let config = config(&redis.url()).roll_call(Duration::from_millis(300));
    let dead = node_with(config.clone(), Hub::builder()).await;
    let alive = node_with(config, Hub::builder()).await;
    let id = publish(&alive, "a", "1").await;
    until("both have it", || dead.hub.cursor() == id && alive.hub.cursor() == id).await;
    drop(dead);
    redis.kill().await;
    redis.restart().await;
    let new = publish(&alive, "a", "2").await;
    assert_ne!(new.epoch(), id.epoch());
    assert_eq!(new, EventId::new(new.epoch(), 2));
    // The next restart finds every node that there is.
    until("it is read", || alive.hub.cursor() == new).await;
    redis.kill().await;
    redis.restart().await;
    assert_eq!(publish(&alive, "a", "3").await, EventId::new(new.epoch(), 3));
}
