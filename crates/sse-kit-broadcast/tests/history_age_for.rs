//! The age up to which history keeps the events of a topic, by pattern.

use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId, Topic, Topics};
use sse_kit_test_support::TestResult;

const TOPICS: [&str; 5] = ["rooms:vip", "rooms:a", "rooms:a:b", "news", "other"];

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Returns the topics that have a history.
fn kept(hub: &Hub) -> Vec<&'static str> {
    let has_history =
        |name: &&str| name.parse().is_ok_and(|topic: Topic| !hub.history(&topic, 1).is_empty());
    TOPICS.into_iter().filter(has_history).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_that_covers_a_topic_counts() -> TestResult {
    let hub = Hub::builder()
        .history_age(secs(40))
        .history_age_for(Topics::parse(["rooms:vip"])?, secs(100))
        .history_age_for(Topics::parse(["rooms:*"])?, secs(10))
        .history_age_for(Topics::parse(["rooms:**"])?, secs(70))
        .history_age_for(Topics::parse(["news"])?, None)
        .build()?;
    let start = hub.cursor();
    // The topic that keeps its events for the longest has the oldest one.
    for topic in TOPICS {
        hub.publish(&topic.parse::<Topic>()?, Event::new("x")).await?;
    }
    hub.broadcast(Event::new("to all")).await?;
    let began = tokio::time::Instant::now();
    for (until, expected) in [
        (9, &TOPICS[..]),
        (12, &["rooms:vip", "rooms:a:b", "news", "other"]),
        (42, &["rooms:vip", "rooms:a:b", "news"]),
        (72, &["rooms:vip", "news"]),
        (102, &["news"]),
        (10_000, &["news"]),
    ] {
        tokio::time::sleep_until(began + secs(until)).await;
        assert_eq!(kept(&hub), expected, "after {until} s");
        assert_eq!(hub.broadcast_history(1).len(), usize::from(until < 40), "after {until} s");
    }
    // What is not kept is a gap.
    let room: Topic = "rooms:a".parse()?;
    let mut stream = hub.subscribe(&room).resume(LastEventId::Known(start)).open()?;
    let Some(Delivery::Gap(gap)) = stream.recv().await else { return Err("no gap".into()) };
    assert_eq!(gap.reason, GapReason::Trimmed);
    Ok(())
}

/// A topic whose events are all gone, and one that was forgotten, are looked at no more; a topic that is
/// used again is.
#[tokio::test(start_paused = true)]
async fn a_topic_that_is_used_again_expires_again() -> TestResult {
    let hub = Hub::builder()
        .history(2)
        .history_bytes(1500)
        .history_age_for(Topics::parse(["rooms:*"])?, secs(10))
        .build()?;
    let room: Topic = "rooms:a".parse()?;
    for round in 0..3 {
        for n in 0..5 {
            hub.publish(&room, Event::new(n.to_string())).await?;
            tokio::time::sleep(secs(2)).await;
        }
        assert_eq!(hub.history(&room, 9).len(), 2, "round {round}");
        // Others take the room, so that nothing is left to expire.
        for n in 0..20 {
            hub.publish(&format!("others:{n}").parse::<Topic>()?, Event::new("x".repeat(500)))
                .await?;
        }
        assert_eq!(hub.history(&room, 9).len(), 0, "round {round}");
        hub.publish(&room, Event::new("again")).await?;
        tokio::time::sleep(secs(9)).await;
        assert_eq!(hub.history(&room, 9).len(), 1, "round {round}");
        tokio::time::sleep(secs(3)).await;
        assert_eq!(hub.history(&room, 9).len(), 0, "round {round}");
    }
    Ok(())
}
