//! Opening directories: stores, those that are none, and stores that are open already.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub, Subscription};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, EventId, LastEventId, Topic, TraceContext};
use sse_kit_file::{FileConfig, FileLog, FileOpenError, FileStatus};
use sse_kit_test_support::{TestResult, in_time};

fn topic() -> Topic {
    "files".parse().expect("a topic")
}

async fn hub(config: FileConfig) -> Result<(Hub, FileStatus), FileOpenError> {
    let log = FileLog::open(config).await?;
    let status = log.monitor();
    let hub = Hub::builder().heartbeat(None).history(2).log(log).build();
    Ok((hub.expect("the settings are right"), status))
}

async fn publish(hub: &Hub, text: impl Into<String>) -> EventId {
    hub.publish(&topic(), Event::new(text.into())).await.expect("it is written").id
}

async fn resume(hub: &Hub, from: EventId) -> Subscription {
    let subscribe = hub.subscribe(topic()).queue(100_000).resume(LastEventId::Known(from));
    in_time("a stream", subscribe.backfill()).await.expect("it opens")
}

/// The text of the next event, or why there is a gap.
async fn next(stream: &mut Subscription) -> Result<String, GapReason> {
    match in_time("a delivery", stream.recv()).await {
        Some(Delivery::Entry(entry)) => Ok(entry.message().data),
        Some(Delivery::Gap(gap)) => Err(gap.reason),
        other => panic!("{other:?}"),
    }
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("it is there") {
        let entry = entry.expect("an entry");
        let content = fs::read(entry.path()).unwrap_or_default();
        files.push((entry.file_name().into_string().expect("UTF-8"), content));
    }
    files.sort();
    files
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_stays_as_it_was() -> TestResult {
    let directory = tempfile::tempdir()?;
    let (file, folder) = (directory.path().join("file"), directory.path().join("folder"));
    fs::write(&file, "a letter")?;
    fs::create_dir(&folder)?;
    fs::write(folder.join("00000000000000000001.log"), "another letter")?;
    let before = files(&folder);
    for path in [&file, &folder] {
        let refused = FileLog::open(FileConfig::new(path)).await;
        assert!(matches!(refused, Err(FileOpenError::NotAStore { .. })), "{refused:?}");
    }
    assert_eq!(fs::read_to_string(&file)?, "a letter");
    assert_eq!(files(&folder), before);
    // The root of a new volume is empty but for this.
    let volume = directory.path().join("volume");
    fs::create_dir_all(volume.join("lost+found"))?;
    FileLog::open(FileConfig::new(&volume)).await?;
    // What others put into a store later is none of its business.
    fs::write(volume.join("notes.txt"), "mine")?;
    FileLog::open(FileConfig::new(&volume)).await?;
    assert_eq!(fs::read_to_string(volume.join("notes.txt"))?, "mine");
    Ok(())
}

#[tokio::test]
async fn an_event_keeps_its_trace_over_a_restart() -> TestResult {
    let directory = tempfile::tempdir()?;
    let (hub_before, _) = hub(FileConfig::new(directory.path())).await?;
    let trace: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
    let traced = hub_before.except([]).trace_context(trace);
    traced.publish(topic(), Event::new("traced")).await?;
    publish(&hub_before, "not traced").await;
    drop(hub_before);
    let (hub, _) = hub(FileConfig::new(directory.path())).await?;
    let history = hub.history(&topic(), 2);
    let traces: Vec<_> = history.iter().map(|entry| entry.trace_context()).collect();
    assert_eq!(traces, [Some(trace), None]);
    Ok(())
}

#[tokio::test]
async fn a_limit_that_is_too_small_is_refused() {
    for config in [FileConfig::new("never").max_bytes(1), FileConfig::new("never").max_events(0)] {
        let refused = FileLog::open(config).await;
        assert!(matches!(refused, Err(FileOpenError::TooSmall { .. })), "{refused:?}");
    }
    assert!(!Path::new("never").exists());
}

#[tokio::test]
async fn the_largest_limits_are_no_limits() -> TestResult {
    let directory = tempfile::tempdir()?;
    let config = FileConfig::new(directory.path())
        .max_bytes(u64::MAX)
        .max_events(u64::MAX)
        .max_age(Duration::MAX)
        .warm_up(u64::MAX)
        .wait_for_lock(Duration::MAX)
        .append_deadline(Duration::MAX);
    let (first, _) = hub(config.clone()).await?;
    let seen = publish(&first, "1").await;
    publish(&first, "2").await;
    drop(first);
    let (second, status) = hub(config).await?;
    assert_eq!(next(&mut resume(&second, seen).await).await, Ok("2".to_owned()));
    assert_eq!(status.stats().events, 2);
    Ok(())
}

#[tokio::test]
async fn a_second_process_waits_for_the_first_or_says_who_it_is() -> TestResult {
    let directory = tempfile::tempdir()?;
    let config = FileConfig::new(directory.path());
    let (first, _) = hub(config.clone()).await?;
    let seen = publish(&first, "1").await;
    let refused = FileLog::open(config.clone().wait_for_lock(Duration::from_millis(50))).await;
    match refused {
        Err(FileOpenError::Locked { holder, .. }) => {
            assert_eq!(holder, format!("process {}", std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    let waiting = tokio::spawn(hub(config));
    publish(&first, "2").await;
    assert!(!waiting.is_finished());
    drop(first);
    let (second, _) = in_time("the second has it", waiting).await??;
    assert_eq!(next(&mut resume(&second, seen).await).await, Ok("2".to_owned()));
    Ok(())
}

/// More than history holds, more than one file holds, and over several restarts.
#[tokio::test]
async fn a_page_that_slept_is_served_from_the_files() -> TestResult {
    let directory = tempfile::tempdir()?;
    let config = FileConfig::new(directory.path()).max_bytes(2 << 20).warm_up(10);
    let text = |n: usize| format!("{n} {}", "x".repeat(3000));
    let mut seen = None;
    for round in 0..3 {
        let (hub, status) = hub(config.clone()).await?;
        if let Some(seen) = seen {
            let mut stream = resume(&hub, seen).await;
            for n in 1..round * 100 {
                assert_eq!(next(&mut stream).await, Ok(text(n)), "{round}");
            }
        }
        for n in round * 100..(round + 1) * 100 {
            let id = publish(&hub, text(n)).await;
            seen.get_or_insert(id);
        }
        assert!(status.stats().files > round, "{:?}", status.stats());
    }
    Ok(())
}

#[tokio::test]
async fn a_store_keeps_its_limits_and_a_page_from_before_is_told() -> TestResult {
    for by_events in [false, true] {
        let directory = tempfile::tempdir()?;
        let config = FileConfig::new(directory.path());
        let config = if by_events { config.max_events(200) } else { config.max_bytes(1 << 20) };
        let (first, status) = hub(config.clone()).await?;
        let begin = publish(&first, "begin").await;
        let mut last = begin;
        for n in 0..600 {
            last = publish(&first, format!("{n} {}", "x".repeat(3000))).await;
            let stats = status.stats();
            let is_kept = if by_events { stats.events <= 200 } else { stats.bytes <= 1 << 20 };
            assert!(is_kept, "{stats:?}");
        }
        assert!(status.stats().events > 100, "{:?}", status.stats());
        assert_eq!(next(&mut resume(&first, begin).await).await, Err(GapReason::Trimmed));
        drop(first);
        let (second, _) = hub(config).await?;
        assert_eq!(next(&mut resume(&second, begin).await).await, Err(GapReason::Trimmed));
        let before = EventId::new(last.epoch(), last.offset() - 50);
        assert!(next(&mut resume(&second, before).await).await.is_ok());
    }
    Ok(())
}

#[tokio::test]
async fn an_event_is_deleted_when_it_is_too_old() -> TestResult {
    let directory = tempfile::tempdir()?;
    let age = Duration::from_millis(1500);
    let (hub, status) = hub(FileConfig::new(directory.path()).max_age(age)).await?;
    publish(&hub, "secret").await;
    let is_there = || {
        let files = files(directory.path());
        files.iter().any(|(_, content)| content.windows(6).any(|bytes| bytes == b"secret"))
    };
    assert!(is_there());
    // Without another word: the age passes by itself.
    let is_deleted = || !is_there() && status.stats().events == 0;
    sse_kit_test_support::until("it is deleted", is_deleted).await;
    Ok(())
}
