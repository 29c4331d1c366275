//! Events that wait a moment for others.

#[expect(dead_code, reason = "what comes is counted here, not compared")]
mod receiving;

use std::time::Duration;

use receiving::{received, settle};
use sse_kit_broadcast::{Goodbye, Hub, HubBuildError, Subscription};
use sse_kit_event::{Event, Topic, Topics};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const DELAY: Duration = Duration::from_millis(20);

/// The clock of Tokio's timers is no finer.
const TICK: Duration = Duration::from_millis(1);

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

/// The times at which the reader was woken, and the number of events at each.
type Wakes = mpsc::UnboundedReceiver<(Duration, usize)>;

fn read(mut subscription: Subscription) -> Wakes {
    let (sender, wakes) = mpsc::unbounded_channel();
    let begun = Instant::now();
    tokio::spawn(async move {
        while subscription.recv().await.is_some() {
            let count = 1 + received(&mut subscription).await.len();
            sender.send((begun.elapsed(), count)).expect("the test waits for it");
        }
    });
    wakes
}

#[track_caller]
fn assert_wakes(wakes: &mut Wakes, expected: &[(Duration, usize)]) {
    let mut all = Vec::new();
    while let Ok(wake) = wakes.try_recv() {
        all.push(wake);
    }
    let is_alike = |(one, other): (&(Duration, usize), &(Duration, usize))| {
        (other.0..=other.0 + TICK).contains(&one.0) && one.1 == other.1
    };
    let same = all.len() == expected.len() && all.iter().zip(expected).all(is_alike);
    assert!(same, "{all:?} instead of {expected:?}");
}

async fn publish(hub: &Hub, names: &[&str]) {
    for name in names {
        hub.publish(&topic(name), Event::new("x")).await.expect("it is open");
    }
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_delay_events_come_when_they_are_published() -> TestResult {
    let hub = Hub::builder().heartbeat(None).build()?;
    let mut wakes = read(hub.subscribe(topic("a")).open()?);
    settle().await;
    publish(&hub, &["a"]).await;
    sleep(DELAY).await;
    publish(&hub, &["a", "a"]).await;
    assert_wakes(&mut wakes, &[(Duration::ZERO, 1), (DELAY, 2)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn with_a_delay_those_of_all_topics_come_together_and_on_time() -> TestResult {
    let hub = Hub::builder().heartbeat(None).max_delay(DELAY).shards(1).build()?;
    let mut both = read(hub.subscribe(Topics::parse(["a", "b"])?).open()?);
    let mut one = read(hub.subscribe(topic("b")).open()?);
    settle().await;
    publish(&hub, &["a"]).await;
    sleep(DELAY / 2).await;
    publish(&hub, &["b", "a"]).await;
    assert_wakes(&mut both, &[]);
    sleep(3 * DELAY).await;
    assert_wakes(&mut both, &[(DELAY, 3)]);
    // It waits with the others, so for less.
    assert_wakes(&mut one, &[(DELAY, 1)]);
    publish(&hub, &["b"]).await;
    sleep(3 * DELAY).await;
    assert_wakes(&mut one, &[(DELAY / 2 + 4 * DELAY, 1)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn events_without_end_do_not_put_it_off() -> TestResult {
    let hub = Hub::builder().heartbeat(None).max_delay(DELAY).build()?;
    let mut wakes = read(hub.subscribe(topic("a")).open()?);
    settle().await;
    for _ in 0..40 {
        publish(&hub, &["a"]).await;
        sleep(TICK).await;
    }
    let (after, count) = wakes.recv().await.ok_or("it was woken")?;
    assert!(after <= DELAY + 2 * TICK && count > 1, "{count} after {after:?}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_half_full_waits_no_longer() -> TestResult {
    let hub = Hub::builder().queue(8).max_delay(DELAY).heartbeat(None).build()?;
    let mut wakes = read(hub.subscribe(topic("a")).open()?);
    settle().await;
    publish(&hub, &["a"]).await;
    publish(&hub, &["a", "a"]).await;
    assert_wakes(&mut wakes, &[]);
    publish(&hub, &["a", "a"]).await;
    assert_wakes(&mut wakes, &[(Duration::ZERO, 5)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_an_event_does_not_fit_into_waits_no_longer() -> TestResult {
    let hub = Hub::builder().queue_bytes(200).max_delay(DELAY).heartbeat(None).build()?;
    let mut wakes = read(hub.subscribe(topic("a")).open()?);
    settle().await;
    publish(&hub, &["a"]).await;
    assert_wakes(&mut wakes, &[]);
    // It comes from history, once the queue is taken.
    hub.publish(topic("a"), Event::new("x".repeat(190))).await?;
    settle().await;
    assert_wakes(&mut wakes, &[(Duration::ZERO, 2)]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_nothing() -> TestResult {
    let hub = Hub::builder().max_delay(DELAY).heartbeat(None).build()?;
    let mut wakes = read(hub.subscribe(topic("a")).open()?);
    settle().await;
    publish(&hub, &["a"]).await;
    hub.shut_down(Goodbye::StayAway);
    settle().await;
    assert_wakes(&mut wakes, &[(Duration::ZERO, 3)]);
    Ok(())
}

#[tokio::test]
async fn a_delay_that_nobody_means_is_refused() {
    let built = Hub::builder().max_delay(Duration::MAX).build();
    let most = Duration::from_secs(60);
    assert!(
        matches!(built, Err(HubBuildError::TooLong { setting: "max_delay", max: m }) if m == most)
    );
}
