//! State and events in one step: order, cursors, futures that are dropped, changes within changes.
#![cfg(feature = "kit")]

mod late_log;

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use sse_kit::broadcast::{Delivery, Goodbye};
use sse_kit::event::{Audience, EventId};
use sse_kit::htmx::{Html, Update};
use sse_kit::{
    BoxError, Change, ChangeError, DomainEvent, EmitErrorKind, Event, EventData, Hub, OnFailure,
    SseKit,
};
use sse_kit_test_support::{in_time, rng, scaled, until};
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use late_log::LateLog;

type Test = Result<(), Box<dyn Error>>;

/// A number was pushed to the list.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pushed(u64);

impl EventData for Pushed {
    const TYPE: &'static str = "list:pushed";
}

/// Appends, so that an event which comes twice, or not, shows on the page.
fn kit(hub: Hub) -> SseKit<Vec<u64>> {
    let kit = SseKit::with_state(hub, Vec::new());
    kit.on(|Pushed(n)| -> Result<_, BoxError> {
        Ok(Update::append("list".parse()?, &Html::text(n))?)
    });
    kit
}

fn push(list: &mut Vec<u64>) -> Pushed {
    let next = list.len() as u64;
    list.push(next);
    Pushed(next)
}

/// The numbers that a page is sent which resumes from `cursor`, up to `end`.
async fn replayed(kit: &SseKit<Vec<u64>>, mut cursor: EventId, end: EventId) -> Vec<u64> {
    let page = kit.hub().subscribe(Pushed::topic()).resume(Some(cursor.into())).open();
    let (mut page, mut numbers) = (page.expect("a page"), Vec::new());
    while cursor != end {
        match in_time("an event", page.recv()).await {
            Some(Delivery::Entry(entry)) => {
                cursor = entry.id();
                let frame = String::from_utf8_lossy(entry.frame()).into_owned();
                let number =
                    frame.split_once("beforeend\">").and_then(|(_, it)| it.split_once('<'));
                numbers.push(number.expect("an update").0.parse().expect("a number"));
            }
            other => panic!("not an event: {other:?}"),
        }
    }
    numbers
}

/// All numbers that pages of now and then were sent, after those that they showed when they were made.
async fn assert_pages_are_right(kit: &SseKit<Vec<u64>>, pages: Vec<(Vec<u64>, EventId)>) {
    let (list, end) = kit.read(Vec::clone).await;
    let expected: Vec<_> = (0..list.len() as u64).collect();
    assert_eq!(list, expected);
    until("all is delivered", || kit.hub().cursor() == end).await;
    for (shown, cursor) in pages {
        let mut page = shown.clone();
        page.extend(replayed(kit, cursor, end).await);
        assert_eq!(page, list, "a page that showed {} numbers at {cursor}", shown.len());
    }
}

/// Changers of which some are dropped, handlers that take their time, readers at any moment: each page
/// shows at the end what the state is.
async fn pages_equal_the_state(hub: Hub, random: &mut Rng) {
    let kit = kit(hub);
    let beginning = kit.read(Vec::clone).await;
    kit.dispatcher().on_event(|Pushed(n)| async move {
        for _ in 0..n % 4 {
            yield_now().await;
        }
    });
    let changers: Vec<_> = (0..4)
        .map(|_| {
            let kit = kit.clone();
            let mut random = random.fork();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let (pushes, patience) = (random.usize(0..3), random.usize(0..12));
                    let change = kit.change(|list: &mut Vec<u64>| {
                        (0..pushes).map(|_| push(list)).collect::<Vec<_>>()
                    });
                    let mut change = pin!(change);
                    for _ in 0..patience {
                        if poll_once(change.as_mut()).await {
                            break;
                        }
                        yield_now().await;
                    }
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let kit = kit.clone();
            tokio::spawn(async move {
                let mut pages = Vec::new();
                for _ in 0..40 {
                    pages.push(kit.read(Vec::clone).await);
                    yield_now().await;
                }
                pages
            })
        })
        .collect();
    for changer in changers {
        changer.await.expect("no panic");
    }
    let mut pages = vec![beginning];
    for reader in readers {
        pages.extend(reader.await.expect("no panic"));
    }
    assert_pages_are_right(&kit, pages).await;
}

/// Polls a future once; true when it is ready.
async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_and_the_events_after_it_equal_the_state() -> Test {
    let mut random = rng();
    for _ in 0..scaled(10) {
        pages_equal_the_state(Hub::builder().history(10_000).build()?, &mut random).await;
    }
    Ok(())
}

