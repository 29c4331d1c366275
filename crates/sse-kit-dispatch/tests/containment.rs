//! One event or handler does not affect others: keys, buckets, panics, nesting, namespaces.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sse_kit_dispatch::middleware::{Deduplicate, RateLimit, Timeout};
use sse_kit_dispatch::{
    BoxError, CallbackError, DispatchError, Dispatched, Dispatcher, DomainEvent, Ending,
};

use tokio::time::{advance, sleep, timeout};

type TestResult = Result<(), BoxError>;

const SECOND: Duration = Duration::from_secs(1);

fn event(event_type: &str) -> DomainEvent {
    DomainEvent::new(event_type, &Value::Null).expect("an event type")
}

fn with_id(id: u32) -> DomainEvent {
    event("t").with_data(json!({ "id": id }))
}

fn by_id(event: &DomainEvent) -> Option<Value> {
    event.data().get("id").cloned()
}

fn is_handled(dispatched: &Result<Dispatched, DispatchError>) -> bool {
    matches!(dispatched, Ok(Dispatched { ending: Ending::Handled, .. }))
}

fn is_stopped(dispatched: &Result<Dispatched, DispatchError>) -> bool {
    matches!(dispatched, Ok(Dispatched { ending: Ending::Stopped { .. }, .. }))
}

#[tokio::test(start_paused = true)]
async fn events_that_fail_push_out_no_key() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Deduplicate::new(1000 * SECOND, by_id).keys(4));
    dispatcher.middleware(Timeout::new(SECOND));
    dispatcher.on("t", |event| {
        let is_bad = event.data()["id"] == json!(2);
        async move {
            if is_bad {
                sleep(2 * SECOND).await;
            }
        }
    })?;
    assert!(is_handled(&dispatcher.dispatch(with_id(1)).await));
    for _ in 0..4 {
        assert!(matches!(
            dispatcher.dispatch(with_id(2)).await,
            Err(DispatchError::TimedOut { .. })
        ));
    }
    assert!(is_stopped(&dispatcher.dispatch(with_id(1)).await), "its key is still known");
    Ok(())
}

/// A dispatcher whose first event takes 2 s and fails if told so, and a count of those handled.
fn slow_first(fails: bool, wait: Duration) -> Result<(Dispatcher, Arc<AtomicUsize>), BoxError> {
    let (dispatcher, calls) = (Dispatcher::new(), Arc::new(AtomicUsize::new(0)));
    dispatcher.middleware(Deduplicate::new(1000 * SECOND, by_id).wait(wait));
    if fails {
        dispatcher.middleware(Timeout::new(SECOND));
    }
    let count = Arc::clone(&calls);
    dispatcher.on("t", move |_| {
        let is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if is_first {
                sleep(2 * SECOND).await;
            }
        }
    })?;
    Ok((dispatcher, calls))
}

#[tokio::test(start_paused = true)]
async fn twins_wait_for_the_first_and_one_of_them_takes_its_place() -> TestResult {
    let (dispatcher, calls) = slow_first(true, 5 * SECOND)?;
    let twins = [1, 1, 1].map(|id| dispatcher.dispatch(with_id(id)));
    let [first, second, third] = twins;
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(matches!(first, Err(DispatchError::TimedOut { .. })), "{first:?}");
    assert!(is_handled(&second) != is_handled(&third), "one of them is handled");
    assert!(is_stopped(&second) != is_stopped(&third), "the other one knows that");
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    let (dispatcher, calls) = slow_first(false, Duration::MAX)?;
    let (first, twin) =
        tokio::join!(dispatcher.dispatch(with_id(1)), dispatcher.dispatch(with_id(1)));
    assert!(is_handled(&first) && is_stopped(&twin));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_twin_waits_for_so_long_and_then_says_so() -> TestResult {
    let (dispatcher, _) = slow_first(false, SECOND)?;
    let (first, twin) =
        tokio::join!(dispatcher.dispatch(with_id(1)), dispatcher.dispatch(with_id(1)));
    assert!(is_handled(&first));
    assert!(matches!(twin, Err(DispatchError::InFlight { waited: SECOND })), "{twin:?}");

    // A handler that waits for itself does not do so for ever.
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Deduplicate::new(1000 * SECOND, by_id).wait(SECOND));
    let again = dispatcher.downgrade();
    dispatcher.on("t", move |_| {
        let again = again.upgrade();
        async move {
            let inner = again.expect("it is there").dispatch(with_id(1)).await;
            assert!(matches!(inner, Err(DispatchError::InFlight { .. })), "{inner:?}");
        }
    })?;
    let outer = dispatcher.dispatch(with_id(1)).await?;
    assert!(outer.errors.is_empty(), "{:?}", outer.errors);
    Ok(())
}

