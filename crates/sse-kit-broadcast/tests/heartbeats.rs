//! Heartbeats say how far a quiet page is, so that it is not told of a gap for what it did not miss.

use std::time::Duration;

use futures_util::FutureExt;
use sse_kit_broadcast::{Delivery, Goodbye, Hub, SlowConsumer, Subscription};
use sse_kit_event::{Event, EventId, LastEventId, Topic, Topics};
use sse_kit_test_support::TestResult;

const EVERY: Duration = Duration::from_secs(15);

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn topics(text: &str) -> Topics {
    Topics::parse([text]).expect("topics")
}

async fn heartbeat(subscription: &mut Subscription) -> Option<EventId> {
    match subscription.recv().await {
        Some(Delivery::Heartbeat { position }) => position,
        other => panic!("a heartbeat was expected, not {other:?}"),
    }
}

/// Much goes to topics of absent users, so that history has nothing else any more.
async fn flood(hub: &Hub) -> TestResult {
    for n in 0..100 {
        hub.publish(&topic(&format!("flood:x{n}")), Event::new("x".repeat(100))).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_alone_on_its_topic_is_told_nothing_when_it_missed_nothing() -> TestResult {
    for wanted in ["user:1", "user:1:*", "user:**", "**:1"] {
        let hub = Hub::builder().heartbeat(None).history_bytes(5000).build()?;
        let seen = hub.publish(&topic("user:1"), Event::new("seen")).await?.id;
        let other = hub.publish(&topic("user:1:1"), Event::new("seen")).await?.id;
        flood(&hub).await?;
        assert!(hub.history(&topic("user:1"), 1).is_empty());
        for (from, is_gap) in [(other, false), (EventId::new(seen.epoch(), 0), true)] {
            let resume = hub.subscribe(topics(wanted)).resume(LastEventId::Known(from));
            let first = resume.open()?.recv().now_or_never();
            assert_eq!(first.is_some(), is_gap, "{wanted} from {from}: {first:?}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_moves_the_cursor_of_a_quiet_page() -> TestResult {
    let hub = Hub::builder().heartbeat(EVERY).history_bytes(5000).build()?;
    let mut quiet = hub.subscribe(topic("user:1")).open()?;
    assert_eq!(heartbeat(&mut quiet).await, None, "it has not moved");
    flood(&hub).await?;
    assert_eq!(heartbeat(&mut quiet).await, Some(hub.cursor()));
    assert_eq!(heartbeat(&mut quiet).await, None, "it has not moved again");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_never_ahead_of_what_waits() -> TestResult {
    let hub = Hub::builder().heartbeat(EVERY).build()?;
    let mut page = hub.subscribe(topic("a")).open()?;
    hub.publish(&topic("b"), Event::new("for others")).await?;
    tokio::time::sleep(EVERY + Duration::from_secs(1)).await;
    // Between the heartbeat and the moment when the page takes it.
    let event = hub.publish(&topic("a"), Event::new("x")).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(heartbeat(&mut page).await, None, "the event that follows has an id of its own");
    let Some(Delivery::Entry(entry)) = page.recv().await else { panic!("an event") };
    assert_eq!(entry.id(), event.id);
    Ok(())
}

/// A slow page that is ended resumes from its last event, also if a heartbeat was waiting.
#[tokio::test(start_paused = true)]
async fn a_heartbeat_before_the_end_does_not_pass_what_is_left_in_history() -> TestResult {
    let goodbye = Goodbye::ComeBack { within: EVERY };
    for resumes in [true, false] {
        let hub = Hub::builder().heartbeat(EVERY).build()?;
        let begin = hub.cursor();
        let live = hub.subscribe(topic("a")).queue(2).open()?;
        for n in 0..5 {
            hub.publish(&topic("a"), Event::new(n.to_string())).await?;
        }
        let resume = hub.subscribe(topic("a")).queue(2).resume(LastEventId::Known(begin));
        let mut page = if resumes { resume.open()? } else { live };
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..2 {
            assert!(matches!(page.recv().await, Some(Delivery::Entry(_))));
        }
        tokio::time::sleep(EVERY).await;
        if resumes {
            page.finish(goodbye);
        } else {
            assert!(hub.dismiss(page.connection().id(), goodbye));
        }
        assert_eq!(page.delivered_through(), None);
        assert_eq!(heartbeat(&mut page).await, None, "three events are left in history");
        assert!(matches!(page.recv().await, Some(Delivery::Goodbye(_))));
        assert_eq!(page.delivered_through(), None);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_page_that_was_too_slow_has_not_reached_the_event_it_did_not_get() -> TestResult {
    let hub = Hub::builder().heartbeat(None).build()?;
    let subscribe = hub.subscribe(topic("a")).slow_consumer(SlowConsumer::Disconnect);
    let mut page = subscribe.queue(1).open()?;
    let queued = hub.publish(&topic("a"), Event::new("queued")).await?;
    hub.publish(&topic("a"), Event::new("too much")).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(matches!(page.recv().await, Some(Delivery::Entry(_))));
    assert!(page.recv().await.is_none());
    assert_eq!(page.delivered_through(), Some(queued.id));
    Ok(())
}
