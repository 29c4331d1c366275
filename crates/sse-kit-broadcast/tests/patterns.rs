//! Patterns that overlap, and patterns that are too many.

mod receiving;

use receiving::{data, received, settle};
use sse_kit_broadcast::{Hub, SubscribeError};
use sse_kit_event::{Event, Topic, Topics};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn a_connection_counts_once_however_many_of_its_patterns_match() -> TestResult {
    let hub = Hub::new();
    let mut many = hub.subscribe(Topics::parse(["**:a", "x:*", "x*:**", "x:a*"])?).open()?;
    let _one = hub.subscribe(Topics::parse(["x:*"])?).open()?;
    let _other = hub.subscribe(Topics::parse(["x:*", "y:*"])?).open()?;
    for (name, receivers) in
        [("x:a", 3), ("x:b", 3), ("y:a", 2), ("x:b:c", 1), ("y:b", 1), ("z", 0)]
    {
        assert_eq!(
            hub.publish(&topic(name), Event::new(name)).await?.receivers,
            receivers,
            "{name}"
        );
        assert_eq!(hub.presence(&topic(name)).len(), receivers, "{name}");
        assert_eq!(hub.watch_presence(&topic(name)).present.len(), receivers, "{name}");
    }
    settle().await;
    assert_eq!(received(&mut many).await, ["x:a", "x:b", "y:a", "x:b:c"].map(data));
    assert_eq!(hub.stats().patterns, 5);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn too_many_patterns_that_begin_alike_are_refused_and_all_others_are_not() -> TestResult {
    let hub = Hub::builder().max_patterns_per_prefix(2).build()?;
    let open = |patterns: &[&str]| -> Result<_, Box<dyn std::error::Error>> {
        Ok(hub.subscribe(Topics::parse(patterns)?).open()?)
    };
    let first = open(&["*:1"])?;
    let _kept = [open(&["*:2"])?, open(&["*:2"])?, open(&["users:1:*"])?, open(&["users:2:*"])?];
    let refused = hub.subscribe(Topics::parse(["*:3"])?).open();
    assert_eq!(refused.err(), Some(SubscribeError::TooManyPatterns));
    assert_eq!(hub.stats().refused, 1);
    drop(first);
    open(&["*:3"])?;
    Ok(())
}
