//! The measurements of a hub: the way of events to streams, and the events of streams that resume.

use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub};
use sse_kit_event::{Event, LastEventId, Topic};
use sse_kit_test_support::TestResult;

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn the_way_to_a_stream_and_what_still_waits_are_measured() -> TestResult {
    let hub = Hub::builder().shards(1).heartbeat(None).build()?;
    let mut stream = hub.subscribe(topic()).open()?;
    for n in 0..5 {
        hub.publish(topic(), Event::new(n.to_string())).await?;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(matches!(stream.recv().await, Some(Delivery::Entry(_))));
    let stats = hub.stats();
    assert_eq!((stats.publish_to_write.count(), stats.publish_to_write.sum), (1, 20_000));
    assert_eq!((stats.queue_depth.count(), stats.queue_depth.sum), (1, 4));
    // One of 64 is measured.
    for n in 0..200 {
        stream.recv().await.ok_or("an event")?;
        hub.publish(topic(), Event::new(n.to_string())).await?;
    }
    assert_eq!(hub.stats().publish_to_write.count(), 4);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn events_from_before_the_stream_are_no_delay() -> TestResult {
    let hub = Hub::builder().shards(1).heartbeat(None).build()?;
    let start = hub.cursor();
    hub.publish(topic(), Event::new("early")).await?;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let mut stream = hub.subscribe(topic()).resume(LastEventId::Known(start)).open()?;
    assert!(matches!(stream.recv().await, Some(Delivery::Entry(_))));
    assert_eq!(hub.stats().publish_to_write.count(), 0);
    Ok(())
}

#[tokio::test]
async fn what_a_stream_gets_from_history_is_counted_once_it_has_caught_up() -> TestResult {
    let hub = Hub::builder().queue(3).history(100).build()?;
    let start = hub.cursor();
    for n in 0..10 {
        hub.publish(topic(), Event::new(n.to_string())).await?;
    }
    let mut stream = hub.subscribe(topic()).resume(LastEventId::Known(start)).open()?;
    assert_eq!(hub.stats().replay.count(), 0, "it has the first of several pages");
    for _ in 0..10 {
        stream.recv().await.ok_or("an event")?;
    }
    let replay = hub.stats().replay;
    assert_eq!((replay.count(), replay.sum), (1, 10));
    let _live = hub.subscribe(topic()).open()?;
    assert_eq!(hub.stats().replay.count(), 1, "one that does not resume gets none");
    Ok(())
}
