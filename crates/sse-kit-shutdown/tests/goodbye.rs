//! A shutdown: the goodbye and the time to read it, tracked work, signals, and the way back.

mod child;

use std::num::NonZero;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sse_kit_broadcast::{Delivery, Goodbye, Hub, PublishError, Subscription};
use sse_kit_event::{Event, Topic};
use sse_kit_shutdown::{
    Ended, GoodbyePolicy, Outcome, Phase, ProgressLine, ReconnectSpread, Shutdown,
    ShuttingDownError,
};
use tokio::time::Instant;

use child::Child;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

fn of(hub: &Hub) -> sse_kit_shutdown::ShutdownBuilder {
    Shutdown::builder().hub(hub.clone()).progress_line(ProgressLine::Never)
}

/// A server with one connection for each subscription, each read to its end.
async fn serve(shutdown: Shutdown, streams: Vec<Subscription>) -> Vec<Vec<String>> {
    let reading = streams.into_iter().map(|stream| tokio::spawn(read(stream)));
    let reading: Vec<_> = reading.collect();
    shutdown.stopping().await;
    let mut all = Vec::new();
    for reader in reading {
        all.push(reader.await.expect("no panic"));
    }
    all
}

async fn read(mut stream: Subscription) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(delivery) = stream.recv().await {
        all.push(match delivery {
            Delivery::Entry(entry) => String::from_utf8_lossy(entry.frame()).into_owned(),
            Delivery::Goodbye(Goodbye::ComeBack { within }) => format!("back within {within:?}"),
            Delivery::Goodbye(Goodbye::StayAway) => "stay away".to_owned(),
            Delivery::Heartbeat { .. } => continue,
            other => format!("{other:?}"),
        });
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_client_gets_what_was_published_and_then_the_goodbye() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).build();
    let streams = (0..20).map(|_| hub.subscribe(topic()).open()).collect::<Result<Vec<_>, _>>()?;
    hub.publish(&topic(), Event::new("last")).await?;
    shutdown.trigger();
    shutdown.trigger();
    let outcome = shutdown.run(None, serve(shutdown.clone(), streams)).await;
    let Outcome { ended, streams, streams_cut, connections_cut, work_cut, took, served, .. } =
        outcome;
    assert_eq!((ended, streams), (Ended::Drained, 20));
    assert_eq!((streams_cut, connections_cut, work_cut), (0, 0, 0));
    assert_eq!(took, Duration::ZERO, "nobody waits when all have read it");
    for read in served.expect("it ended") {
        assert!(read[0].starts_with("data: last\n"), "{read:?}");
        assert_eq!(read[1..], ["back within 1s"]);
    }
    assert!(matches!(hub.publish(&topic(), Event::new("x")).await, Err(PublishError::Closed)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_has_the_delay_and_is_cut_off_and_counted() -> TestResult {
    let hub = Hub::new();
    for (delay, deadline, expected) in [
        (None, None, Duration::from_secs(1)),
        (Some(7), None, Duration::from_secs(7)),
        (Some(7), Some(3), Duration::from_secs(3)),
        (Some(u64::MAX), Some(5), Duration::from_secs(5)),
    ] {
        let mut settings = of(&hub);
        if let Some(delay) = delay {
            settings = settings.shutdown_delay(Duration::from_secs(delay));
        }
        if let Some(deadline) = deadline {
            settings = settings.deadline(Duration::from_secs(deadline));
        }
        let shutdown = settings.build();
        let _connection = shutdown.track();
        shutdown.trigger();
        let outcome = shutdown.run(None, shutdown.stopping()).await;
        assert_eq!((outcome.ended, outcome.connections_cut), (Ended::Deadline, 1));
        assert_eq!(outcome.took, expected);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_read_holds_up_nobody_else() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).build();
    let stuck = hub.subscribe(topic()).open()?;
    let good = hub.subscribe(topic()).open()?;
    let reading = tokio::spawn(read(good));
    shutdown.trigger();
    let outcome = shutdown.run(None, std::future::pending::<()>()).await;
    assert_eq!((outcome.ended, outcome.streams, outcome.streams_cut), (Ended::Deadline, 2, 1));
    assert_eq!(outcome.served, None);
    assert_eq!(reading.await?, ["back within 1s"]);
    drop(stuck);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn work_holds_up_the_goodbye_and_may_still_publish() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).build();
    let stream = hub.subscribe(topic()).open()?;
    let (publisher, work) = (hub.clone(), shutdown.work()?);
    let (asked, began) = (shutdown.clone(), Instant::now());
    let working = tokio::spawn(async move {
        asked.stopping().await;
        assert_eq!(asked.work().err(), Some(ShuttingDownError));
        tokio::time::sleep(Duration::from_secs(10)).await;
        publisher.publish(&topic(), Event::new("done")).await.expect("it is not closed yet");
        drop(work);
    });
    shutdown.trigger();
    let outcome = shutdown.run(None, serve(shutdown.clone(), vec![stream])).await;
    working.await?;
    assert_eq!((outcome.ended, outcome.work_cut), (Ended::Drained, 0));
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let read = &outcome.served.expect("it ended")[0];
    assert!(read[0].starts_with("data: done\n"), "{read:?}");
    assert_eq!(read[1..], ["back within 1s"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn work_that_is_never_done_leaves_time_for_the_goodbye() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).deadline(Duration::from_secs(20)).build();
    let reading = tokio::spawn(read(hub.subscribe(topic()).open()?));
    let began = Instant::now();
    let _work = shutdown.work()?;
    shutdown.trigger();
    let (outcome, read_at) =
        tokio::join!(shutdown.run(None, std::future::pending::<()>()), async {
            assert_eq!(reading.await.expect("no panic"), ["back within 1s"]);
            began.elapsed()
        });
    assert_eq!((outcome.ended, outcome.work_cut), (Ended::Deadline, 1));
    assert_eq!((read_at, outcome.took), (Duration::from_secs(19), Duration::from_secs(20)));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn streams_end_in_portions_when_asked_for_and_the_deadline_wins() -> TestResult {
    for (deadline, last_after) in [(25, 4900), (4, 3000)] {
        let hub = Hub::new();
        let per_second = NonZero::new(100).expect("not 0");
        let settings = of(&hub).streams_per_second(per_second);
        let shutdown = settings.deadline(Duration::from_secs(deadline)).build();
        let began = Instant::now();
        let streams: Vec<_> = (0..500)
            .map(|_| {
                let stream = hub.subscribe(topic()).open().expect("it is open");
                tokio::spawn(async move {
                    read(stream).await;
                    began.elapsed()
                })
            })
            .collect();
        shutdown.trigger();
        let serving = async {
            let mut ends = Vec::new();
            for stream in streams {
                ends.push(stream.await.expect("no panic"));
            }
            ends.sort_unstable();
            ends
        };
        let outcome = shutdown.run(None, serving).await;
        assert_eq!(outcome.ended, Ended::Drained);
        let ends = outcome.served.expect("all ended");
        assert_eq!(ends.iter().filter(|end| end.is_zero()).count(), 10, "the first portion");
        let first_second = ends.iter().filter(|end| **end < Duration::from_secs(1)).count();
        assert_eq!(first_second, 100);
        assert_eq!(ends[499], Duration::from_millis(last_after));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn before_it_drains_it_serves_on_but_is_not_ready() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).pre_drain(Duration::from_secs(5)).build();
    let began = Instant::now();
    let (watched, publisher) = (shutdown.clone(), hub.clone());
    let watching = tokio::spawn(async move {
        watched.reached(Phase::Leaving).await;
        assert!(!watched.is_ready() && !watched.should_exit());
        publisher.subscribe(topic()).open().expect("it still serves");
        publisher.publish(&topic(), Event::new("x")).await.expect("it still publishes");
        watched.stopping().await;
        assert!(watched.should_exit());
        began.elapsed()
    });
    assert!(shutdown.is_ready());
    shutdown.trigger();
    let outcome = shutdown.run(None, shutdown.stopping()).await;
    assert_eq!(watching.await?, Duration::from_secs(5));
    assert_eq!(outcome.ended, Ended::Drained);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_tracked_until_it_is_untracked_and_that_twice_is_once() {
    let hub = Hub::new();
    let shutdown = of(&hub).shutdown_delay(Duration::from_secs(20)).build();
    let (mut first, second) = (shutdown.track(), shutdown.track());
    assert_eq!(shutdown.progress().connections, 2);
    first.untrack();
    first.untrack();
    assert_eq!(shutdown.progress().connections, 1);
    drop(first);
    assert_eq!(shutdown.progress().connections, 1);
    let ending = shutdown.clone();
    tokio::spawn(async move {
        ending.reached(Phase::Closed).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(second);
    });
    shutdown.trigger();
    let outcome = shutdown.run(None, shutdown.stopping()).await;
    assert_eq!((outcome.ended, outcome.took), (Ended::Drained, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_ones_own_sees_that_it_should_exit() {
    let shutdown = of(&Hub::new()).build();
    let (asked, saw) = (shutdown.clone(), Arc::new(AtomicBool::new(false)));
    let (connection, seen) = (shutdown.track(), Arc::clone(&saw));
    tokio::spawn(async move {
        while !asked.should_exit() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        seen.store(true, Ordering::Relaxed);
        drop(connection);
    });
    shutdown.trigger();
    assert_eq!(shutdown.run(None, shutdown.stopping()).await.ended, Ended::Drained);
    assert!(saw.load(Ordering::Relaxed));
}

#[test]
fn a_signal_shuts_down_and_a_second_one_cuts_off() {
    child::play_if_asked();
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut child = Child::start("stuck");
        child.signal(signal);
        child.await_line("draining");
        child.signal(signal);
        assert_eq!(child.exit().code(), Some(code));
    }
}

#[test]
fn uninstalling_restores_what_a_signal_did_before() {
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let mut child = Child::start("uninstalled");
        child.signal(signal);
        assert_eq!(child.exit().signal(), Some(number), "it ends by the signal, as any process");

        let mut child = Child::start("installed-again");
        child.signal(signal);
        assert_eq!(child.exit().code(), Some(0), "it drains");
    }
}

#[test]
fn a_signal_that_was_ignored_is_ignored_again() {
    let mut child = Child::start_ignoring("INT", "uninstalled");
    child.signal("INT");
    child.signal("TERM");
    assert_eq!(child.exit().signal(), Some(15), "and not by 2");
}

#[tokio::test(start_paused = true)]
async fn who_is_to_stay_away_is_told_so() -> TestResult {
    let hub = Hub::new();
    let shutdown = of(&hub).goodbye(GoodbyePolicy::StayAway).build();
    let stream = hub.subscribe(topic()).open()?;
    shutdown.trigger();
    let outcome = shutdown.run(None, serve(shutdown.clone(), vec![stream])).await;
    assert_eq!(outcome.served.expect("it ended"), [["stay away"]]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_to_come_back_does_so_within_a_time_that_grows_with_their_number() -> TestResult {
    let per_second = ReconnectSpread::PerSecond(NonZero::new(50).expect("not 0"));
    for (spread, clients, within) in [
        (per_second, 200, "back within 4s"),
        (per_second, 3, "back within 1s"),
        (ReconnectSpread::Within(Duration::from_secs(9)), 200, "back within 9s"),
    ] {
        let hub = Hub::new();
        let shutdown = of(&hub).goodbye(GoodbyePolicy::ComeBack(spread)).build();
        let open = |_| hub.subscribe(topic()).open();
        let streams = (0..clients).map(open).collect::<Result<Vec<_>, _>>()?;
        shutdown.trigger();
        let outcome = shutdown.run(None, serve(shutdown.clone(), streams)).await;
        assert!(outcome.served.expect("all ended").iter().all(|read| read == &[within]));
    }
    Ok(())
}
