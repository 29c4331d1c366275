//! The number of events of a topic that history keeps, by pattern.

use sse_kit_broadcast::{Delivery, Hub};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId, Topic, Topics};
use sse_kit_test_support::TestResult;

#[tokio::test]
async fn the_first_that_covers_a_topic_counts() -> TestResult {
    let hub = Hub::builder()
        .history(3)
        .history_for(Topics::parse(["rooms:vip"])?, 5)
        .history_for(Topics::parse(["rooms:*"])?, 1)
        .history_for(Topics::parse(["secret:**"])?, 0)
        .history_for(Topics::parse(["rooms:**"])?, 9)
        .build()?;
    let start = hub.cursor();
    for (topic, kept) in
        [("rooms:vip", 5), ("rooms:a", 1), ("rooms:a:b", 9), ("secret:a:b", 0), ("other", 3)]
    {
        let topic: Topic = topic.parse()?;
        for n in 0..10 {
            hub.publish(&topic, Event::new(n.to_string())).await?;
        }
        assert_eq!(hub.history(&topic, 100).len(), kept, "{topic}");
    }
    for n in 0..10 {
        hub.broadcast(Event::new(n.to_string())).await?;
    }
    assert_eq!(hub.broadcast_history(100).len(), 3, "patterns are for topics");
    // What is not kept is a gap.
    let secret: Topic = "secret:a:b".parse()?;
    let mut stream = hub.subscribe(&secret).resume(LastEventId::Known(start)).open()?;
    let Some(Delivery::Gap(gap)) = stream.recv().await else { return Err("no gap".into()) };
    assert_eq!(gap.reason, GapReason::Trimmed);
    Ok(())
}
