//! The middleware that is ready made.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sse_kit_dispatch::middleware::{Deduplicate, DispatchLog, RateLimit, Timeout};
use sse_kit_dispatch::{BoxError, DispatchError, Dispatched, Dispatcher, DomainEvent, Ending};
use tokio::time::{Instant, advance, sleep};
use tracing_subscriber::filter::LevelFilter;

type TestResult = Result<(), Box<dyn Error>>;

const SECOND: Duration = Duration::from_secs(1);

fn event(event_type: &str) -> DomainEvent {
    DomainEvent::new(event_type, &Value::Null).expect("an event type")
}

fn by_id(event: &DomainEvent) -> Option<Value> {
    event.data().get("id").cloned()
}

fn with_id(id: u32) -> DomainEvent {
    event("t").with_data(json!({ "id": id }))
}

fn is_handled(dispatched: &Result<Dispatched, DispatchError>) -> bool {
    matches!(dispatched, Ok(Dispatched { ending: Ending::Handled, .. }))
}

#[tokio::test(start_paused = true)]
async fn a_timeout_drops_what_takes_too_long() -> TestResult {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Timeout::new(5 * SECOND));
    let dropped = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&dropped);
    dispatcher.on_typed("t", move |seconds: u32| {
        let count = Count(Arc::clone(&counter));
        async move {
            sleep(seconds * SECOND).await;
            let _count = count;
        }
    })?;
    let taking = |seconds: u32| dispatcher.dispatch(event("t").with_data(json!(seconds)));
    assert_eq!(taking(4).await?.results.len(), 1);
    let start = Instant::now();
    let error = taking(6).await.expect_err("it takes too long");
    assert!(matches!(error, DispatchError::TimedOut { after } if after == 5 * SECOND));
    assert_eq!(start.elapsed(), 5 * SECOND);
    assert_eq!(dropped.load(Ordering::Relaxed), 2, "the second where it waited");
    Ok(())
}

