//! `cargo bench -p sse-kit-file`: how fast events are published through files, next to the log in
//! memory, and how fast a store with a million events opens. Figures compare with each other and not
//! with those of other machines: a sync takes what the disk takes.
//!
//! The store is in the directory that `SSE_KIT_STORE` names, or else under `target`.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures for people"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sse_kit_broadcast::{Hub, HubBuilder};
use sse_kit_event::{Event, Topic};
use sse_kit_file::{FileConfig, FileLog, SyncMode};
use tokio::task::JoinSet;

const LASTS: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;
const MANY: usize = 1_000_000;

#[tokio::main]
async fn main() {
    let root = std::env::var_os("SSE_KIT_STORE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let store = tempfile::tempdir_in(root).expect("a directory");
    println!("{LASTS:?} each, the median of {ROUNDS} rounds\n");
    println!("| log | event | publishers | events/s | publish p50 | p99 |");
    println!("|---|---|---|---|---|---|");
    for bytes in [128, 2048] {
        for publishers in [1, 16, 256] {
            let logs = [
                ("memory", None),
                ("Process", Some(SyncMode::Process)),
                ("Always", Some(SyncMode::Always)),
            ];
            for (name, mode) in logs {
                let mut rounds = Vec::new();
                for _ in 0..ROUNDS {
                    let hub = hub(store.path(), mode).await;
                    rounds.push(measure(hub, publishers, bytes).await);
                }
                rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
                let (rate, p50, p99) = rounds[ROUNDS / 2];
                println!(
                    "| {name} | {bytes} B | {publishers} | {rate:.0} | {p50:.2?} | {p99:.2?} |"
                );
            }
        }
    }
    open_many(store.path()).await;
}

/// Returns a hub with little history, on a new store or in memory.
async fn hub(root: &Path, mode: Option<SyncMode>) -> Hub {
    let builder: HubBuilder = Hub::builder().heartbeat(None).history(50);
    let Some(mode) = mode else { return builder.build().expect("a hub") };
    let directory = root.join("store");
    let _ = std::fs::remove_dir_all(&directory);
    let log = FileLog::open(FileConfig::new(directory).sync(mode)).await.expect("a store");
    builder.log(log).build().expect("a hub")
}

/// Publishes for a while; returns events per second and two percentiles.
async fn measure(hub: Hub, publishers: usize, bytes: usize) -> (f64, Duration, Duration) {
    let topic: Topic = "a".parse().expect("a topic");
    let data: Arc<str> = "x".repeat(bytes).into();
    let is_over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut publishing = JoinSet::new();
    for _ in 0..publishers {
        let (hub, topic, data) = (hub.clone(), topic.clone(), Arc::clone(&data));
        let is_over = Arc::clone(&is_over);
        publishing.spawn(async move {
            let mut latencies = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                hub.publish(&topic, Event::new(&*data)).await.expect("it is appended");
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    tokio::time::sleep(LASTS).await;
    is_over.store(true, Ordering::Relaxed);
    let mut latencies = publishing.join_all().await.concat();
    let rate = latencies.len() as f64 / begun.elapsed().as_secs_f64();
    latencies.sort_unstable();
    (rate, latencies[latencies.len() / 2], latencies[latencies.len() * 99 / 100])
}

/// Fills a store, and opens it again a few times.
async fn open_many(root: &Path) {
    let directory = root.join("many");
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
    println!("\n{MANY} events of 128 bytes:");
    for _ in 0..ROUNDS {
        // Waits for the lock.
        drop(FileLog::open(config.clone()).await.expect("a store"));
        let begun = Instant::now();
        let log = FileLog::open(config.clone()).await.expect("a store");
        println!("- opened in {:.1?}, {:?}", begun.elapsed(), log.monitor().stats());
    }
}
