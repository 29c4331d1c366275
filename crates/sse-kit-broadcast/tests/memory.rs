//! The memory that history holds, by its own count and by that of the allocator.

use std::alloc::System;
use std::time::Duration;

use sse_kit_broadcast::{CompressionWindow, ConnectionId, Hub, HubBuilder};
use sse_kit_event::{Audience, Event, Topic};
use sse_kit_test_support::TestResult;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The difference that the count may have from what is allocated, in percent.
const TOLERANCE: usize = 15;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

fn topic(n: usize) -> Topic {
    format!("jobs:{n:08}:progress").parse().expect("a topic")
}

fn text(len: usize) -> Event {
    Event::new("a line of text, ".chars().cycle().take(len).collect::<String>())
}

fn keyed(len: usize, n: usize) -> Event {
    text(len).with_key(format!("job-{n:08}").parse().expect("a key"))
}

/// Lets the fan-out drop what it has delivered.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Compares the two counts after `publish`, of a hub whose history has no other limits.
async fn compare(what: &str, builder: HubBuilder, publish: impl AsyncFnOnce(&Hub)) -> TestResult {
    let hub = builder.heartbeat(None).shards(1).build()?;
    // The tables of the hub begin small.
    hub.broadcast(Event::new("x")).await?;
    settle().await;
    let (held, counted) = (allocated(), hub.stats().history_bytes);
    publish(&hub).await;
    settle().await;
    let held = allocated() - held;
    let counted = hub.stats().history_bytes - counted;
    let events = hub.stats().history - 1;
    eprintln!(
        "{what}: {events} events, {} held, {} counted per event",
        held / events,
        counted / events
    );
    let difference = held.abs_diff(counted) * 100;
    assert!(difference <= held * TOLERANCE, "{what}: {held} held, {counted} counted");
    Ok(())
}

/// Returns a history in which only the limit that a test is about is reached.
fn unlimited() -> HubBuilder {
    Hub::builder().history(1_000_000).history_bytes(1 << 30)
}

/// Compresses to a third, alone and for one window, as the streams of a topic do.
fn compress_all(hub: &Hub, topic: &Topic) {
    let third = |frame: &[u8]| bytes::Bytes::copy_from_slice(&frame[..frame.len() / 3]);
    let mut window = CompressionWindow::default();
    for entry in hub.history(topic, usize::MAX) {
        // Bytes that were sent are shared, which takes memory too.
        drop(entry.compressed(|frame| third(frame)).clone());
        drop(entry.compressed_within(&window, |_, frame| third(frame)).cloned());
        window.push(entry);
    }
}

// One test, as the allocator counts for the whole process.
#[tokio::test]
async fn history_counts_what_it_holds() -> TestResult {
    for bytes in [20, 300, 4_000] {
        compare(&format!("topics with one event of {bytes}"), unlimited(), async |hub| {
            for n in 0..2_000 {
                hub.publish(&topic(n), text(bytes)).await.expect("it is open");
            }
        })
        .await?;
        compare(&format!("one topic, events of {bytes}"), unlimited(), async |hub| {
            for _ in 0..2_000 {
                hub.publish(&topic(0), text(bytes)).await.expect("it is open");
            }
        })
        .await?;
        compare(&format!("compressed events of {bytes}"), unlimited(), async |hub| {
            for n in 0..2_000 {
                hub.publish(&topic(n % 60), text(bytes)).await.expect("it is open");
            }
            (0..60).for_each(|n| compress_all(hub, &topic(n)));
        })
        .await?;
    }
    compare(
        "topics with an age",
        unlimited().history_age(Duration::from_secs(3600)),
        async |hub| {
            for n in 0..2_000 {
                hub.publish(&topic(n), text(20)).await.expect("it is open");
            }
        },
    )
    .await?;
    compare("keys and connections", unlimited(), async |hub| {
        let ids: Vec<ConnectionId> =
            (0..3).map(|n| format!("connection-{n}").parse().expect("an id")).collect();
        for n in 0..2_000 {
            let publish = hub.except(ids.iter().map(|id| id.as_str().parse().expect("an id")));
            publish.publish(&topic(n % 500), keyed(100, n)).await.expect("it is open");
        }
    })
    .await?;
    compare("several topics", unlimited(), async |hub| {
        for n in 0..2_000 {
            let topics = Audience::several((0..3).map(|k| topic((n + k * 7) % 500)));
            hub.publish(topics.expect("three"), text(200)).await.expect("it is open");
        }
    })
    .await?;
    compare("a limit of events", unlimited().history(50), async |hub| {
        for n in 0..12_000 {
            hub.publish(&topic(n % 100), text(100)).await.expect("it is open");
            if n % 500 == 0 {
                (0..100).for_each(|n| compress_all(hub, &topic(n)));
            }
        }
    })
    .await?;
    compare("a limit of bytes", unlimited().history_bytes(1 << 20), async |hub| {
        for n in 0..8_000 {
            hub.publish(&topic(n % 100), text(100)).await.expect("it is open");
            if n % 500 == 0 {
                (0..100).for_each(|n| compress_all(hub, &topic(n)));
            }
        }
        assert!(hub.stats().history_bytes <= 1 << 20, "{:?}", hub.stats());
    })
    .await?;
    Ok(())
}