/// The event is not handled for good before what follows its dispatch has succeeded.
#[tokio::test(start_paused = true)]
async fn a_key_is_free_again_when_what_follows_the_dispatch_fails_or_is_dropped() -> TestResult {
    let (dispatcher, calls) = slow_first(false, Duration::MAX)?;
    let then = |ok: bool| {
        let dispatched = dispatcher.dispatch_then(with_id(1), move |dispatched| async move {
            sleep(SECOND).await;
            if ok { Ok(dispatched) } else { Err("the log is down") }
        });
        async move { dispatched.await.map(|then| then.map_err(str::to_owned)) }
    };
    // The twin comes while the first is followed up, which fails: so it is the twin's turn.
    let (first, twin) = tokio::join!(then(false), async {
        sleep(SECOND + SECOND + SECOND / 2).await;
        then(false).await
    });
    assert!(matches!(first, Ok(Err(_))), "{first:?}");
    assert!(matches!(twin, Ok(Err(_))), "{twin:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    assert!(timeout(SECOND / 2, then(true)).await.is_err(), "it is dropped");
    assert!(is_handled(&then(true).await?.map_err(|_| DispatchError::middleware("failed"))));
    assert_eq!(calls.load(Ordering::Relaxed), 4);
    assert!(is_stopped(&dispatcher.dispatch(with_id(1)).await));
    Ok(())
}

/// The same dispatch runs the rest of the way twice: one after the other, or at the same time.
#[tokio::test(start_paused = true)]
async fn a_dispatch_does_not_wait_for_itself() -> TestResult {
    for at_the_same_time in [false, true] {
        let (dispatcher, calls) = (Dispatcher::new(), Arc::new(AtomicUsize::new(0)));
        dispatcher.middleware_fn(move |event, next| async move {
            let (first, second) = (next.run(Arc::clone(&event)), next.run(event));
            if at_the_same_time {
                tokio::join!(first, second).1
            } else {
                let _first = first.await?;
                second.await
            }
        });
        dispatcher.middleware(Deduplicate::new(1000 * SECOND, by_id));
        let count = Arc::clone(&calls);
        dispatcher.on("t", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            sleep(SECOND)
        })?;
        assert!(is_stopped(&dispatcher.dispatch(with_id(1)).await));
        assert!(is_stopped(&dispatcher.dispatch(with_id(1)).await));
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
    Ok(())
}

/// A middleware leaves the rest of the way to a task, and that ends after the dispatch.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_handled_after_its_dispatch_is_known_too() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware_fn(|event, next| async move {
        tokio::spawn({
            let event = Arc::clone(&event);
            async move { next.run(event).await }
        });
        Ok(Dispatched::stopped(event, "later"))
    });
    dispatcher.middleware(Deduplicate::new(1000 * SECOND, by_id));
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    dispatcher.on("t", move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    })?;
    for _ in 0..2 {
        assert!(is_stopped(&dispatcher.dispatch(with_id(1)).await));
        sleep(SECOND).await;
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn idle_types_are_forgotten_and_no_type_has_two_buckets() {
    let dispatcher = Dispatcher::new();
    let two = NonZeroU32::new(2).expect("not zero");
    let limit = RateLimit::new(two, 10 * SECOND).types(2);
    dispatcher.middleware(limit);
    for event_type in ["a", "b"] {
        assert!(is_handled(&dispatcher.dispatch(event(event_type)).await));
    }
    // There is no room for `c`, so it shares a bucket, and empties it.
    for _ in 0..2 {
        assert!(is_handled(&dispatcher.dispatch(event("c")).await));
    }
    assert!(!is_handled(&dispatcher.dispatch(event("c")).await));
    // `a` and `b` are full again, but the shared bucket is not: `c` has one event more, and not two.
    advance(5 * SECOND).await;
    assert!(is_handled(&dispatcher.dispatch(event("c")).await));
    assert!(!is_handled(&dispatcher.dispatch(event("c")).await));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        // Once, or the process ends.
        if !std::thread::panicking() {
            std::panic::panic_any("dropped");
        }
    }
}

