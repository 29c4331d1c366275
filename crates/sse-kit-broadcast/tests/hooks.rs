//! Broadcast hooks: their order, what they wait for, and how they fail.

mod patience;
mod receiving;
mod slow_log;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use patience::soon;
use receiving::{data, received, settle};
use slow_log::{DELAY, SlowLog};
use sse_kit_broadcast::{
    CloseReason, Draft, HookError, Hub, HubBuilder, OnAppendFailure, PublishError, Verdict,
};
use sse_kit_event::{Event, Topic};
use sse_kit_test_support::TestResult;
use tokio::time::{Instant, sleep};

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn with_hook() -> HubBuilder {
    Hub::builder().heartbeat(None).on_broadcast(|_| Verdict::Keep)
}

#[tokio::test(start_paused = true)]
async fn publishers_do_not_wait_for_each_others_answers() -> TestResult {
    let log = SlowLog::new();
    let hub = with_hook().log(log.clone()).build()?;
    let mut tab = hub.subscribe(topic("t")).open()?;
    let (begin, topic) = (Instant::now(), topic("t"));
    let publish = |n: usize| hub.publish(&topic, Event::new(n.to_string()));
    for receipt in join_all((0..12).map(publish)).await {
        receipt?;
    }
    assert_eq!(begin.elapsed(), DELAY, "all at the same time");
    settle().await;
    let in_order: Vec<_> = (0..12).map(|n| data(&n.to_string())).collect();
    assert_eq!(received(&mut tab).await, in_order);

    log.fails.store(true, Ordering::Relaxed);
    let begin = Instant::now();
    for failed in join_all((0..12).map(publish)).await {
        assert!(matches!(failed, Err(PublishError::Log(_))), "{failed:?}");
    }
    assert_eq!(begin.elapsed(), DELAY, "an outage costs each publisher its own wait alone");
    Ok(())
}

/// A hub whose hook publishes what it sees to the audit topic of the other hub, and vetoes secrets.
fn auditing(other: &Arc<OnceLock<Hub>>) -> Result<Hub, Box<dyn std::error::Error>> {
    let other = Arc::clone(other);
    let hub = Hub::builder().on_broadcast(move |draft| {
        let other = other.get().cloned();
        async move {
            if draft.topic() == Some(&topic("audit")) {
                return Ok::<_, HookError>(Verdict::Keep);
            }
            // The other hub is asked while it asks this one.
            tokio::task::yield_now().await;
            let other = other.ok_or("it is set by now")?;
            other.publish(&topic("audit"), Event::new("seen")).await?;
            Ok(if draft.event().data() == "secret" { Verdict::Veto } else { Verdict::Keep })
        }
    });
    Ok(hub.build()?)
}

