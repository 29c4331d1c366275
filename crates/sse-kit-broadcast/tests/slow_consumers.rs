//! Slow subscribers: the events that each policy keeps and drops, eviction, and publishers that never wait.

mod driven_log;
mod patience;
mod receiving;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use driven_log::{DrivenLog, id, record};
use futures_util::FutureExt;
use patience::soon;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{CloseReason, Delivery, Hub, SlowConsumer, Subscription};
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic};
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

/// Takes all that is there: gaps, and the ids of events.
async fn taken(tab: &mut Subscription) -> Vec<Result<EventId, Gap>> {
    settle().await;
    let mut taken = Vec::new();
    while let Some(delivery) = tab.recv().now_or_never().flatten() {
        match delivery {
            Delivery::Entry(entry) => taken.push(Ok(entry.id())),
            Delivery::Gap(gap) => taken.push(Err(gap)),
            Delivery::Direct(_) => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    taken
}

/// Each gap begins where the client is when it gets the gap, also if the epoch has ended.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_after_the_end_of_an_epoch_comes_after_its_gap() -> TestResult {
    let gap = |from: EventId, to, reason| Err(Gap::new(Some(from), to, reason));
    let (over, dropped) = (GapReason::UnknownEpoch, GapReason::Dropped);
    for (taken_before, directs) in [(0, 0), (0, 1), (1, 0), (3, 0)] {
        let log = DrivenLog::at(id(1, 10));
        let hub = Hub::builder().heartbeat(None).log(log.clone()).build()?;
        let deliver = async |at| {
            log.with(|inlet| inlet.deliver(at, record(topic("t"), "x")))?;
            settle().await; // or the fan-out finds out that it is of an epoch that has ended
            TestResult::Ok(())
        };
        let subscribe = hub.subscribe(topic("t")).slow_consumer(SlowConsumer::DropOldest);
        let mut tab = subscribe.queue(3).open()?;
        for offset in 11..=12 {
            deliver(id(1, offset)).await?;
        }
        log.with(|inlet| inlet.begin_epoch(id(2, 5)))?;
        for _ in 0..taken_before {
            tab.recv().await;
        }
        for _ in 0..directs {
            hub.send_to(tab.connection().id(), &Event::new("for you"))?;
        }
        for offset in 6..=9 {
            deliver(id(2, offset)).await?;
        }
        // The third that was taken was the gap.
        let first = gap(id(1, 10 + taken_before), id(2, 5), over);
        let last_dropped = id(2, 6 + directs);
        let rest = (7 + directs..=9).map(|offset| Ok(id(2, offset)));
        let first = (taken_before < 3).then_some(first).into_iter();
        let second = [gap(id(2, 5), last_dropped, dropped)];
        let expected: Vec<_> = first.chain(second).chain(rest).collect();
        assert_eq!(taken(&mut tab).await, expected, "{taken_before} taken, {directs} messages");
    }
    Ok(())
}

/// Epochs that end one after the other, and events that are dropped before and after.
#[tokio::test(start_paused = true)]
async fn what_is_dropped_in_several_epochs_is_in_a_gap_of_each() -> TestResult {
    let gap = |from, to, reason| Err(Gap::new(Some(from), to, reason));
    let (over, dropped) = (GapReason::UnknownEpoch, GapReason::Dropped);
    let log = DrivenLog::at(id(1, 10));
    let hub = Hub::builder().heartbeat(None).log(log.clone()).build()?;
    let deliver = async |epoch, offsets: std::ops::RangeInclusive<u64>| {
        for offset in offsets {
            log.with(|inlet| inlet.deliver(id(epoch, offset), record(topic("t"), "x")))?;
        }
        settle().await;
        TestResult::Ok(())
    };
    let begin = |at| log.with(|inlet| inlet.begin_epoch(at));
    let subscribe = || hub.subscribe(topic("t")).slow_consumer(SlowConsumer::DropOldest).queue(2);
    let [mut all_new, mut some_old] = [subscribe().open()?, subscribe().open()?];
    deliver(1, 11..=13).await?;
    begin(id(2, 5))?;
    let told = [gap(id(1, 10), id(1, 11), dropped), Ok(id(1, 12)), Ok(id(1, 13))];
    let mut expected = told.to_vec();
    expected.push(gap(id(1, 13), id(2, 5), over));
    assert_eq!(taken(&mut some_old).await, expected, "all that was dropped is of the old epoch");
    deliver(2, 6..=7).await?;
    begin(id(3, 20))?;
    deliver(3, 21..=23).await?;

    let new = [gap(id(3, 20), id(3, 21), dropped), Ok(id(3, 22)), Ok(id(3, 23))];
    let ends = [gap(id(1, 10), id(2, 5), over), gap(id(2, 5), id(3, 20), over)];
    assert_eq!(taken(&mut all_new).await, [ends.to_vec(), new.to_vec()].concat());
    assert_eq!(taken(&mut some_old).await, [ends[1..].to_vec(), new.to_vec()].concat());

    // A gap at the beginning of a stream comes first, too.
    let lost = id(7, 1);
    let mut begun = subscribe().resume(LastEventId::Known(lost)).open()?;
    let mut garbled = subscribe().resume(LastEventId::parse(b"x")).open()?;
    deliver(3, 24..=26).await?;
    let first = gap(lost, id(3, 23), over);
    let new = [gap(id(3, 23), id(3, 24), dropped), Ok(id(3, 25)), Ok(id(3, 26))];
    assert_eq!(taken(&mut begun).await, [vec![first], new.to_vec()].concat());
    begin(id(4, 0))?;
    deliver(4, 1..=3).await?;
    let first = Err(Gap::new(None, id(3, 23), GapReason::Malformed));
    let ends = gap(id(3, 23), id(4, 0), over);
    let new = [gap(id(4, 0), id(4, 1), dropped), Ok(id(4, 2)), Ok(id(4, 3))];
    assert_eq!(taken(&mut garbled).await, [vec![first, ends], new.to_vec()].concat());
    Ok(())
}

/// History has the id that an event was published with, which may be of a still older epoch.
#[tokio::test(start_paused = true)]
async fn what_was_dropped_of_an_epoch_before_the_last_is_told_before_its_end() -> TestResult {
    let log = DrivenLog::at(id(1, 10));
    let hub = Hub::builder().log(log.clone()).heartbeat(None).build()?;
    log.with(|inlet| inlet.deliver(id(1, 11), record(topic("t"), "11")))?;
    log.with(|inlet| inlet.begin_epoch_after(Epoch::new(2), 11))?;
    let subscribe = hub.subscribe(topic("t")).slow_consumer(SlowConsumer::DropOldest).queue(1);
    let mut tab = subscribe.resume(LastEventId::Known(id(2, 10))).open()?;
    log.with(|inlet| inlet.begin_epoch(id(3, 0)))?;
    log.with(|inlet| inlet.deliver(id(3, 1), record(topic("t"), "1")))?;
    settle().await;
    let dropped = Received::Gap(Some(10), 11, GapReason::Dropped);
    let ends = Received::Gap(Some(11), 0, GapReason::UnknownEpoch);
    assert_eq!(received(&mut tab).await, [dropped, ends, data("1")]);
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