#[tokio::test]
async fn a_panic_whose_payload_panics_is_one_of_the_handler() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.on("t", |_| -> () { std::panic::panic_any(Bomb) })?;
    dispatcher.on("t", |_| json!(1))?;
    let dispatched = dispatcher.dispatch(event("t")).await?;
    assert!(matches!(dispatched.errors[0].source, CallbackError::Panicked { .. }));
    assert_eq!(dispatched.results.len(), 1);
    Ok(())
}

/// Dispatches an event whose handler dispatches it again, through so many middleware, on a thread with
/// the stack of a worker of Tokio; returns how often the handler ran, and the innermost error.
fn nested(middleware: usize) -> Result<(usize, String), BoxError> {
    let run = move || -> Result<(usize, String), BoxError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let dispatcher = Dispatcher::new();
        for _ in 0..middleware {
            dispatcher.middleware_fn(|event, next| async move { next.run(event).await });
        }
        let (calls, innermost) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(parking_lot::Mutex::new(None)));
        let (count, told, again) =
            (Arc::clone(&calls), Arc::clone(&innermost), dispatcher.downgrade());
        dispatcher.on("t", move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            let (told, again) = (Arc::clone(&told), again.upgrade());
            async move {
                if let Err(error) = again.expect("it is there").dispatch(event("t")).await {
                    *told.lock() = Some(error.to_string());
                }
            }
        })?;
        let outermost = runtime.block_on(dispatcher.dispatch(event("t")))?;
        assert!(outermost.errors.is_empty(), "only the innermost knows");
        let told = innermost.lock().take().unwrap_or_default();
        Ok((calls.load(Ordering::Relaxed), told))
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run)?;
    thread.join().map_err(|_| "the thread panicked")?
}

#[test]
fn nested_dispatches_end_before_the_stack_does() -> TestResult {
    for (middleware, calls) in [(0, 32), (12, 32), (20, 20), (100, 4), (500, 1)] {
        let (called, error) = nested(middleware)?;
        assert_eq!(called, calls, "{middleware} middleware");
        assert_eq!(error, DispatchError::TooDeep { dispatches: calls }.to_string());
    }
    Ok(())
}

#[tokio::test]
async fn a_type_is_in_the_namespace_that_it_begins_with() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.register_namespace("shop")?;
    dispatcher.register_namespace("a:b")?;
    dispatcher.on("*", |_| ())?;
    dispatcher.enforce_namespaces();
    for welcome in ["t", "shop:sold", "a:b:c", "shop:job:done"] {
        assert!(is_handled(&dispatcher.dispatch(event(welcome)).await), "{welcome}");
    }
    assert!(is_handled(&dispatcher.dispatch(event("t").with_namespace("a:b")?).await));
    for (refused, namespace) in
        [("admin:delete", "admin"), ("a:c", "a"), ("shopping:x", "shopping")]
    {
        let error = dispatcher.dispatch(event(refused)).await.expect_err("it is not registered");
        let expected = format!("the namespace `{namespace}` is not registered");
        assert_eq!(error.to_string(), expected, "{refused}");
    }
    assert!(dispatcher.dispatch(event("b:t").with_namespace("a")?).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_panic_keeps_no_later_event_from_its_handlers() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.on_typed("t", |times: u32| assert_ne!(times, 1, "the first"))?;
    let first = dispatcher.dispatch(event("t").with_data(json!(1))).await?;
    assert!(
        matches!(&first.errors[0].source, CallbackError::Panicked { message } if message.contains("the first"))
    );
    assert_eq!(dispatcher.dispatch(event("t").with_data(json!(2))).await?.results.len(), 1);
    Ok(())
}
