//! Publishing on the condition that nothing newer came.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sse_kit_broadcast::{Hub, PublishError, Receipt};
use sse_kit_event::{Audience, Epoch, Event, EventId, Topic};
use sse_kit_test_support::TestResult;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn is_conflict(outcome: &Result<Receipt, PublishError>, newest: EventId) -> bool {
    matches!(outcome, Err(PublishError::Conflict { newest: found, .. }) if *found == newest)
}

#[tokio::test(start_paused = true)]
async fn only_what_came_to_the_same_topic_is_in_the_way() -> TestResult {
    let hub = Hub::new();
    let start = hub.cursor();
    for other in ["b", "a:b"] {
        hub.publish(&topic(other), Event::new("x")).await?;
    }
    hub.broadcast(Event::new("x")).await?;
    let first = hub.if_newest(start).publish(&topic("a"), Event::new("1")).await?;
    let late = hub.if_newest(start).publish(&topic("a"), Event::new("2")).await;
    assert!(is_conflict(&late, first.id), "{late:?}");
    hub.if_newest(first.id).publish(&topic("a"), Event::new("3")).await?;
    assert_eq!(hub.history(&topic("a"), 9).len(), 2);

    // Of an audience, each topic counts; and an event for it counts for each topic.
    let both = Audience::several([topic("a"), topic("c")])?;
    assert!(hub.if_newest(first.id).publish(&both, Event::new("x")).await.is_err());
    let to_both = hub.if_newest(hub.cursor()).publish(&both, Event::new("x")).await?;
    let late = hub.if_newest(start).publish(&topic("c"), Event::new("x")).await;
    assert!(is_conflict(&late, to_both.id), "{late:?}");
    assert!(hub.if_newest(start).broadcast(Event::new("x")).await.is_err(), "one went to all");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_history_no_longer_has_is_in_the_way_too() -> TestResult {
    let hub = Hub::builder().history(0).build()?;
    let start = hub.cursor();
    let gone = hub.publish(&topic("a"), Event::new("1")).await?;
    let late = hub.if_newest(start).publish(&topic("a"), Event::new("2")).await;
    assert!(is_conflict(&late, gone.id), "{late:?}");
    assert!(hub.if_newest(gone.id).publish(&topic("a"), Event::new("2")).await.is_ok());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_id_that_this_log_never_gave_is_a_conflict() -> TestResult {
    let hub = Hub::new();
    let now = hub.cursor();
    let never = EventId::new(now.epoch(), now.offset() + 1);
    let other = EventId::new(Epoch::new(now.epoch().to_string().len() as u64), 0);
    for expected in [never, other] {
        let refused = hub.if_newest(expected).publish(&topic("a"), Event::new("x")).await;
        assert!(matches!(refused, Err(PublishError::Conflict { .. })), "{refused:?}");
    }
    assert_eq!(hub.stats().published, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_at_the_same_time_none_publishes_an_older_state_after_a_newer_one() -> TestResult
{
    const WRITERS: u64 = 8;
    const EACH: u64 = 50;
    let hub = Hub::builder().history(1000).build()?;
    // What the writers read and write: each adds one, and the newest event says what it is.
    let state = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (hub, state) = (hub.clone(), Arc::clone(&state));
            tokio::spawn(async move {
                for _ in 0..EACH {
                    loop {
                        let read_at = hub.cursor();
                        let next = state.load(Ordering::SeqCst) + 1;
                        let event = Event::new(next.to_string());
                        match hub.if_newest(read_at).publish(&topic("state"), event).await {
                            Ok(_) => {
                                state.store(next, Ordering::SeqCst);
                                break;
                            }
                            Err(PublishError::Conflict { .. }) => tokio::task::yield_now().await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await?;
    }
    let entries = hub.history(&topic("state"), 1000);
    assert_eq!(entries.len() as u64, WRITERS * EACH);
    Ok(())
}
