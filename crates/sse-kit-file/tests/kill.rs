//! A process that is killed under load: nothing acknowledged is lost, and nothing is there twice.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sse_kit_broadcast::{Hub, Log};
use sse_kit_event::{Event, EventId, LastEventId, Topic};
use sse_kit_file::{FileConfig, FileLog, SyncMode};
use sse_kit_test_support::{TestResult, in_time, rng, scaled};

/// The variable with the store of the process that is killed.
const STORE: &str = "SSE_KIT_KILLED_STORE";
const MODE: &str = "SSE_KIT_KILLED_MODE";

/// The variable with the number of acknowledgements after which the process ends itself. Nobody else
/// is fast enough to find out that it acknowledges what it has not written yet.
const LINES: &str = "SSE_KIT_KILLED_LINES";

/// The test that is the process to be killed, when it is given a store.
const KILLED: &str = "a_killed_process_leaves_no_lock";

const PUBLISHERS: usize = 16;

fn topic() -> Topic {
    "kill".parse().expect("a topic")
}

async fn open(store: &Path, mode: SyncMode) -> FileLog {
    let config = FileConfig::new(store).sync(mode).max_bytes(64 << 20);
    FileLog::open(config).await.expect("the store opens")
}

/// The process that is killed: it publishes, and writes down what was acknowledged.
async fn publish_without_end(store: PathBuf) {
    let mode = if std::env::var_os(MODE).is_some() { SyncMode::Process } else { SyncMode::Always };
    let hub = Hub::builder().log(open(&store, mode).await).build().expect("a hub");
    let lines = std::env::var(LINES).ok().and_then(|lines| lines.parse().ok());
    let written = Arc::new(AtomicUsize::new(0));
    let publishing = (0..PUBLISHERS).map(|publisher| {
        let (hub, written) = (hub.clone(), Arc::clone(&written));
        tokio::spawn(async move {
            for n in 0_u64.. {
                let text = format!("{publisher}.{n} {}", std::process::id());
                let key = format!("{}-{publisher}-{n}", std::process::id());
                let event = Event::new(&*text).with_idempotency_key(key.parse().expect("a key"));
                let id = hub.publish(&topic(), event).await.expect("it is written").id;
                // One write, so that a line is whole.
                let line = format!("acknowledged {id} {text}\n");
                let _ = std::io::stdout().lock().write_all(line.as_bytes());
                if Some(written.fetch_add(1, Ordering::Relaxed) + 1) == lines {
                    std::process::abort();
                }
            }
        })
    });
    for publisher in publishing.collect::<Vec<_>>() {
        let _ = publisher.await;
    }
}

/// Runs the process until it has published enough, and a little longer; returns what it was
/// acknowledged. It is killed, or ends itself with an acknowledgement, which is as sudden.
fn run_and_kill(
    store: &Path,
    mode: SyncMode,
    lines: usize,
    by_itself: bool,
) -> Vec<(EventId, String)> {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", KILLED, "--nocapture"]);
    command.env(STORE, store).stdout(Stdio::piped()).stderr(Stdio::null());
    if mode == SyncMode::Process {
        command.env(MODE, "1");
    }
    if by_itself {
        command.env(LINES, lines.to_string());
    }
    let mut child = command.spawn().expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let (mut acknowledged, mut is_killed) = (Vec::new(), false);
    for line in out.lines() {
        let line = line.expect("UTF-8");
        // The test runner writes before the first line of the test.
        let Some((_, line)) = line.split_once("acknowledged ") else { continue };
        let Some((id, text)) = line.split_once(' ') else { continue };
        if let Ok(id) = id.parse() {
            acknowledged.push((id, text.to_owned()));
        }
        if acknowledged.len() >= lines && !is_killed && !by_itself {
            child.kill().expect("it runs");
            is_killed = true;
        }
    }
    child.wait().expect("it is over");
    if !by_itself {
        // The last line may be cut off.
        acknowledged.pop();
    }
    acknowledged
}

/// Everything in the store: offsets and texts.
async fn contents(log: &FileLog) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    let mut after = EventId::new(log.position().epoch(), 0);
    while let Ok(page) = in_time("a page", log.read(after, 256)).await {
        for (id, record) in page.records {
            let event = String::from_utf8_lossy(record.event.as_bytes()).into_owned();
            let text = event.trim_start_matches("data: ").trim_end().to_owned();
            assert_eq!(found.insert(id.offset(), text), None);
        }
        after = page.through;
    }
    found
}

async fn kill_again_and_again(mode: SyncMode, rounds: u32) -> TestResult {
    let directory = tempfile::tempdir()?;
    let store = directory.path().join("store");
    let mut random = rng();
    let mut acknowledged = BTreeMap::new();
    for round in 0..rounds {
        let lines = random.usize(20..250);
        let killed = run_and_kill(&store, mode, lines, round % 2 == 0);
        assert!(killed.len() + 1 >= lines, "{round}");
        let last = killed.iter().map(|(id, _)| *id).max_by_key(|id| id.offset()).expect("some");
        for (id, text) in killed {
            assert_eq!(acknowledged.insert(id.offset(), text), None, "an offset was given twice");
        }
        let log = open(&store, mode).await;
        let found = contents(&log).await;
        for (offset, text) in &acknowledged {
            assert_eq!(found.get(offset), Some(text), "{offset} was acknowledged");
        }
        let texts: BTreeSet<_> = found.values().collect();
        assert_eq!(texts.len(), found.len(), "nothing is there twice");
        assert_eq!(found.keys().max(), Some(&(found.len() as u64)), "there are no holes");
        // A page that has seen the last event resumes, with what came after and no gap.
        let hub = Hub::builder().log(log).build()?;
        let resume = hub.subscribe(topic()).resume(LastEventId::Known(last));
        let page = in_time("a stream", resume.backfill()).await?;
        assert!(!page.begins_with_gap(), "{round}");
    }
    Ok(())
}

/// In `cargo xtask soak` 400 times.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() -> TestResult {
    kill_again_and_again(SyncMode::Always, scaled(20)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_without_a_sync_either() -> TestResult {
    kill_again_and_again(SyncMode::Process, scaled(10)).await
}

/// The lock ends with the process that holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_no_lock() {
    if let Some(store) = std::env::var_os(STORE) {
        publish_without_end(store.into()).await;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = directory.path().join("store");
    run_and_kill(&store, SyncMode::Always, 5, false);
    let config = FileConfig::new(&store).wait_for_lock(Duration::ZERO);
    FileLog::open(config).await.expect("nobody holds the lock");
}
