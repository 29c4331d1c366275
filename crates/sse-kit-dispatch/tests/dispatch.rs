//! The way of an event: filters, transformers, middleware, handlers, and what comes back.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use sse_kit_dispatch::{
    BoxError, CallbackError, DispatchError, Dispatched, Dispatcher, DomainEvent, DomainEventError,
    Ending, Handler, Pattern, Timestamp,
};
use sse_kit_event::TextErrorKind;

type TestResult = Result<(), Box<dyn Error>>;

/// The handlers that were called, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }

    /// A handler that says that it was called.
    fn handler(&self, name: &'static str) -> Handler {
        let log = self.clone();
        Handler::new(move |_| log.note(name))
    }
}

fn event(event_type: &str) -> DomainEvent {
    DomainEvent::new(event_type, &Value::Null).expect("an event type")
}

/// The error and what it comes from, in one line.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[test]
fn an_event_has_type_data_namespace_priority_and_time() -> TestResult {
    #[derive(serde::Serialize)]
    struct Progress {
        percent: u8,
    }
    let before = Timestamp::now();
    let event = DomainEvent::new("job:progress", &Progress { percent: 40 })?;
    assert_eq!(event.data(), &json!({"percent": 40}));
    assert_eq!((event.priority(), event.namespace()), (0, None));
    assert_eq!(event.full_type().as_str(), "job:progress");
    assert!(event.timestamp() >= before);

    let event = event.with_namespace("shop")?.with_priority(-7);
    assert_eq!(event.full_type().as_str(), "shop:job:progress");
    assert_eq!(event.event_type().as_str(), "job:progress");
    assert_eq!(event.namespace().map(ToString::to_string).as_deref(), Some("shop"));
    assert_eq!(event.priority(), -7);
    assert_eq!(event.with_type("job:done")?.full_type().as_str(), "shop:job:done");
    Ok(())
}

#[test]
fn an_event_is_made_from_a_json_map_and_back() -> TestResult {
    let json = json!({
        "type": "job:done", "data": [1, 2], "namespace": "shop", "priority": 3,
        "timestamp": "2024-07-11T12:34:56.000000001Z",
    });
    let event = DomainEvent::try_from(json.clone())?;
    assert_eq!(serde_json::to_value(&event)?, json);
    assert_eq!(serde_json::from_value::<DomainEvent>(json)?, event);

    let least = DomainEvent::try_from(json!({"type": "t", "unknown": 1}))?;
    assert_eq!((least.data(), least.priority(), least.namespace()), (&Value::Null, 0, None));
    assert_eq!(DomainEvent::try_from(serde_json::to_value(&least)?)?, least);
    Ok(())
}

#[test]
fn a_map_without_a_type_is_an_error_and_so_is_every_wrong_field() {
    let error = |json| DomainEvent::try_from(json).expect_err("it is wrong");
    assert!(matches!(error(json!({"data": 1})), DomainEventError::MissingType));
    assert!(serde_json::from_value::<DomainEvent>(json!({"data": 1})).is_err());
    assert!(matches!(error(json!(["type"])), DomainEventError::NotAMap));
    for (json, wrong) in [
        (json!({"type": 1}), "type"),
        (json!({"type": "a::b"}), "type"),
        (json!({"type": "t", "namespace": "*"}), "namespace"),
        (json!({"type": "t", "priority": 1_u64 << 31}), "priority"),
        (json!({"type": "t", "timestamp": "yesterday"}), "timestamp"),
    ] {
        let error = error(json);
        assert!(matches!(&error, DomainEventError::Field { path, .. } if path == wrong), "{error}");
    }
    let long = json!({"type": "t".repeat(200), "namespace": "n".repeat(200)});
    let error = error(long);
    let DomainEventError::Type(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), TextErrorKind::TooLong);
    assert!(error.to_string().contains("401 bytes"), "{error}");
}

#[tokio::test]
async fn an_unregistered_namespace_is_an_error_when_namespaces_are_enforced() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.register_namespace("shop")?;
    let wildcard = dispatcher.register_namespace("*").expect_err("`*` is no namespace");
    assert_eq!(wildcard.kind(), TextErrorKind::Character);
    assert!(wildcard.to_string().contains("not a namespace"), "{wildcard}");
    let shop = || event("t").with_namespace("shop");
    let other = || event("t").with_namespace("other");
    let _ = dispatcher.dispatch(other()?).await?;

    dispatcher.enforce_namespaces();
    let _ = dispatcher.dispatch(shop()?).await?;
    let _ = dispatcher.dispatch(event("t")).await?;
    let error = dispatcher.dispatch(other()?).await.expect_err("it is not registered");
    assert!(
        matches!(&error, DispatchError::UnknownNamespace { namespace } if namespace.as_str() == "other")
    );

    dispatcher.transform(|event| event.with_namespace("other"));
    let error = dispatcher.dispatch(shop()?).await.expect_err("a transformer changed it");
    assert!(matches!(error, DispatchError::UnknownNamespace { .. }));
    Ok(())
}

