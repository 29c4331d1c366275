//! The search for what a new subscriber begins with: how much it may hold, and what ends it.

mod driven_log;
mod receiving;

use driven_log::{DrivenLog, id, record};
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{Hub, Start};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventKey, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn a_search_holds_no_more_than_a_queue() -> TestResult {
    // With what surrounds them, three of these are more than 2,000 bytes.
    let hub = Hub::builder().queue_bytes(2000).build()?;
    let text = |n: usize| format!("{n}{}", "x".repeat(500));
    for n in 0..10 {
        let key = EventKey::new(&n.to_string())?;
        hub.publish(&topic(), Event::new(text(n)).with_key(key)).await?;
    }
    for start in [Start::Last(usize::MAX), Start::PerKey] {
        let mut subscription = hub.subscribe(topic()).start(start).open()?;
        let mut all = received(&mut subscription).await;
        all.extend(received(&mut subscription).await);
        assert_eq!(all, [7, 8, 9].map(|n| data(&text(n))), "from {start:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_nothing_of_an_epoch_that_began_since() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let hub = Hub::builder().log(log.clone()).build()?;
    let deliver = |id, text: &str| log.with(|inlet| inlet.deliver(id, record(topic(), text)));
    for offset in 1..=3 {
        deliver(id(1, offset), "old")?;
    }
    let mut subscription = hub.subscribe(topic()).start(Start::Last(5)).open()?;
    log.with(|inlet| inlet.begin_epoch(id(2, 0)))?;
    deliver(id(2, 1), "new")?;
    settle().await;
    let mut all = received(&mut subscription).await;
    all.extend(received(&mut subscription).await);
    assert_eq!(all, [Received::Gap(Some(3), 0, GapReason::UnknownEpoch), data("new")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_search_goes_on_in_an_epoch_that_shares_what_it_looks_for() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let hub = Hub::builder().log(log.clone()).build()?;
    for offset in 1..=3 {
        log.with(|inlet| inlet.deliver(id(1, offset), record(topic(), "old")))?;
    }
    let mut subscription = hub.subscribe(topic()).start(Start::Last(5)).open()?;
    log.with(|inlet| inlet.begin_epoch_after(Epoch::new(2), 3))?;
    let mut all = received(&mut subscription).await;
    all.extend(received(&mut subscription).await);
    assert_eq!(all, [data("old"), data("old"), data("old")]);
    Ok(())
}
