//! The endurance of a hub: many clients, hostile ones, and a signal in the middle of it. Facts are asserted,
//! times and memory are reported.
//!
//! `cargo test` runs all of it at a size that takes seconds. `cargo xtask soak` runs it in full.

use std::time::Instant;

use sse_kit_test_support::until;
use tokio::process::Command;

use crate::client::Socket;
use crate::fleet::{self, Behaviour, Fleet};
use crate::process::Resources;
use crate::scale::{alone, report, scaled};
use crate::server::Server;

/// More than the buffers of a client that does not read can take.
async fn publish_much(hub: &Server, topic: &str) {
    for _ in 0..8 {
        hub.publish(&format!("topic={topic}"), &"x".repeat(200_000)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_many_streams_gets_its_goodbye_and_a_proper_end() {
    fleet::play_if_asked().await;
    let _alone = alone().await;
    let streams = scaled(500, 10_000);
    let mut hub = Server::start("--shutdown-delay 600").await;
    let fleet = Fleet::start(&hub.address, Behaviour::Reads, streams).await;
    hub.publish("topic=a", "last").await;
    let began = Instant::now();
    hub.signal("TERM").await;
    assert_eq!(hub.exit().await.code(), Some(0));
    report(&format!("shutdown with {streams} streams: {:?} from signal to exit", began.elapsed()));
    let seen = fleet.end().await;
    assert_eq!((seen.goodbyes, seen.ends, seen.events), (streams, streams, streams));
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_never_read_cost_the_others_nothing() {
    let _alone = alone().await;
    let (streams, stuck) = (scaled(475, 9_500), scaled(25, 500));
    let mut hub = Server::start("--shutdown-delay 1000 --write-timeout 0").await;
    let fleet = Fleet::start(&hub.address, Behaviour::Reads, streams).await;
    let silent = Fleet::start(&hub.address, Behaviour::NeverReads, stuck).await;
    hub.await_stat("connections", |connections| connections == (streams + stuck) as u64).await;
    publish_much(&hub, "b").await;
    let began = Instant::now();
    hub.signal("TERM").await;
    let seen = fleet.end().await;
    report(&format!("{streams} readers told after {:?}, with {stuck} stuck", began.elapsed()));
    assert_eq!((seen.goodbyes, seen.ends), (streams, streams), "every reader");
    // The others are still there, and go with a second signal.
    hub.signal("TERM").await;
    assert_eq!(hub.exit().await.code(), Some(143));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_that_never_read_are_cut_off_at_the_deadline() {
    let _alone = alone().await;
    let stuck = scaled(25, 500);
    let mut hub = Server::start("--shutdown-delay 2 --write-timeout 0").await;
    let silent = Fleet::start(&hub.address, Behaviour::NeverReads, stuck).await;
    hub.await_stat("connections", |connections| connections == stuck as u64).await;
    publish_much(&hub, "b").await;
    let began = Instant::now();
    hub.signal("TERM").await;
    assert_eq!(hub.exit().await.code(), Some(1));
    report(&format!("{stuck} stuck, cut off after {:?}", began.elapsed()));
    drop(silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_and_go_leave_nothing_behind() {
    let _alone = alone().await;
    let (cycles, resets) = (scaled(1_000, 10_000), scaled(500, 5_000));
    let hub = Server::start("--heartbeat 0").await;
    // Once, so that what is made at first use is there.
    drop(Socket::open(&hub.address, "topic=a").await);
    hub.await_stat("connections", |connections| connections == 0).await;
    let before = Resources::of(hub.pid());
    let tasks = hub.get("/stats").await.1["tasks"].as_u64().expect("a number");
    for _ in 0..cycles {
        drop(Socket::open(&hub.address, "topic=a").await);
    }
    for n in 0..resets {
        let socket = Socket::open(&hub.address, "topic=a").await;
        if n % 10 == 0 {
            hub.publish("topic=a", &"x".repeat(100_000)).await;
        }
        socket.reset();
    }
    hub.await_stat("connections", |connections| connections == 0).await;
    let (_, stats) = hub.get("/stats").await;
    assert_eq!(stats["opened"], stats["closed"]);
    assert_eq!(stats["opened"].as_u64(), Some((1 + cycles + resets) as u64));
    hub.await_stat("tasks", |now| now <= tasks).await;
    let after = await_files(&hub, before.files).await;
    report(&format!(
        "{cycles} cycles and {resets} resets: {} -> {} files, {tasks} tasks, {} -> {} KiB",
        before.files, after.files, before.memory_kib, after.memory_kib
    ));
}

/// Returns what the hub uses, once it has no more than so many file descriptors.
async fn await_files(hub: &Server, most: usize) -> Resources {
    until("they are closed", || Resources::of(hub.pid()).files <= most).await;
    Resources::of(hub.pid())
}

/// As after a node has gone down, or a deploy.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_that_connects_at_once_is_served() {
    let _alone = alone().await;
    let herd = scaled(400, 4_000);
    let hub = Server::start("").await;
    let opening = (0..herd).map(|_| async {
        let began = Instant::now();
        let socket = Socket::open(&hub.address, "topic=a").await;
        (began.elapsed(), socket)
    });
    let mut opened = futures_util::future::join_all(opening).await;
    hub.await_stat("connections", |connections| connections == herd as u64).await;
    opened.sort_unstable_by_key(|(after, _)| *after);
    let at = |percent: usize| opened[(herd - 1) * percent / 100].0;
    report(&format!(
        "{herd} streams at once, until the first event: p50 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(99),
        at(100)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenth_that_never_reads_delays_nobody_and_is_evicted() {
    let _alone = alone().await;
    let (healthy, stuck) = (scaled(180, 1_800), scaled(20, 200));
    let (mut p99, mut grown, mut kept) = (Vec::new(), Vec::new(), 0);
    for stuck in [0, stuck] {
        let hub = Server::start("--write-timeout 10 --queue 10 --shutdown-delay 600").await;
        let mut fleet = Fleet::start(&hub.address, Behaviour::Measures, healthy).await;
        let silent = Fleet::start(&hub.address, Behaviour::NeverReadsA, stuck).await;
        hub.await_stat("connections", |now| now == (healthy + stuck) as u64).await;
        let before = Resources::of(hub.pid());
        for _ in 0..40 {
            hub.publish("topic=a", &fleet::timed(16_000)).await;
            // Readers on the same machine keep up, however busy it is.
            fleet.has_read().await;
        }
        let after = Resources::of(hub.pid());
        hub.await_stat("evicted", |evicted| evicted == stuck as u64).await;
        hub.await_stat("connections", |now| now == healthy as u64).await;
        hub.signal("TERM").await;
        let seen = fleet.end().await;
        assert_eq!((seen.goodbyes, seen.events), (healthy, 40 * healthy));
        p99.push(seen.p99);
        grown.push(after.memory_kib.saturating_sub(before.memory_kib));
        kept = after.sockets_kib.saturating_sub(before.sockets_kib);
        drop(silent);
    }
    report(&format!(
        "p99 of {healthy} healthy: {:?} without stuck ones, {:?} with {stuck}; \
         for each stuck one {} KiB in the hub and {} KiB in the kernel, both ends together",
        p99[0],
        p99[1],
        grown[1].saturating_sub(grown[0]) / stuck as u64,
        kept / stuck as u64
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn slowloris_is_closed_and_holds_up_nobody() {
    let _alone = alone().await;
    let slow = scaled(200, 1_000);
    let hub = Server::start("").await;
    let before = Resources::of(hub.pid()).files;
    let mut sockets = Vec::new();
    for _ in 0..slow {
        sockets.push(
            Socket::begin(&hub.address, "GET /events?topic=a HTTP/1.1\r\nhost: localhost\r\nx-")
                .await,
        );
    }
    assert_eq!(hub.get("/healthz").await.0, 200);
    let mut stream = hub.open("topic=a").await;
    hub.publish("topic=a", "x").await;
    assert_eq!(stream.data().await, "x");
    for socket in &mut sockets {
        socket.await_end().await;
    }
    drop((stream, sockets));
    await_files(&hub, before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn out_of_file_descriptors_it_waits_and_then_goes_on() {
    let _alone = alone().await;
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hub")]);
    let mut hub = Server::spawn(&mut shell, "").await;
    let mut stream = hub.open("topic=a").await;
    let mut sockets = Vec::new();
    for _ in 0..200 {
        sockets.push(
            Socket::begin(&hub.address, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-").await,
        );
    }
    until("no descriptor is left", || Resources::of(hub.pid()).files >= 64).await;
    drop(sockets);
    assert_eq!(hub.get("/healthz").await.0, 200);
    hub.publish("topic=a", "x").await;
    assert_eq!(stream.data().await, "x", "who was there all the time has noticed nothing");
    hub.signal("TERM").await;
    assert_eq!(hub.exit().await.code(), Some(0));
}
