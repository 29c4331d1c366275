//! More topics than are remembered: those that are forgotten do no harm.

mod driven_log;

use driven_log::{DrivenLog, id, record};
use sse_kit_broadcast::Hub;
use sse_kit_event::{Audience, Event, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The number of topics that are remembered although nothing of them is left.
const REMEMBERED: usize = 16_384;

fn topic(n: usize) -> Topic {
    format!("users:{n}").parse().expect("a topic")
}

#[tokio::test]
async fn the_topic_that_has_been_idle_for_longest_is_published_to() -> TestResult {
    // Room for two topics with an event each, of some hundred bytes: each event makes another topic idle.
    let hub = Hub::builder().history_bytes(1_400).build()?;
    for n in (0..REMEMBERED + 2).chain(0..10) {
        hub.publish(&topic(n), Event::new("x")).await?;
    }
    assert_eq!((hub.stats().history, hub.history(&topic(9), 1).len()), (2, 1));
    // The next two have been idle for longest, and an event is so large that two others become idle.
    let [one, other] = [10, 11].map(topic);
    let both = Audience::several([one.clone(), other.clone()])?;
    hub.publish(both, Event::new("x".repeat(600))).await?;
    assert_eq!((hub.history(&one, 1).len(), hub.history(&other, 1).len()), (0, 1));
    assert_eq!(hub.stats().history, 1);
    Ok(())
}

#[tokio::test]
async fn a_new_epoch_begins_with_more_topics_than_are_remembered() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let hub = Hub::builder().log(log.clone()).history(1).build()?;
    for (n, offset) in (0..REMEMBERED).zip(1..) {
        log.with(|inlet| inlet.deliver(id(1, offset), record(topic(n), "x")))?;
    }
    // These are idle already, and are forgotten when those become so too.
    for n in 0..100 {
        drop(hub.subscribe(topic(REMEMBERED + n)).open()?);
    }
    log.with(|inlet| inlet.begin_epoch(id(2, 0)))?;
    assert_eq!((hub.stats().topics, hub.stats().history), (0, 0));
    log.with(|inlet| inlet.deliver(id(2, 1), record(topic(1), "x")))?;
    assert_eq!(hub.history(&topic(1), 1).len(), 1);
    Ok(())
}