#[tokio::test(start_paused = true)]
async fn hubs_whose_hooks_publish_to_each_other_do_not_wait_for_each_other() -> TestResult {
    let (to_a, to_b) = (Arc::new(OnceLock::new()), Arc::new(OnceLock::new()));
    let (a, b) = (auditing(&to_b)?, auditing(&to_a)?);
    to_a.set(a.clone()).map_err(|_| "set once")?;
    to_b.set(b.clone()).map_err(|_| "set once")?;
    let begin = Instant::now();
    let publish = |hub: &Hub| {
        let hub = hub.clone();
        async move { hub.publish(&topic("news"), Event::new("secret")).await }
    };
    for outcome in join_all([&a, &b, &a, &b].map(publish)).await {
        assert!(matches!(outcome, Err(PublishError::Vetoed)), "{outcome:?}");
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
    for hub in [a, b] {
        assert_eq!((hub.stats().published, hub.stats().hook_failures), (2, 0));
        assert_eq!(hub.history(&topic("audit"), 9).len(), 2);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_publish_waits_for_its_turn_only_so_long() -> TestResult {
    let hub = Hub::builder()
        .hook_timeout(Duration::from_secs(30))
        .turn_timeout(Duration::from_secs(3))
        .on_broadcast(async |_| {
            sleep(Duration::from_secs(20)).await;
            Verdict::Keep
        })
        .build()?;
    let (begin, topic) = (Instant::now(), topic("t"));
    let both = [hub.publish(&topic, Event::new("1")), hub.publish(&topic, Event::new("2"))];
    let [first, second] = &join_all(both).await[..] else { panic!("two outcomes") };
    assert!(first.is_ok(), "{first:?}");
    assert!(matches!(second, Err(PublishError::HooksBusy)), "{second:?}");
    assert_eq!((begin.elapsed(), hub.stats().published), (Duration::from_secs(20), 1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_guard_fails_closed_and_a_hook_fails_open() -> TestResult {
    let failing = |event: String| async move {
        match event.as_str() {
            "error" => Err("no answer"),
            "panic" => panic!("as it should"),
            "slow" => {
                sleep(Duration::from_secs(3600)).await;
                Ok(Verdict::Keep)
            }
            _ => Ok(Verdict::Keep),
        }
    };
    let open = Hub::builder()
        .on_broadcast(move |draft| failing(draft.event().data().to_owned()))
        .build()?;
    let closed =
        Hub::builder().guard(move |draft| failing(draft.event().data().to_owned())).build()?;
    for what in ["error", "panic", "slow"] {
        assert!(open.publish(&topic("t"), Event::new(what)).await.is_ok());
        let refused = closed.publish(&topic("t"), Event::new(what)).await;
        assert!(matches!(refused, Err(PublishError::GuardFailed)), "{refused:?}");
    }
    assert!(closed.publish(&topic("t"), Event::new("fine")).await.is_ok());
    assert_eq!((open.stats().published, closed.stats().published), (3, 1));
    assert_eq!((open.stats().hook_failures, closed.stats().hook_failures), (3, 3));
    Ok(())
}

/// A hub whose hook takes a few polls for each event, and has two events follow the first.
fn with_follow_ups() -> HubBuilder {
    Hub::builder().heartbeat(None).on_broadcast(async |draft: Arc<Draft>| {
        tokio::task::yield_now().await;
        match draft.event().data() {
            "parent" => {
                draft.follow_up(draft.audience(), Event::new("child"));
                draft.follow_up(topic("other"), Event::new("elsewhere"));
            }
            "child" => draft.follow_up(draft.audience(), Event::new("grandchild")),
            "vetoed" => {
                draft.follow_up(draft.audience(), Event::new("instead"));
                return Verdict::Veto;
            }
            _ => {}
        }
        Verdict::Keep
    })
}

/// Publishes, but drops the future after so many polls. Returns `true` if it was ready by then.
async fn publish_and_drop(hub: &Hub, event: Event, polls: usize) -> bool {
    let topic = topic("t");
    let mut publishing = Box::pin(hub.publish(&topic, event));
    for _ in 0..polls {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(receipt) = publishing.as_mut().poll(&mut cx) {
            receipt.expect("it is published");
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

#[tokio::test(start_paused = true)]
async fn an_event_and_what_follows_it_are_published_together_or_not_at_all() -> TestResult {
    for is_slow in [false, true] {
        for polls in 1..100 {
            let builder = with_follow_ups();
            let builder = if is_slow { builder.log(SlowLog::new()) } else { builder };
            let hub = builder.build()?;
            let mut tab = hub.subscribe(topic("t")).open()?;
            let ready = publish_and_drop(&hub, Event::new("parent"), polls).await;
            let published = hub.stats().published;
            assert!(published == 0 || published == 4, "{published} after {polls} polls");
            if published == 4 {
                settle().await;
                let family = ["parent", "child", "grandchild"].map(data);
                assert_eq!(received(&mut tab).await, family);
            }
            if ready {
                break;
            }
            assert!(polls < 99 || is_slow, "it is ready some time");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_vetoed_event_is_published_in_its_place() -> TestResult {
    let hub = with_follow_ups().build()?;
    let mut tab = hub.subscribe(topic("t")).open()?;
    let vetoed = hub.publish(&topic("t"), Event::new("vetoed")).await;
    assert!(matches!(vetoed, Err(PublishError::Vetoed)), "{vetoed:?}");
    settle().await;
    assert_eq!(received(&mut tab).await, [data("instead")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_follows_an_event_goes_the_same_way_where_the_log_is_down() -> TestResult {
    let log = SlowLog::new();
    log.fails.store(true, Ordering::Relaxed);
    let strict = with_follow_ups().log(log.clone()).build()?;
    let local =
        with_follow_ups().log(log).on_append_failure(OnAppendFailure::DeliverLocally).build()?;
    for (hub, expected) in [(strict, &[][..]), (local, &["parent", "child", "grandchild"])] {
        let mut tab = hub.subscribe(topic("t")).open()?;
        let outcome = hub.publish(&topic("t"), Event::new("parent")).await;
        assert_eq!(outcome.is_ok(), !expected.is_empty());
        settle().await;
        let expected: Vec<_> = expected.iter().copied().map(data).collect();
        assert_eq!(received(&mut tab).await, expected);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_in_place_of_another_is_about_the_same() -> TestResult {
    let count = AtomicUsize::new(0);
    let hub = Hub::builder()
        .on_broadcast(move |_| {
            let text = format!("redacted {}", count.fetch_add(1, Ordering::Relaxed));
            Verdict::Replace(Event::new(text))
        })
        .build()?;
    let event = || Event::new("secret").with_key("bar".parse().expect("a key"));
    let event = || event().with_idempotency_key("once".parse().expect("a key"));
    let first = hub.publish(&topic("t"), event()).await?;
    let second = hub.publish(&topic("t"), event()).await?;
    assert_eq!((second.id, second.repeated, second.receivers), (first.id, true, 0));
    let entries = hub.history(&topic("t"), 9);
    assert_eq!(entries.len(), 1, "it was published once, whatever the hook made of it");
    assert_eq!(entries[0].key(), event().key());
    assert!(entries[0].frame().starts_with(b"data: redacted 0\n"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn history_holds_what_was_sent_after_the_hooks() -> TestResult {
    let hub = Hub::builder().on_broadcast(|_| Verdict::Replace(Event::new("redacted"))).build()?;
    hub.publish(&topic("t"), Event::new("secret")).await?;
    let entries = hub.history(&topic("t"), 1);
    assert!(entries[0].frame().starts_with(b"data: redacted\n"));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_async_hook_does_not_reorder_events() -> TestResult {
    let hub = Hub::builder()
        .on_broadcast(async |draft: Arc<Draft>| {
            // The first takes longest.
            let millis = 100 - 10 * draft.event().data().parse::<u64>()?;
            sleep(Duration::from_millis(millis)).await;
            Ok::<_, HookError>(Verdict::Keep)
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
    let hub = Arc::new(OnceLock::<Hub>::new());
    let (inner, refused) = (Arc::clone(&hub), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&refused);
    let made = Hub::builder()
        .on_broadcast(move |draft| {
            let (hub, refused) = (inner.get().cloned(), Arc::clone(&count));
            async move {
                if draft.event().data() == "parent" {
                    draft.follow_up(draft.audience(), Event::new("child"));
                    let hub = hub.ok_or("it is set by now")?;
                    if let Err(PublishError::InsideHook) = hub.broadcast(Event::new("x")).await {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Ok::<_, HookError>(Verdict::Keep)
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
    let first = Arc::new(OnceLock::<Hub>::new());
    let back = Arc::clone(&first);
    let second = Hub::builder()
        .on_broadcast(move |_| {
            let back = back.get().cloned();
            async move {
                let back = back.ok_or("it is set by now")?.broadcast(Event::new("back")).await;
                match back {
                    Err(PublishError::InsideHook) => Ok(Verdict::Keep),
                    other => Err(HookError::from(format!("{other:?}"))),
                }
            }
        })
        .build()?;
    let bridge = second.clone();
    let made = Hub::builder()
        .on_broadcast(move |draft| {
            let (bridge, event) = (bridge.clone(), draft.event().clone());
            async move { bridge.broadcast(event).await.map(|_| Verdict::Keep) }
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
            Verdict::Keep
        })
        .build()?;
    hub.publish(&topic("t"), Event::new("x")).await?;
    assert_eq!(hub.stats().published, 65);
    assert_eq!(hub.stats().hook_failures, 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn hooks_sync_and_async_run_in_order_of_registration() -> TestResult {
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |line: &'static str| {
        let log = Arc::clone(&log);
        move || log.lock().unwrap().push(line)
    };
    let (c1, c2, d1, d2, b1, b2) =
        (note("c1"), note("c2"), note("d1"), note("d2"), note("b1"), note("b2"));
    let hub = Hub::builder()
        .on_connect(move |_| {
            let c1 = c1.clone();
            async move {
                sleep(Duration::from_millis(10)).await;
                c1();
            }
        })
        .on_connect(move |_| c2())
        .on_disconnect(move |_, why| {
            assert_eq!(why, CloseReason::ClientGone);
            let d1 = d1.clone();
            async move { d1() }
        })
        .on_disconnect(move |_, _| d2())
        .on_broadcast(move |_| {
            let b1 = b1.clone();
            async move {
                sleep(Duration::from_millis(10)).await;
                b1();
                Verdict::Keep
            }
        })
        .on_broadcast(move |_| {
            b2();
            Verdict::Keep
        })
        .build()?;
    drop(hub.subscribe(topic("t")).open()?);
    sleep(Duration::from_secs(1)).await;
    hub.publish(&topic("t"), Event::new("x")).await?;
    assert_eq!(*log.lock().unwrap(), ["c1", "c2", "d1", "d2", "b1", "b2"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_hook_replaces_or_vetoes_before_anything_is_stored_or_sent() -> TestResult {
    let hub = Hub::builder()
        .on_broadcast(|draft| match draft.event().data() {
            "secret" => Verdict::Replace(Event::new("redacted")),
            "never" => Verdict::Veto,
            _ => Verdict::Keep,
        })
        // The second hook sees what the first one made of it.
        .on_broadcast(|draft| {
            assert_ne!(draft.event().data(), "secret");
            Verdict::Keep
        })
        .build()?;
    let news = topic("news");
    let mut subscription = hub.subscribe(&news).open()?;
    hub.publish(&news, Event::new("secret")).await?;
    assert!(matches!(hub.publish(&news, Event::new("never")).await, Err(PublishError::Vetoed)));
    hub.publish(&news, Event::new("open")).await?;
    settle().await;
    assert_eq!(received(&mut subscription).await, [data("redacted"), data("open")]);
    assert_eq!((hub.stats().vetoed, hub.stats().published), (1, 2));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_panics_or_hangs_breaks_nothing() -> TestResult {
    let hub = Hub::builder()
        .hook_timeout(Duration::from_secs(1))
        .on_connect(|_| Err::<(), _>("fails"))
        .on_connect(|_| -> () { panic!("panics") })
        .on_connect(|_| std::future::pending::<()>())
        .on_disconnect(|_, _| -> () { panic!("panics") })
        .on_broadcast(|_| Err::<Verdict, _>("fails"))
        .on_broadcast(|_| -> Verdict { panic!("panics") })
        .on_broadcast(async |_| -> Verdict { panic!("panics later") })
        .on_broadcast(|_| std::future::pending::<Verdict>())
        .build()?;
    let mut subscription = hub.subscribe(topic("t")).open()?;
    hub.publish(&topic("t"), Event::new("x")).await?;
    settle().await;
    assert_eq!(received(&mut subscription).await, [data("x")]);
    drop(subscription);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(hub.stats().hook_failures, 8);
    Ok(())
}
