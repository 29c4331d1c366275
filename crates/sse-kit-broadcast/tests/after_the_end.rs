//! A stream whose end was decided, and that has what was promised to it, is given nothing more: not by a
//! log that fails, begins anew or says what never was, and not by a ring that overflows.

mod driven_log;
mod receiving;

use driven_log::{DrivenLog, id, record};
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{Goodbye, Hub, OnAppendFailure, Reach, Subscription};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, LastEventId, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

/// Ends a stream by a drain, and has it take its goodbye.
async fn end(hub: &Hub, tab: &mut Subscription) {
    hub.drain().end(1, Goodbye::StayAway);
    settle().await;
    let expected = [Received::Goodbye(Goodbye::StayAway), Received::End];
    assert_eq!(received(tab).await, expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_where_the_ring_overflows() -> TestResult {
    let hub = Hub::builder().log_buffer(1).build()?;
    let mut tab = hub.subscribe(topic()).open()?;
    end(&hub, &mut tab).await;
    for n in 0..3 {
        hub.publish(&topic(), Event::new(n.to_string())).await?;
    }
    settle().await;
    assert_eq!(hub.stats().fan_out_lags, 1);
    assert_eq!(received(&mut tab).await, [Received::End]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_from_a_log_that_fails_or_begins_anew() -> TestResult {
    let log = DrivenLog::at(id(1, 10));
    let hub = Hub::builder()
        .log(log.clone())
        .on_append_failure(OnAppendFailure::DeliverLocally)
        .build()?;
    let mut tab = hub.subscribe(topic()).open()?;
    // The client comes from a node that is further.
    let mut ahead = hub.subscribe(topic()).resume(LastEventId::from(id(1, 20))).open()?;
    let mut drain = hub.drain();
    drain.end(2, Goodbye::StayAway);
    settle().await;
    let expected = [Received::Goodbye(Goodbye::StayAway), Received::End];
    for tab in [&mut tab, &mut ahead] {
        assert_eq!(received(tab).await, expected);
    }
    let receipt = hub.publish(&topic(), Event::new("here alone")).await?;
    assert_eq!(receipt.reach, Reach::ThisNode);
    log.with(|inlet| {
        inlet.caught_up(inlet.mark()?);
        inlet.mark_lost_through(15)?;
        inlet.begin_epoch(id(2, 5))
    })?;
    settle().await;
    for tab in [&mut tab, &mut ahead] {
        assert_eq!(received(tab).await, [Received::End]);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_still_has_to_catch_up_is_told_of_a_new_epoch_before_its_goodbye()
-> TestResult {
    let log = DrivenLog::at(id(1, 10));
    let hub = Hub::builder().log(log.clone()).queue(1).build()?;
    let mut tab = hub.subscribe(topic()).open()?;
    log.with(|inlet| {
        inlet.deliver(id(1, 11), record(topic(), "first"))?;
        inlet.deliver(id(1, 12), record(topic(), "second"))
    })?;
    settle().await;
    hub.drain().end(1, Goodbye::StayAway);
    settle().await;
    log.with(|inlet| inlet.begin_epoch(id(2, 5)))?;
    let expected = [
        data("first"),
        Received::Gap(Some(11), 5, GapReason::UnknownEpoch),
        Received::Goodbye(Goodbye::StayAway),
        Received::End,
    ];
    assert_eq!(received(&mut tab).await, expected);
    Ok(())
}