#[tokio::test]
async fn handlers_sync_and_async_are_found_by_pattern() -> TestResult {
    let dispatcher = Dispatcher::new();
    for pattern in
        ["job:*", "job:**", "**:completed", "job:done", "*", "**", "a.b", "*:done", "j*:*"]
    {
        dispatcher.on(pattern, |_| ())?;
    }
    dispatcher.on("wait:*", |_| async { tokio::task::yield_now().await })?;
    for (full_type, expected) in [
        ("job:done", "job:* job:** job:done ** *:done j*:*"),
        ("job:a:b", "job:** **"),
        ("job:completed", "job:* job:** **:completed ** j*:*"),
        ("job:x:completed", "job:** **:completed **"),
        ("completed", "**:completed * **"),
        ("job", "* **"),
        ("axb", "* **"),
        ("a.b", "* ** a.b"),
        ("wait:x", "** wait:*"),
    ] {
        let dispatched = dispatcher.dispatch(event(full_type)).await?;
        let patterns: Vec<_> = dispatched.results.iter().map(|it| it.pattern.as_str()).collect();
        assert_eq!(patterns.join(" "), expected, "{full_type}");
    }
    Ok(())
}

#[tokio::test]
async fn filters_then_transformers_then_middleware_then_handlers_by_priority() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    for (pattern, priority, name) in [
        ("job:*", 0, "fifth"),
        ("**", 5, "second"),
        ("job:done", 5, "third"),
        ("*:done", 9, "first"),
        ("job:*", 5, "fourth"),
        ("job:done", 0, "sixth"),
        ("job:done", i32::MIN, "last"),
    ] {
        dispatcher.register(pattern, log.handler(name).priority(priority))?;
    }
    for name in ["outer", "inner"] {
        let log = log.clone();
        dispatcher.middleware_fn(move |event, next| {
            let log = log.clone();
            async move {
                log.note(format!("{name} before"));
                let dispatched = next.run(event).await;
                log.note(format!("{name} after"));
                dispatched
            }
        });
    }
    for name in ["transformer 1", "transformer 2"] {
        let log = log.clone();
        dispatcher.transform(move |event| {
            log.note(name);
            event
        });
    }
    for name in ["filter 1", "filter 2"] {
        let log = log.clone();
        dispatcher.filter(move |_| {
            log.note(name);
            true
        });
    }
    let _ = dispatcher.dispatch(event("job:done")).await?;
    let expected = [
        "filter 1",
        "filter 2",
        "transformer 1",
        "transformer 2",
        "outer before",
        "inner before",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "last",
        "inner after",
        "outer after",
    ];
    assert_eq!(log.take(), expected);
    Ok(())
}

#[tokio::test]
async fn middleware_may_change_the_event_and_act_on_the_results() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.on("b", |event| event.data().clone())?;
    dispatcher.middleware_fn(|event, next| async move {
        let mut dispatched = next.run(event).await?;
        dispatched.results[0].value["seen"] = json!(true);
        Ok(dispatched)
    });
    dispatcher.middleware_fn(|event, next| async move {
        let changed =
            DomainEvent::clone(&event).with_type("b").map_err(DispatchError::middleware)?;
        next.run(changed.with_data(json!({"changed": true}))).await
    });
    let dispatched = dispatcher.dispatch(event("a")).await?;
    assert_eq!(dispatched.results[0].value, json!({"changed": true, "seen": true}));
    assert_eq!(dispatched.event.full_type().as_str(), "b", "as it was handled");
    Ok(())
}

