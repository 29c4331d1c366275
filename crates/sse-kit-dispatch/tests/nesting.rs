//! Handlers that dispatch: the order, and the limit of nested dispatches.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use sse_kit_dispatch::middleware::{DispatchLog, Timeout};
use sse_kit_dispatch::{BoxError, DispatchError, Dispatcher, DomainEvent};
use tracing_subscriber::filter::LevelFilter;

type TestResult = Result<(), Box<dyn Error>>;

fn event(event_type: &str) -> DomainEvent {
    DomainEvent::new(event_type, &Value::Null).expect("an event type")
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
    nested_without_end().await
}

/// Spans take of the stack as well.
#[tokio::test]
async fn a_handler_that_leads_back_to_itself_is_cut_off_when_it_is_traced() -> TestResult {
    let subscriber = tracing_subscriber::fmt().with_max_level(LevelFilter::DEBUG);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(std::io::sink).finish());
    nested_without_end().await
}

async fn nested_without_end() -> TestResult {
    let (dispatcher, calls) = (Dispatcher::new(), Arc::new(AtomicUsize::new(0)));
    let (weak, counter) = (dispatcher.downgrade(), Arc::clone(&calls));
    // Their frames stand on the stack as well.
    dispatcher.middleware(DispatchLog);
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
