//! Disks that are full, and that fail.

use std::io::ErrorKind;
use std::sync::Arc;

use sse_kit_broadcast::{AppendError, Delivery, Hub, LogHealth, PublishError, Subscription};
use sse_kit_event::{Event, LastEventId, Topic};
use sse_kit_test_support::in_time;

use super::{Faults, ModelDisk, config, contents, open, write};
use crate::config::FileConfig;
use crate::file_log::FileLog;
use crate::tail::WriteError;

fn texts(text: &str) -> [String; 1] {
    [text.to_owned()]
}

#[test]
fn a_full_disk_loses_nothing_and_is_written_again_later() {
    let disk = ModelDisk::default();
    let mut store = open(&disk).expect("it is new");
    write(&mut store, &texts("before")).expect("it is written");
    disk.fail(Faults { writes: Some(ErrorKind::StorageFull), ..Faults::default() });
    for len in [10, 5000, 200_000] {
        let failed = write(&mut store, &texts(&"x".repeat(len)));
        assert!(matches!(failed, Err(WriteError::NotWritten(_))), "{failed:?}");
    }
    let crashed = open(&disk.copy());
    disk.fail(Faults::default());
    assert!(crashed.is_err(), "a new file needs room");
    write(&mut store, &texts("after")).expect("there is room");
    let store = open(&disk).expect("it opens");
    assert_eq!(contents(&store).into_values().collect::<Vec<_>>(), ["before", "after"]);
    assert!(!store.is_damaged);
}

#[test]
fn a_file_whose_sync_failed_is_never_synced_again() {
    let disk = ModelDisk::default();
    let mut store = open(&disk).expect("it is new");
    write(&mut store, &texts("before")).expect("it is written");
    for _ in 0..2 {
        disk.fail(Faults { syncs: true, ..Faults::default() });
        let failed = write(&mut store, &texts("unknown"));
        assert!(matches!(failed, Err(WriteError::Unknown(_))), "{failed:?}");
        let failed = write(&mut store, &texts("not even a file"));
        assert!(matches!(failed, Err(WriteError::NotWritten(_))), "{failed:?}");
        disk.fail(Faults::default());
        write(&mut store, &texts("after")).expect("it is written");
    }
    assert!(!disk.has_synced_again());
    let mut random = sse_kit_test_support::rng();
    for disk in [disk.copy(), disk.after_power_loss(&mut random)] {
        let store = open(&disk).expect("it opens");
        assert_eq!(
            contents(&store).into_values().collect::<Vec<_>>(),
            ["before", "after", "after"]
        );
    }
}

/// The next process finds the batch in the cache of the operating system, and a sync of the file would
/// report success without writing it. So it is written again before anybody relies on it.
#[test]
fn a_batch_whose_sync_failed_is_written_again_by_the_next_process() {
    let mut random = sse_kit_test_support::rng();
    for _ in 0..20 {
        let disk = ModelDisk::default();
        let mut store = open(&disk).expect("it is new");
        write(&mut store, &texts("before")).expect("it is written");
        disk.fail(Faults { syncs: true, ..Faults::default() });
        let failed = write(&mut store, &texts(&"unknown".repeat(500)));
        assert!(matches!(failed, Err(WriteError::Unknown(_))), "{failed:?}");
        disk.fail(Faults::default());
        let next = disk.copy();
        let found = contents(&open(&next).expect("it opens"));
        assert_eq!(found.len(), 2, "the cache has it");
        let after = open(&next.after_power_loss(&mut random)).expect("it opens");
        assert_eq!(contents(&after), found, "a publisher that retries was told that it is there");
    }
}

fn topic() -> Topic {
    "model".parse().expect("a topic")
}

fn hub(disk: &ModelDisk) -> (Hub, crate::FileStatus) {
    hub_with(disk, &config())
}

fn hub_with(disk: &ModelDisk, config: &FileConfig) -> (Hub, crate::FileStatus) {
    let log = FileLog::open_on(Arc::new(disk.clone()), config, None).expect("it opens");
    let status = log.monitor();
    (Hub::builder().heartbeat(None).log(log).build().expect("a hub"), status)
}