#[test]
fn a_timeout_without_a_timer_is_an_error() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Timeout::new(SECOND));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let error = runtime.block_on(dispatcher.dispatch(event("t"))).expect_err("there is no timer");
    assert!(matches!(error, DispatchError::Middleware(_)), "{error}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_lets_a_burst_pass_and_then_makes_room_at_an_even_pace() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(RateLimit::new(NonZeroU32::new(4).ok_or("0")?, 8 * SECOND));
    for _ in 0..4 {
        assert!(is_handled(&dispatcher.dispatch(event("t")).await));
    }
    let error = dispatcher.dispatch(event("t")).await.expect_err("the fifth is too many");
    let DispatchError::RateLimited { event_type, retry_after } = error else { panic!("{error}") };
    assert_eq!((event_type.as_str(), retry_after), ("t", 2 * SECOND));
    assert!(is_handled(&dispatcher.dispatch(event("other")).await), "each type for itself");

    advance(retry_after).await;
    assert!(is_handled(&dispatcher.dispatch(event("t")).await));
    assert!(dispatcher.dispatch(event("t")).await.is_err());
    advance(100 * SECOND).await;
    for n in 0..5 {
        assert_eq!(is_handled(&dispatcher.dispatch(event("t")).await), n < 4, "{n}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_has_bounded_memory() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(RateLimit::new(NonZeroU32::MIN, 10 * SECOND).types(2));
    let passes = async |event_type| is_handled(&dispatcher.dispatch(event(event_type)).await);
    assert!(passes("a").await);
    assert!(passes("b").await);
    assert!(passes("c").await, "the first of all others");
    assert!(!passes("d").await, "no room for a bucket of its own");
    assert!(!passes("a").await, "nor is one forgotten that is in use");
    advance(10 * SECOND).await;
    assert!(passes("d").await);
    assert!(passes("e").await, "those who have all their room again were forgotten");
    assert!(passes("f").await, "the first of all others");
    assert!(!passes("g").await);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn extreme_limits_do_not_panic() {
    for limit in [
        RateLimit::new(NonZeroU32::MAX, Duration::ZERO),
        RateLimit::new(NonZeroU32::MIN, Duration::MAX).types(0),
        RateLimit::new(NonZeroU32::MAX, Duration::MAX),
    ] {
        let dispatcher = Dispatcher::new();
        dispatcher.middleware(limit);
        dispatcher.middleware(Deduplicate::new(Duration::MAX, by_id).keys(0));
        assert!(is_handled(&dispatcher.dispatch(event("t")).await));
        advance(SECOND).await;
        let again = dispatcher.dispatch(event("t")).await;
        assert!(!matches!(again, Err(DispatchError::Middleware(_))), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_stopped_within_the_time() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Deduplicate::new(10 * SECOND, by_id));
    let stopped = Ending::Stopped { by: "deduplicate".into() };
    assert!(is_handled(&dispatcher.dispatch(with_id(1)).await));
    assert!(is_handled(&dispatcher.dispatch(with_id(2)).await));
    advance(9 * SECOND).await;
    assert_eq!(dispatcher.dispatch(with_id(1)).await?.ending, stopped);
    for _ in 0..2 {
        assert!(is_handled(&dispatcher.dispatch(event("without a key")).await));
    }
    advance(SECOND).await;
    assert!(is_handled(&dispatcher.dispatch(with_id(1)).await), "its time began with the first");
    assert_eq!(dispatcher.dispatch(with_id(1)).await?.ending, stopped);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn of_more_keys_than_are_kept_the_oldest_is_forgotten() {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Deduplicate::new(10 * SECOND, by_id).keys(2));
    for (id, passes) in [(1, true), (2, true), (1, false), (3, true), (1, true), (3, false)] {
        assert_eq!(is_handled(&dispatcher.dispatch(with_id(id)).await), passes, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_came_to_nothing_may_be_tried_again() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Deduplicate::new(100 * SECOND, by_id));
    dispatcher.middleware(Timeout::new(SECOND));
    dispatcher.on("t", |_| sleep(2 * SECOND))?;
    assert!(dispatcher.dispatch(with_id(1)).await.is_err());
    assert!(dispatcher.dispatch(with_id(1)).await.is_err(), "tried again");
    let dropped = tokio::time::timeout(SECOND / 2, dispatcher.dispatch(with_id(1))).await;
    assert!(dropped.is_err());

    dispatcher.clear_all();
    dispatcher.on("t", |_| -> Result<(), BoxError> { Err("no".into()) })?;
    assert_eq!(dispatcher.dispatch(with_id(1)).await?.errors.len(), 1);
    let again = dispatcher.dispatch(with_id(1)).await;
    assert!(!is_handled(&again), "the other handlers have done their work");
    advance(98 * SECOND).await;
    let again = dispatcher.dispatch(with_id(1)).await;
    assert!(!is_handled(&again), "the time of the first is over, but not that of the last");
    Ok(())
}

#[test]
fn a_trace_says_how_long_it_took_and_failures_are_logged_with_their_causes() -> TestResult {
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(DispatchLog);
    dispatcher.on("job:*", |_| ())?;
    dispatcher.on_typed("job:done", |_: u32| ())?;
    dispatcher.middleware_fn(|event, next| async move {
        match event.full_type().as_str() {
            "job:no" => Err(DispatchError::middleware("no entry")),
            _ => next.run(event).await,
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(async {
            let _ = dispatcher.dispatch(event("job:done")).await?;
            assert!(dispatcher.dispatch(event("job:no")).await.is_err());
            Ok::<_, DispatchError>(())
        })
    })?;
    let text = String::from_utf8(written.0.lock().clone())?;
    let lines: Vec<_> = text.lines().collect();
    let said = [
        (
            "ERROR sse.dispatch{event_type=job:done}",
            "a handler failed",
            "do not fit at `.`, invalid type",
        ),
        ("DEBUG sse.dispatch{event_type=job:done}", "dispatched elapsed=", "results=1 errors=1"),
        (" WARN sse.dispatch{event_type=job:no}", "not dispatched elapsed=", "no entry"),
    ];
    assert_eq!(lines.len(), said.len(), "{text}");
    for (line, (begin, what, detail)) in lines.iter().zip(said) {
        assert!([begin, what, detail].iter().all(|part| line.contains(part)), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn each_of_several_middlewares_runs_exactly_once() -> TestResult {
    let dispatcher = Dispatcher::new();
    let calls: Arc<[AtomicUsize; 3]> = Arc::default();
    for n in 0..3 {
        let calls = Arc::clone(&calls);
        dispatcher.middleware_fn(move |event, next| {
            calls[n].fetch_add(1, Ordering::Relaxed);
            next.run(event)
        });
    }
    dispatcher.on("t", |_| ())?;
    assert_eq!(dispatcher.dispatch(event("t")).await?.results.len(), 1);
    assert_eq!(calls.each_ref().map(|calls| calls.load(Ordering::Relaxed)), [1, 1, 1]);
    Ok(())
}