#[tokio::test]
async fn middleware_may_short_circuit_and_fail() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    dispatcher.register("**", log.handler("handled"))?;
    dispatcher.middleware_fn(|event, next| {
        assert!(event.full_type().as_str() != "panic", "at the disco");
        async move {
            match event.full_type().as_str() {
                "stop" => Ok(Dispatched::stopped(event, "the door")),
                "fail" => Err(DispatchError::middleware("no entry")),
                _ => next.run(event).await,
            }
        }
    });
    let dispatched = dispatcher.dispatch(event("stop")).await?;
    assert_eq!(dispatched.ending, Ending::Stopped { by: "the door".into() });
    assert!(dispatched.results.is_empty());
    for (full_type, expected) in [
        ("fail", "a middleware failed: no entry"),
        ("panic", "a middleware failed: panicked: at the disco"),
    ] {
        let error = dispatcher.dispatch(event(full_type)).await.expect_err(full_type);
        assert_eq!(chain(&error), expected);
    }
    assert!(log.take().is_empty());
    assert_eq!(dispatcher.dispatch(event("go")).await?.ending, Ending::Handled);
    assert_eq!(log.take(), ["handled"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn middleware_may_time_and_retry() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let noted = log.clone();
    dispatcher.middleware_fn(move |event, next| {
        let log = noted.clone();
        async move {
            let start = tokio::time::Instant::now();
            let dispatched = next.run(event).await;
            log.note(format!("{} s", start.elapsed().as_secs()));
            dispatched
        }
    });
    dispatcher.middleware_fn(|event, next| async move {
        let mut dispatched = next.run(Arc::clone(&event)).await?;
        while !dispatched.errors.is_empty() {
            dispatched = next.run(Arc::clone(&event)).await?;
        }
        Ok(dispatched)
    });
    let attempts = Arc::new(Mutex::new(0));
    dispatcher.on("t", move |_| {
        let attempts = Arc::clone(&attempts);
        async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            *attempts.lock() += 1;
            let attempt = *attempts.lock();
            if attempt < 3 { Err("not yet") } else { Ok(json!(attempt)) }
        }
    })?;
    let dispatched = dispatcher.dispatch(event("t")).await?;
    assert_eq!(dispatched.results[0].value, 3);
    assert_eq!(log.take(), ["3 s"]);
    Ok(())
}

#[tokio::test]
async fn a_filter_that_says_no_ends_the_dispatch_with_an_empty_result() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    dispatcher.register("**", log.handler("handled"))?;
    let noted = log.clone();
    dispatcher.transform(move |event| {
        noted.note("transformed");
        event
    });
    dispatcher.filter(|event| event.priority() >= 0);
    dispatcher.filter(|event| async move {
        tokio::task::yield_now().await;
        match event.priority() {
            13 => Err("unlucky"),
            14 => panic!("worse"),
            priority => Ok(priority < 100),
        }
    });
    for (priority, filter) in [(-1, 0), (100, 1)] {
        let dispatched = dispatcher.dispatch(event("t").with_priority(priority)).await?;
        assert_eq!(dispatched.ending, Ending::Filtered { filter });
        assert!(dispatched.results.is_empty() && dispatched.errors.is_empty());
    }
    for (priority, expected) in [(13, "unlucky"), (14, "panicked: worse")] {
        let error = dispatcher.dispatch(event("t").with_priority(priority)).await;
        let error = error.expect_err("the filter failed");
        assert_eq!(chain(&error), format!("the filter at index 1 failed: {expected}"));
    }
    assert!(log.take().is_empty());
    assert_eq!(dispatcher.dispatch(event("t")).await?.ending, Ending::Handled);
    assert_eq!(log.take(), ["transformed", "handled"]);
    Ok(())
}

#[tokio::test]
async fn a_transformer_may_be_async_and_may_fail() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.on("number", |event| event.data().clone())?;
    dispatcher.transform(|mut event| -> Result<_, BoxError> {
        let text: String = event.data_as()?;
        *event.data_mut() = json!(text.parse::<u8>()?);
        Ok(event.with_type("number")?)
    });
    dispatcher.transform(|event| async move {
        tokio::task::yield_now().await;
        if event.data() == 13 { Err("unlucky") } else { Ok(event) }
    });
    let text = |text: &str| event("text").with_data(json!(text));
    assert_eq!(dispatcher.dispatch(text("7")).await?.results[0].value, 7);
    for (data, expected) in [
        ("x", "the transformer at index 0 failed: invalid digit found in string"),
        ("13", "the transformer at index 1 failed: unlucky"),
    ] {
        let error = dispatcher.dispatch(text(data)).await.expect_err(data);
        assert_eq!(chain(&error), expected);
    }
    Ok(())
}

#[tokio::test]
async fn results_come_in_order_and_errors_beside_them_with_their_pattern() -> TestResult {
    let dispatcher = Dispatcher::new();
    dispatcher.on("t", |_| json!(1))?;
    dispatcher.on("**", |_| Err::<(), _>("no"))?;
    dispatcher.on("t", |_| -> Value { panic!("{} bang", "sync") })?;
    dispatcher.on("*", |event| async move { assert!(event.priority() > 0, "async bang") })?;
    dispatcher.on("*", |_| ())?;
    dispatcher.on("t", |_| async { Ok::<_, BoxError>(json!(2)) })?;
    let dispatched = dispatcher.dispatch(event("t")).await?;

    let results = dispatched.results.iter();
    let results: Vec<_> = results.map(|it| (it.pattern.as_str(), &it.value)).collect();
    assert_eq!(results, [("t", &json!(1)), ("*", &Value::Null), ("t", &json!(2))]);
    let errors: Vec<_> = dispatched.errors.iter().map(|error| chain(error)).collect();
    assert_eq!(
        errors,
        [
            "handler 1 for `**` failed on `t`: no",
            "handler 2 for `t` failed on `t`: panicked: sync bang",
            "handler 3 for `*` failed on `t`: panicked: async bang",
        ]
    );
    assert!(matches!(dispatched.errors[0].source, CallbackError::Returned(_)));
    Ok(())
}