/// A log that several nodes share takes an event before this node delivers it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_right_although_its_node_is_behind_the_log() -> Test {
    let mut random = rng();
    for _ in 0..scaled(10) {
        let hub = Hub::builder().history(10_000).log(LateLog::default()).build()?;
        pages_equal_the_state(hub, &mut random).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_change_that_is_dropped_is_emitted_to_its_end_and_nothing_overtakes_it() -> Test {
    let kit = kit(Hub::new());
    let gate = Arc::new(Semaphore::new(0));
    let held = Arc::clone(&gate);
    kit.dispatcher().on_event(move |_: Pushed| {
        let held = Arc::clone(&held);
        async move { held.acquire().await.map(drop) }
    });
    let beginning = kit.read(Vec::clone).await;
    {
        let mut dropped = pin!(kit.change(|list| [push(list), push(list)]));
        assert!(!poll_once(dropped.as_mut()).await, "its handler waits");
    }
    {
        let mut waits = pin!(kit.change(push));
        assert!(!poll_once(waits.as_mut()).await, "the lock is taken");
    }
    let mut next = pin!(kit.change(push));
    let mut page = pin!(kit.read(Vec::clone));
    assert!(!poll_once(next.as_mut()).await && !poll_once(page.as_mut()).await);
    gate.add_permits(1_000);
    in_time("the change after it", next).await?;
    let page = in_time("a page", page).await;
    assert_eq!(page.0, [0, 1, 2], "the one that waited for the lock has changed nothing");
    assert_pages_are_right(&kit, vec![beginning, page]).await;
    Ok(())
}

#[tokio::test]
async fn a_change_that_fails_emits_nothing_and_its_value_comes_back() -> Test {
    let kit = kit(Hub::new());
    let refused = kit.change(|list| {
        if list.is_empty() { Err("empty") } else { Ok(Change::new("value").emit(push(list))) }
    });
    assert_eq!(refused.await?, Err("empty"));
    assert_eq!(kit.hub().stats().published, 0);

    kit.change(|list| list.push(0)).await?;
    assert_eq!(kit.hub().stats().published, 0, "it says that it emits nothing");
    let value = kit.change(|list| Ok::<_, &str>(Change::new("value").emit(push(list)))).await?;
    assert_eq!((value, kit.hub().stats().published), (Ok("value"), 1));
    Ok(())
}

#[tokio::test]
async fn a_change_emits_what_it_returns_in_order() -> Test {
    let kit = kit(Hub::new());
    let beginning = kit.read(Vec::clone).await;
    kit.change(|list| (push(list), Some(push(list)), [push(list)], vec![push(list)])).await?;
    kit.change(|list| None::<Pushed>.or_else(|| Some(push(list)))).await?;
    kit.change(|list| DomainEvent::of(&push(list))).await??;
    kit.change(|list| Change::new(()).emit((push(list), push(list)))).await?;
    kit.except([]).change(push).await?;
    let page = kit.read(Vec::clone).await;
    assert_eq!(page.0.len(), 9);
    assert_pages_are_right(&kit, vec![beginning, page]).await;

    let mut other = kit.hub().subscribe("other".parse::<sse_kit::event::Topic>()?).open()?;
    kit.change(|list| {
        let topic: sse_kit::event::Topic = "other".parse().expect("a topic");
        Change::new(()).emit_to(&topic, push(list)).publish(&topic, Event::new("as it is"))
    })
    .await?;
    for expected in ["beforeend", "as it is"] {
        let Some(Delivery::Entry(entry)) = in_time("an event", other.recv()).await else {
            panic!("not an event")
        };
        assert!(String::from_utf8_lossy(entry.frame()).contains(expected));
    }
    Ok(())
}

#[tokio::test]
async fn the_state_stays_when_the_pages_cannot_be_told() -> Test {
    let kit = kit(Hub::new());
    kit.updater()
        .on("list:pushed", |Pushed(n)| if n == 0 { Err("not the first") } else { Ok(()) })?;
    let error = kit.change(|list| (push(list), push(list))).await.unwrap_err();
    assert!(matches!(error.error().kind(), EmitErrorKind::Handlers));
    assert!(!error.is_shutdown());
    assert_eq!(
        error.to_string(),
        "the state has changed, but `list:pushed` was not handled in full: handler 1 for \
         `list:pushed` failed on `list:pushed`: not the first"
    );
    assert_eq!(kit.hub().stats().published, 2, "the second, and what the first handler made");

    kit.hub().shut_down(Goodbye::StayAway);
    let error = kit.change(|list| Change::new(list.len()).emit(push(list))).await.unwrap_err();
    assert!(error.is_shutdown());
    assert_eq!(error.into_value(), 2);
    let value = kit.change(|list| Change::new(list.len()).emit(push(list))).await;
    assert_eq!(value.unwrap_or_else(ChangeError::into_value), 3);
    assert_eq!(kit.read(Vec::len).await.0, 4);
    Ok(())
}

#[tokio::test]
async fn a_panic_frees_the_state() -> Test {
    let kit = kit(Hub::new());
    let panicking = kit.clone();
    let panicked =
        tokio::spawn(async move { panicking.change(|_| -> () { panic!("in the closure") }).await });
    assert!(panicked.await.is_err());
    in_time("the next change", kit.change(push)).await?;
    Ok(())
}

#[tokio::test]
async fn a_handler_may_read_and_change_the_state_of_its_kit_and_of_others() -> Test {
    let (kit, other) = (kit(Hub::new()), kit(Hub::new()));
    let beginning = kit.read(Vec::clone).await;
    let (inner, outer) = (kit.clone(), other.clone());
    kit.dispatcher().on_event(move |Pushed(n)| {
        let (kit, other) = (inner.clone(), outer.clone());
        async move {
            assert!(kit.read(|list| list.contains(&n)).await.0);
            if n < 3 {
                kit.change(push).await?;
                other.change(push).await?;
            }
            Ok::<_, BoxError>(())
        }
    });
    // And back again, which would be a deadlock of two locks.
    let back = kit.clone();
    other.dispatcher().on_event(move |Pushed(n)| {
        let kit = back.clone();
        async move { kit.change(|list| (n == 0).then(|| push(list))).await }
    });
    in_time("a change of changes", kit.change(push)).await?;
    let page = kit.read(Vec::clone).await;
    assert_eq!((page.0.len(), other.read(Vec::len).await.0), (5, 3));
    assert_pages_are_right(&kit, vec![beginning, page]).await;
    Ok(())
}

/// A handler gives up waiting for another kit, whose events go on by themselves.
#[tokio::test]
async fn a_change_that_outlives_the_change_around_it_keeps_no_lock_and_loses_no_event() -> Test {
    let (kit, other) = (kit(Hub::new()), kit(Hub::new()));
    let beginning = kit.read(Vec::clone).await;
    let gate = Arc::new(Semaphore::new(0));
    let (inner, opened) = (kit.clone(), Arc::clone(&gate));
    other.dispatcher().on_event(move |_: Pushed| {
        let (kit, gate) = (inner.clone(), Arc::clone(&opened));
        async move {
            gate.acquire().await?.forget();
            kit.change(push).await?;
            Ok::<_, BoxError>(())
        }
    });
    let outer = other.clone();
    kit.dispatcher().on_event(move |Pushed(n)| {
        let other = outer.clone();
        async move {
            if n == 0 {
                assert!(!poll_once(pin!(other.change(push))).await, "it waits for the gate");
            }
        }
    });
    in_time("the change", kit.change(push)).await?;
    assert_eq!(in_time("the lock", kit.read(Vec::len)).await.0, 1);

    gate.add_permits(1);
    assert_eq!(in_time("the end of the other change", other.read(Vec::len)).await.0, 1);
    let page = kit.read(Vec::clone).await;
    assert_eq!(page.0, [0, 1]);
    assert_pages_are_right(&kit, vec![beginning, page]).await;
    Ok(())
}

#[tokio::test]
async fn an_event_that_was_published_before_does_not_turn_the_cursor_back() -> Test {
    let kit = kit(Hub::builder().log(LateLog::default()).build()?);
    let paid = Event::new("paid").with_idempotency_key("order-17".parse()?);
    let pay = |_: &mut Vec<u64>| Change::new(()).publish(Audience::Everyone, paid.clone());
    kit.change(push).await?;
    kit.change(pay).await?;
    for _ in 0..5 {
        kit.change(push).await?;
    }
    kit.change(pay).await?;
    let (_, cursor) = kit.read(Vec::len).await;
    assert!(kit.hub().cursor().offset() < 7, "the node is behind its log");
    assert_eq!(cursor.offset(), 7);
    Ok(())
}

#[tokio::test]
async fn handlers_that_change_the_state_for_ever_are_cut_off() -> Test {
    let kit = kit(Hub::new()).on_handler_failure(OnFailure::Log);
    let inner = kit.clone();
    kit.dispatcher().on_event(move |_: Pushed| {
        let kit = inner.clone();
        async move { kit.change(push).await }
    });
    in_time("the end", kit.change(push)).await?;
    assert_eq!(kit.read(Vec::len).await.0, 1_002, "its own, those that joined, and one too many");
    Ok(())
}
