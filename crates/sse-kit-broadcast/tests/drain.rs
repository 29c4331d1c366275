//! Ending streams in portions, and one by one with a goodbye.

mod receiving;

use std::time::Duration;

use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{CloseReason, Goodbye, Hub, SubscribeError};
use sse_kit_event::{Event, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const BACK: Goodbye = Goodbye::ComeBack { within: Duration::from_secs(5) };

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_portions_and_the_others_go_on() -> TestResult {
    let hub = Hub::new();
    let mut tabs = (0..10).map(|_| hub.subscribe(topic()).open()).collect::<Result<Vec<_>, _>>()?;
    let mut drain = hub.drain();
    assert_eq!(hub.subscribe(topic()).open().err(), Some(SubscribeError::Closed));
    assert!(!hub.is_shut_down());
    drain.end(4, BACK);
    assert_eq!(drain.remaining(), 6);
    let receipt = hub.publish(&topic(), Event::new("x")).await?;
    assert!(receipt.receivers >= 6);
    settle().await;

    let mut live = 0;
    for tab in &mut tabs {
        match received(tab).await {
            all if all == [data("x")] => live += 1,
            // It was to end before that was published.
            all => assert_eq!(all, [Received::Goodbye(BACK), Received::End]),
        }
    }
    assert_eq!(live, 6);
    assert_eq!(hub.connection_count(), 10, "they are there until their streams are dropped");
    drain.end(usize::MAX, BACK);
    assert_eq!(drain.remaining(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_comes_before_the_goodbye_even_if_not_handed_out_yet()
-> TestResult {
    let hub = Hub::builder().queue(2).build()?;
    let mut tab = hub.subscribe(topic()).open()?;
    for n in 0..5 {
        hub.publish(&topic(), Event::new(n.to_string())).await?;
    }
    // The fan-out has not run yet, and the queue has room for less than half.
    hub.drain().end(1, BACK);
    settle().await;
    let all = ["0", "1", "2", "3", "4"].map(data);
    assert_eq!(
        received(&mut tab).await,
        [&all[..], &[Received::Goodbye(BACK), Received::End]].concat()
    );
    assert_eq!(tab.ending(), Some(CloseReason::Shutdown));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_dismissed_is_told_and_gets_nothing_more() -> TestResult {
    let hub = Hub::new();
    let mut tab = hub.subscribe(topic()).open()?;
    let id = tab.connection().id().clone();
    hub.publish(&topic(), Event::new("before")).await?;
    settle().await;
    assert!(hub.dismiss(&id, Goodbye::StayAway));
    assert!(!hub.dismiss(&id, Goodbye::StayAway), "it is gone");
    hub.publish(&topic(), Event::new("after")).await?;
    settle().await;
    let expected = [data("before"), Received::Goodbye(Goodbye::StayAway), Received::End];
    assert_eq!(received(&mut tab).await, expected);
    assert_eq!(tab.ending(), Some(CloseReason::Disconnected));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_comes_before_the_goodbye_however_short_history_is() -> TestResult {
    for (history, in_flight, shards) in [(0, 1, 1), (0, 3, 2), (1, 3, 1), (50, 60, 3)] {
        let hub = Hub::builder().history(history).shards(shards).build()?;
        let open = || hub.subscribe(topic()).open();
        let mut tabs = (0..5).map(|_| open()).collect::<Result<Vec<_>, _>>()?;
        for n in 0..in_flight {
            hub.publish(&topic(), Event::new(n.to_string())).await?;
        }
        let mut drain = hub.drain();
        drain.end(3, BACK);
        drain.end(usize::MAX, BACK);
        settle().await;
        let all: Vec<_> = (0..in_flight).map(|n| data(&n.to_string())).collect();
        let all = [all, vec![Received::Goodbye(BACK), Received::End]].concat();
        for tab in &mut tabs {
            assert_eq!(received(tab).await, all, "history of {history}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_streams_although_the_fan_out_lags() -> TestResult {
    // The ring is so small that it forgets the drain itself.
    let hub = Hub::builder().log_buffer(2).build()?;
    let mut tab = hub.subscribe(topic()).open()?;
    hub.publish(&topic(), Event::new("before")).await?;
    hub.drain().end(1, BACK);
    for n in 0..5 {
        hub.publish(&topic(), Event::new(n.to_string())).await?;
    }
    settle().await;
    let all = received(&mut tab).await;
    assert_eq!(all[0], data("before"));
    assert_eq!(all[all.len() - 2..], [Received::Goodbye(BACK), Received::End]);
    Ok(())
}
