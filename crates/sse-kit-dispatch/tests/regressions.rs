//! Bugs of the reference library, which must not come back.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sse_kit_dispatch::middleware::{Timeout, Trace};
use sse_kit_dispatch::{BoxError, CallbackError, DispatchError, Dispatcher, DomainEvent, Handler};

type TestResult = Result<(), Box<dyn Error>>;

fn event(event_type: &str) -> DomainEvent {
    DomainEvent::new(event_type, &Value::Null).expect("an event type")
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

#[tokio::test]
async fn wildcards_know_segments_and_nothing_else_is_special() -> TestResult {
    for (pattern, matching, other) in [
        ("job:**", "job:a:b", "job"),
        ("**:completed", "job:x:completed", "job:completed:x"),
        ("*", "job", "job:a"),
        ("a.b:*", "a.b:c", "axb:c"),
        ("a+:*", "a+:c", "aa:c"),
        ("(a|b):*", "(a|b):c", "a:c"),
        ("[ab]?:*", "[ab]?:c", "a:c"),
        ("a/*:x", "a/b:x", "a:b:x"),
    ] {
        let dispatcher = Dispatcher::new();
        dispatcher.on(pattern, |_| ())?;
        assert_eq!(dispatcher.dispatch(event(matching)).await?.results.len(), 1, "{pattern}");
        assert_eq!(dispatcher.dispatch(event(other)).await?.results.len(), 0, "{pattern}");
    }
    Ok(())
}

#[tokio::test]
async fn priority_counts_across_patterns() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.register("job:*", Handler::new(|_| json!("low")).priority(-1))?;
    dispatcher.register("job:done", Handler::new(|_| json!("middle")))?;
    dispatcher.register("**", Handler::new(|_| json!("high")).priority(1))?;
    let results = dispatcher.dispatch(event("job:done")).await?.results;
    let values: Vec<_> = results.iter().map(|it| &it.value).collect();
    assert_eq!(values, ["high", "middle", "low"]);
    Ok(())
}

#[tokio::test]
async fn a_handler_may_dispatch_and_what_it_dispatches_is_handled_when_it_goes_on() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Arc::new(Mutex::new(Vec::new())));
    let (weak, noted) = (dispatcher.downgrade(), Arc::clone(&log));
    dispatcher.on("parent", move |_| {
        let (dispatcher, log) = (weak.upgrade(), Arc::clone(&noted));
        async move {
            log.lock().push("parent begins");
            let dispatcher = dispatcher.ok_or("it is there")?;
            let _ = dispatcher.dispatch(event("child")).await?;
            log.lock().push("parent ends");
            Ok::<_, BoxError>(())
        }
    })?;
    let noted = Arc::clone(&log);
    dispatcher.on("child", move |_| noted.lock().push("child"))?;
    let noted = Arc::clone(&log);
    dispatcher.on("parent", move |_| noted.lock().push("next"))?;
    let dispatched = dispatcher.dispatch(event("parent")).await?;
    assert!(dispatched.errors.is_empty(), "{:?}", dispatched.errors);
    assert_eq!(*log.lock(), ["parent begins", "child", "parent ends", "next"]);
    Ok(())
}

#[tokio::test]
async fn a_handler_that_leads_back_to_itself_is_cut_off() -> TestResult {
    let (dispatcher, calls) = (Dispatcher::new(), Arc::new(AtomicUsize::new(0)));
    let (weak, counter) = (dispatcher.downgrade(), Arc::clone(&calls));
    // Their frames stand on the stack as well.
    dispatcher.middleware(Trace);
    dispatcher.middleware(Timeout::new(Duration::from_secs(60)));
    for _ in 0..10 {
        dispatcher.middleware_fn(|event, next| async move { next.run(event).await });
    }
    let innermost = Arc::new(Mutex::new(None));
    let found = Arc::clone(&innermost);
    dispatcher.on("t", move |event| {
        counter.fetch_add(1, Ordering::Relaxed);
        let (dispatcher, found) = (weak.upgrade(), Arc::clone(&found));
        async move {
            let dispatcher = dispatcher.ok_or("it is there")?;
            match dispatcher.dispatch(DomainEvent::clone(&event)).await {
                Ok(_) => Ok::<_, BoxError>(()),
                Err(error) => {
                    *found.lock() = Some(error.to_string());
                    Err(error.into())
                }
            }
        }
    })?;
    let outermost = dispatcher.dispatch(event("t")).await?;
    assert!(outermost.errors.is_empty(), "only the innermost knows");
    assert_eq!(calls.load(Ordering::Relaxed), 32);
    let expected = DispatchError::TooDeep { dispatches: 32 }.to_string();
    assert_eq!(innermost.lock().as_deref(), Some(&*expected));
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