async fn next(stream: &mut Subscription) -> String {
    match in_time("a delivery", stream.recv()).await {
        Some(Delivery::Entry(entry)) => entry.message().data,
        other => panic!("{other:?}"),
    }
}

/// A publisher learns whether its event may be in the log; a page sees only events that are.
#[tokio::test]
async fn failures_are_told_apart_and_no_page_sees_what_may_be_lost() {
    let disk = ModelDisk::default();
    let (hub, status) = hub(&disk);
    let mut stream = hub.subscribe(topic()).open().expect("it opens");
    let keyed = |text: &str| Event::new(text).with_idempotency_key("key".parse().expect("a key"));
    let publish = async |event| in_time("an answer", hub.publish(&topic(), event)).await;

    disk.fail(Faults { writes: Some(ErrorKind::StorageFull), ..Faults::default() });
    let full = publish(keyed("once")).await;
    assert!(matches!(full, Err(PublishError::Log(AppendError::Full))), "{full:?}");
    assert!(matches!(status.health(), LogHealth::Down { .. }));
    disk.fail(Faults { syncs: true, ..Faults::default() });
    let unknown = publish(keyed("once")).await;
    assert!(matches!(unknown, Err(PublishError::Log(AppendError::Ambiguous(_)))), "{unknown:?}");
    let unwritten = publish(keyed("once")).await;
    assert!(
        matches!(unwritten, Err(PublishError::Log(AppendError::Unavailable(_)))),
        "{unwritten:?}"
    );
    disk.fail(Faults::default());
    let kept = publish(keyed("once")).await.expect("it is written");
    assert_eq!((kept.id.offset(), kept.repeated), (1, false));
    assert!(publish(keyed("once")).await.expect("it is known").repeated);
    assert_eq!(status.health(), LogHealth::Up);
    publish(Event::new("last")).await.expect("it is written");
    assert_eq!(next(&mut stream).await, "once");
    assert_eq!(next(&mut stream).await, "last");
    assert_eq!((status.stats().failed, status.stats().ambiguous), (3, 1));
}

/// A disk that hangs keeps no publisher forever, and what it held is written once.
#[tokio::test]
async fn a_disk_that_hangs_is_ambiguous_in_time_and_a_retry_writes_once() {
    let disk = ModelDisk::default();
    let deadline = std::time::Duration::from_millis(20);
    let (hub, status) = hub_with(&disk, &config().append_deadline(deadline));
    let mut stream = hub.subscribe(topic()).open().expect("it opens");
    let keyed = || Event::new("once").with_idempotency_key("key".parse().expect("a key"));
    disk.fail(Faults { hangs: true, ..Faults::default() });
    for _ in 0..2 {
        let late = in_time("an answer", hub.publish(&topic(), keyed())).await;
        assert!(matches!(&late, Err(error) if error.is_ambiguous()), "{late:?}");
    }
    assert!(matches!(hub.log_health(), LogHealth::Down { .. }));
    disk.fail(Faults::default());
    assert_eq!(next(&mut stream).await, "once");
    // On a busy machine these may be late too.
    let again = loop {
        if let Ok(again) = hub.publish(&topic(), keyed()).await {
            break again;
        }
    };
    assert!(again.repeated);
    while hub.publish(&topic(), Event::new("last")).await.is_err()
        || status.health() != LogHealth::Up
    {}
    assert_eq!(next(&mut stream).await, "last", "it was delivered once");
}

/// The log has a batch that was written and not acknowledged before a crash, and pages get it.
#[tokio::test]
async fn a_batch_that_was_not_acknowledged_is_delivered_after_a_restart() {
    let disk = ModelDisk::default();
    let (first, _) = hub(&disk);
    let seen = first.publish(&topic(), Event::new("seen")).await.expect("it is written").id;
    disk.fail(Faults { syncs: true, ..Faults::default() });
    let unknown = first.publish(&topic(), Event::new("unknown")).await;
    assert!(unknown.is_err());
    disk.fail(Faults::default());
    let (second, _) = hub(&disk.copy());
    let resume = second.subscribe(topic()).resume(LastEventId::Known(seen));
    assert_eq!(next(&mut resume.open().expect("it opens")).await, "unknown");
}