#[tokio::test]
async fn the_handlers_of_one_pattern_or_all_are_cleared() -> TestResult {
    let dispatcher = Dispatcher::new();
    let handled = || async {
        let dispatched = dispatcher.dispatch(event("a:b")).await.expect("nothing is in its way");
        dispatched.results.iter().map(|it| it.pattern.to_string()).collect::<Vec<_>>().join(" ")
    };
    let patterns = ["a:b", "a:*", "a:*", "**:b", "*:b"];
    let ids: Vec<_> =
        patterns.iter().map(|pattern| dispatcher.on(*pattern, |_| ())).collect::<Result<_, _>>()?;
    assert_eq!(handled().await, "a:b a:* a:* **:b *:b");
    assert_eq!(dispatcher.clear(&"a:**".parse()?), 0, "that is not what it matches");
    assert_eq!(dispatcher.clear(&"a:*".parse()?), 2);
    assert_eq!(handled().await, "a:b **:b *:b");
    assert_eq!(dispatcher.clear(&"**:b".parse()?), 1);
    assert_eq!(handled().await, "a:b *:b");
    assert!(dispatcher.remove(&ids[4]));
    assert!(!dispatcher.remove(&ids[4]), "once only");
    assert_eq!(handled().await, "a:b");

    assert_eq!(Pattern::new("").map_err(|error| error.kind()), Err(TextErrorKind::Empty));
    assert_eq!(handled().await, "a:b");
    dispatcher.clear_all();
    assert_eq!(handled().await, "");
    dispatcher.on("*:b", |_| ())?;
    assert_eq!(handled().await, "*:b");
    Ok(())
}

#[tokio::test]
async fn a_dispatch_sees_the_handlers_as_they_were_when_it_began() -> TestResult {
    let (dispatcher, log) = (Dispatcher::new(), Log::default());
    let (weak, noted) = (dispatcher.downgrade(), log.clone());
    dispatcher.on("t", move |_| -> Result<(), BoxError> {
        let dispatcher = weak.upgrade().ok_or("it is there")?;
        dispatcher.clear_all();
        dispatcher.register("t", noted.handler("new"))?;
        noted.note("first");
        Ok(())
    })?;
    dispatcher.register("*", log.handler("second"))?;
    let dispatched = dispatcher.dispatch(event("t")).await?;
    assert_eq!((dispatched.results.len(), dispatched.errors.len()), (2, 0));
    assert_eq!(log.take(), ["first", "second"]);
    let _ = dispatcher.dispatch(event("t")).await?;
    assert_eq!(log.take(), ["new"]);
    Ok(())
}

#[tokio::test]
async fn handlers_can_be_typed_with_a_clear_error_on_mismatch() -> TestResult {
    #[derive(serde::Deserialize)]
    struct Job {
        files: Vec<File>,
    }
    #[derive(serde::Deserialize)]
    struct File {
        size: u64,
    }
    let dispatcher = Dispatcher::new();
    let size = |job: Job| job.files.iter().map(|file| file.size).sum::<u64>();
    dispatcher.on_typed("job:*", move |job| json!(size(job)))?;
    dispatcher.on_typed("job:done", move |job| async move {
        tokio::task::yield_now().await;
        json!(size(job))
    })?;

    let good = DomainEvent::new("job:done", &json!({"files": [{"size": 1}, {"size": 2}]}))?;
    let results = dispatcher.dispatch(good).await?.results;
    assert_eq!(results.iter().map(|it| &it.value).collect::<Vec<_>>(), [&json!(3), &json!(3)]);

    let bad = DomainEvent::new("job:done", &json!({"files": [{"size": 1}, {"size": "big"}]}))?;
    let dispatched = dispatcher.dispatch(bad.with_namespace("job")?.with_type("done")?).await?;
    let errors: Vec<_> = dispatched.errors.iter().map(|error| chain(error)).collect();
    let rest = "the data of `job:done` do not fit at `files[1].size`: \
                invalid type: string \"big\", expected u64";
    assert_eq!(
        errors,
        [
            format!("handler 0 for `job:*` failed on `job:done`: {rest}"),
            format!("handler 1 for `job:done` failed on `job:done`: {rest}"),
        ]
    );
    assert!(matches!(dispatched.errors[0].source, CallbackError::Data(_)));
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
