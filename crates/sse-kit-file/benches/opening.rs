//! `cargo bench -p sse-kit-file`: how fast a store with a million events opens. The package `logbench` measures how
//! fast events are published.
//!
//! The store is in the directory that `SSE_KIT_STORE` names, or else under `target`.
#![expect(clippy::print_stdout, reason = "it prints figures for people")]

use std::path::PathBuf;
use std::time::Instant;

use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use sse_kit_file::{FileConfig, FileLog, SyncMode};
use tokio::task::JoinSet;

const ROUNDS: usize = 3;
const MANY: usize = 1_000_000;

#[tokio::main]
async fn main() {
    let root = std::env::var_os("SSE_KIT_STORE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let store = tempfile::tempdir_in(root).expect("a directory");
    let directory = store.path().join("many");
    let config = FileConfig::new(&directory).sync(SyncMode::Process).max_bytes(1 << 30);
    let log = FileLog::open(config.clone()).await.expect("a store");
    let hub = Hub::builder().heartbeat(None).history(50).log(log).build().expect("a hub");
    let topic: Topic = "a".parse().expect("a topic");
    let mut publishing = JoinSet::new();
    for _ in 0..250 {
        let (hub, topic) = (hub.clone(), topic.clone());
        publishing.spawn(async move {
            for _ in 0..MANY / 250 {
                let event = Event::new("x".repeat(128));
                hub.publish(&topic, event).await.expect("it is appended");
            }
        });
    }
    publishing.join_all().await;
    drop(hub);
    println!("{MANY} events of 128 bytes:");
    for _ in 0..ROUNDS {
        // Waits for the lock.
        drop(FileLog::open(config.clone()).await.expect("a store"));
        let begun = Instant::now();
        let log = FileLog::open(config.clone()).await.expect("a store");
        println!("- opened in {:.1?}, {:?}", begun.elapsed(), log.monitor().stats());
    }
}
