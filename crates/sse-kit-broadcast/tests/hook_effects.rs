//! The effects of hooks and of stuck connections on history, order and other connections.

mod patience;
mod receiving;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use patience::soon;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{CloseReason, Delivery, Hub, PublishError, SlowConsumer, Verdict};
use sse_kit_event::{Event, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn history_holds_what_was_sent_after_the_hooks() -> TestResult {
    let hub =
        Hub::builder().on_broadcast(|_| Ok(Verdict::Replace(Event::new("redacted")))).build()?;
    hub.publish(&topic("t"), Event::new("secret")).await?;
    let entries = hub.history(&topic("t"), 1);
    assert!(entries[0].frame().starts_with(b"data: redacted\n"));
    Ok(())
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
            Ok(())
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
async fn a_limit_of_zero_is_a_limit() -> TestResult {
    let hub = Hub::builder().history(0).build()?;
    hub.publish(&topic("t"), Event::new("x")).await?;
    assert_eq!(hub.history(&topic("t"), usize::MAX).len(), 0);
    assert_eq!((hub.stats().history, hub.stats().topics), (0, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_async_hook_does_not_reorder_events() -> TestResult {
    let hub = Hub::builder()
        .on_broadcast_async(|draft| async move {
            // The first takes longest.
            let millis = 100 - 10 * draft.event().data().parse::<u64>()?;
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(Verdict::Keep)
        })
        .build()?;
    let mut tab = hub.subscribe(topic("t")).open()?;
    let publishing: Vec<_> = (0..5)
        .map(|n| {
            let hub = hub.clone();
            tokio::spawn(async move { hub.publish(&topic("t"), Event::new(n.to_string())).await })
        })
        .collect();
    for publish in publishing {
        publish.await??;
    }
    settle().await;
    assert_eq!(received(&mut tab).await, ["0", "1", "2", "3", "4"].map(data));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_publishes_comes_after_its_parent() -> TestResult {
    let hub = Arc::new(std::sync::OnceLock::<Hub>::new());
    let (inner, refused) = (Arc::clone(&hub), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&refused);
    let made = Hub::builder()
        .on_broadcast_async(move |draft| {
            let (hub, refused) = (inner.get().cloned(), Arc::clone(&count));
            async move {
                if draft.event().data() == "parent" {
                    draft.follow_up(draft.audience(), Event::new("child"));
                    let hub = hub.ok_or("it is set by now")?;
                    if let Err(PublishError::InsideHook) = hub.broadcast(Event::new("x")).await {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok(Verdict::Keep)
            }
        })
        .build()?;
    let _ = hub.set(made.clone());
    let mut tab = made.subscribe(topic("t")).open()?;
    made.publish(&topic("t"), Event::new("parent")).await?;
    made.publish(&topic("t"), Event::new("next")).await?;
    settle().await;
    assert_eq!(received(&mut tab).await, [data("parent"), data("child"), data("next")]);
    assert_eq!(refused.load(Ordering::Relaxed), 1, "it would have waited for itself");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_hook_publishes_to_another_hub_and_not_back() -> TestResult {
    let first = Arc::new(std::sync::OnceLock::<Hub>::new());
    let back = Arc::clone(&first);
    let second = Hub::builder()
        .on_broadcast_async(move |_| {
            let back = back.get().cloned();
            async move {
                let back = back.ok_or("it is set by now")?.broadcast(Event::new("back")).await;
                Ok(match back {
                    Err(PublishError::InsideHook) => Verdict::Keep,
                    other => return Err(format!("{other:?}").into()),
                })
            }
        })
        .build()?;
    let bridge = second.clone();
    let made = Hub::builder()
        .on_broadcast_async(move |draft| {
            let (bridge, event) = (bridge.clone(), draft.event().clone());
            async move {
                bridge.broadcast(event).await?;
                Ok(Verdict::Keep)
            }
        })
        .build()?;
    let _ = first.set(made.clone());
    soon(made.broadcast(Event::new("x"))).await?;
    assert_eq!((made.stats().published, second.stats().published), (1, 1));
    assert_eq!((made.stats().hook_failures, second.stats().hook_failures), (0, 0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn follow_ups_without_end_are_cut_off() -> TestResult {
    let hub = Hub::builder()
        .history(1000)
        .on_broadcast(|draft| {
            draft.follow_up(draft.audience(), Event::new("more"));
            Ok(Verdict::Keep)
        })
        .build()?;
    hub.publish(&topic("t"), Event::new("x")).await?;
    assert_eq!(hub.stats().published, 65);
    assert_eq!(hub.stats().hook_failures, 1);
    Ok(())
}
