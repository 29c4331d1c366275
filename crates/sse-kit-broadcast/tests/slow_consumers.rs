//! Slow subscribers: the events that each policy keeps and drops, eviction, and publishers that never wait.

mod patience;
mod receiving;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patience::soon;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{CloseReason, Delivery, Hub, SlowConsumer};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, Topic};
use sse_kit_test_support::TestResult;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn fifty_stuck_connections_delay_nobody_and_are_told_their_end() -> TestResult {
    let evicted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&evicted);
    let hub = Hub::builder()
        .queue(1)
        .on_disconnect(move |_, why| {
            assert_eq!(why, CloseReason::TooSlow);
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .build()?;
    let open = || hub.subscribe(topic("t")).slow_consumer(SlowConsumer::Disconnect).open();
    let mut stuck = (0..50).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
    let mut healthy = hub.subscribe(topic("t")).open()?;
    let start = tokio::time::Instant::now();
    for n in 0..3 {
        hub.publish(&topic("t"), Event::new(n.to_string())).await?;
        let Some(Delivery::Entry(_)) = soon(healthy.recv()).await else { panic!("an event") };
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "nobody waited for anything");
    settle().await;
    assert_eq!(evicted.load(Ordering::Relaxed), 50);
    for stuck in &mut stuck {
        assert_eq!(received(stuck).await, [data("0"), Received::End]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_reads_delays_nobody_and_heals_from_history() -> TestResult {
    let hub = Hub::builder().queue(2).history(100).build()?;
    let mut stuck = hub.subscribe(topic("t")).open()?;
    let mut healthy = hub.subscribe(topic("t")).open()?;
    let mut sent = Vec::new();
    for n in 0..50 {
        hub.publish(&topic("t"), Event::new(n.to_string())).await?;
        sent.push(data(&n.to_string()));
        settle().await;
        assert_eq!(received(&mut healthy).await, [data(&n.to_string())]);
    }
    assert_eq!(received(&mut stuck).await, sent, "nothing is lost for it either");
    assert_eq!(hub.stats().gaps, 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn beyond_history_there_is_one_gap() -> TestResult {
    let hub = Hub::builder().queue(2).history(3).build()?;
    let mut stuck = hub.subscribe(topic("t")).open()?;
    for n in 1..=10 {
        hub.publish(&topic("t"), Event::new(n.to_string())).await?;
    }
    settle().await;
    let gap = Received::Gap(Some(2), 7, GapReason::Lagged);
    assert_eq!(
        received(&mut stuck).await,
        [data("1"), data("2"), gap, data("8"), data("9"), data("10")]
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn conflation_keeps_the_newest_of_each_key() -> TestResult {
    let hub = Hub::new();
    let mut tab = hub.subscribe(topic("t")).slow_consumer(SlowConsumer::Conflate).open()?;
    let event = |n: u32, key: &str| Event::new(format!("{key}{n}")).with_key(key.parse().unwrap());
    for n in 0..50 {
        hub.publish(&topic("t"), event(n, "a")).await?;
        hub.publish(&topic("t"), event(n, "b")).await?;
    }
    hub.publish(&topic("t"), Event::new("no key")).await?;
    settle().await;
    assert_eq!(received(&mut tab).await, [data("a49"), data("b49"), data("no key")]);
    assert_eq!(hub.stats().conflated, 98);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn dropping_the_oldest_is_told() -> TestResult {
    let hub = Hub::new();
    let mut tab =
        hub.subscribe(topic("t")).queue(2).slow_consumer(SlowConsumer::DropOldest).open()?;
    for n in 1..=5 {
        hub.publish(&topic("t"), Event::new(n.to_string())).await?;
    }
    settle().await;
    let gap = Received::Gap(Some(0), 3, GapReason::Dropped);
    assert_eq!(received(&mut tab).await, [gap, data("4"), data("5")]);
    assert_eq!(hub.stats().dropped, 3);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_bounded_in_bytes_too_but_one_event_always_fits() -> TestResult {
    let hub = Hub::builder().queue_bytes(1000).history(0).build()?;
    let mut tab = hub.subscribe(topic("t")).open()?;
    let large = "x".repeat(5000);
    hub.publish(&topic("t"), Event::new(large.clone())).await?;
    hub.publish(&topic("t"), Event::new("small")).await?;
    settle().await;
    let gap = Received::Gap(Some(1), 2, GapReason::Lagged);
    assert_eq!(received(&mut tab).await, [data(&large), gap]);
    Ok(())
}
