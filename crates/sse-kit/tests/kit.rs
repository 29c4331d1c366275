//! An event on its way through all of it, and what happens when a part of it fails.
#![cfg(feature = "kit")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_kit::broadcast::{
    Append, AppendError, Appended, BoxFuture, Delivery, Goodbye, Inlet, Log, MemoryLog,
    Subscription,
};
use sse_kit::dispatch::middleware::Deduplicate;
use sse_kit::dispatch::{CallbackReturn, Ending, IntoOutput};
use sse_kit::event::{Audience, EventId, IdempotencyKey, Topic};
use sse_kit::htmx::{Dialect, Html, MessageFormat, Update, Updates};
use sse_kit::update::PageUpdates;
use sse_kit::{BoxError, DomainEvent, EmitError, EmitErrorKind, EventData, Hub, OnFailure, SseKit};
use sse_kit_test_support::in_time;

type Test = Result<(), Box<dyn Error>>;

#[derive(Serialize, Deserialize)]
struct Done {
    state: String,
}

impl EventData for Done {
    const TYPE: &'static str = "job:done";
}

fn done(state: &str) -> Done {
    Done { state: state.to_owned() }
}

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn fill(text: &str) -> Result<Update, BoxError> {
    Ok(Update::fill("state".parse()?, &Html::text(text))?)
}

/// A kit whose events of type `job:done` fill `#state`.
fn kit() -> SseKit {
    let kit = SseKit::new(Hub::new()).topic(|_| Topic::new("jobs"));
    kit.on(|event: Done| fill(&event.state));
    kit
}

async fn next(page: &mut Subscription) -> String {
    // A wake that is lost is an error, and not a test that never ends.
    match in_time("an event", page.recv()).await {
        Some(Delivery::Entry(entry)) => String::from_utf8_lossy(entry.frame()).into_owned(),
        other => panic!("not an event: {other:?}"),
    }
}

#[tokio::test]
async fn an_event_is_handled_rendered_and_published() -> Test {
    let kit = kit();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    kit.dispatcher().on("job:*", move |event| {
        count.fetch_add(1, Ordering::Relaxed);
        json!(event.full_type())
    })?;
    let mut page = kit.hub().subscribe(topic("jobs")).open()?;

    let emitted = kit.emit(done("<ok>")).await?;
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    assert_eq!(emitted.dispatched.as_ref().expect("it was").results[0].value, "job:done");
    assert_eq!((emitted.updated.updates.len(), emitted.handlers()), (1, 2));
    let receipt = emitted.receipt.as_ref().expect("it was published");
    assert_eq!(receipt.receivers, 1);
    assert_eq!(emitted.errors().count(), 0);
    assert_eq!(kit.stats().render.count(), 1);
    assert_eq!(
        next(&mut page).await,
        format!(
            "data: <hx-partial hx-target=\"#state\" hx-swap=\"innerHTML\">&lt;ok&gt;</hx-partial>\n\
             id: {}\n\n",
            receipt.id
        )
    );
    Ok(())
}

#[tokio::test]
async fn an_event_from_outside_has_the_same_handlers() -> Test {
    let kit = kit();
    let mut page = kit.hub().subscribe(topic("jobs")).open()?;
    let _ = kit.emit(DomainEvent::new("job:done", &json!({ "state": "ok" }))?).await?;
    assert!(next(&mut page).await.contains(">ok<"));
    Ok(())
}

#[tokio::test]
async fn the_message_format_follows_the_pages() -> Test {
    for (format, begins) in [
        (MessageFormat::from(Dialect::V2), "data: <div hx-swap-oob=\"innerHTML:#state\">"),
        (MessageFormat::Both, "data: <hx-partial hx-target=\"#state\""),
    ] {
        let kit = kit().message_format(format);
        let mut page = kit.hub().subscribe(topic("jobs")).open()?;
        let _ = kit.emit(done("ok")).await?;
        let frame = next(&mut page).await;
        assert!(frame.starts_with(begins), "{frame}");
    }
    Ok(())
}

#[tokio::test]
async fn what_changes_nothing_or_is_stopped_is_not_published() -> Test {
    let kit = kit();
    kit.updater().on("job:seen", |_: Value| ())?;
    let emitted = kit.emit(DomainEvent::new("job:seen", "x")?).await?;
    assert_eq!((emitted.handlers(), emitted.receipt), (1, None));

    kit.dispatcher().filter(|event| event.data()["state"] != "secret");
    let emitted = kit.emit(done("secret")).await?;
    let ending = emitted.dispatched.as_ref().map(|dispatched| &dispatched.ending);
    assert_eq!(ending, Some(&Ending::Filtered { filter: 0 }));
    assert!(emitted.updated.updates.is_empty());
    assert_eq!(kit.hub().stats().published, 0);
    Ok(())
}

#[tokio::test]
async fn the_topic_is_that_of_the_type_or_of_a_function_or_of_the_emitter() -> Test {
    let kit = SseKit::new(Hub::new());
    kit.on(|event: Done| fill(&event.state));
    let mut page = kit.hub().subscribe(Done::topic()).open()?;
    let _ = kit.emit(done("by type")).await?;
    assert!(next(&mut page).await.contains("by type"));
    let mut other = kit.hub().subscribe(topic("other")).open()?;
    let _ = kit.emit_to(&topic("other"), done("by emitter")).await?;
    assert!(next(&mut other).await.contains("by emitter"));
    let _ = kit.emit_to(Audience::Everyone, done("to all")).await?;
    assert!(next(&mut page).await.contains("to all"));

    let kit = kit.topic(|event| -> Result<Topic, BoxError> {
        Ok(Topic::new(&event.data_as::<Done>()?.state)?)
    });
    kit.dispatcher().transform(|event| event.with_data(json!({ "state": "b" })));
    let mut page = kit.hub().subscribe(topic("b")).open()?;
    let _ = kit.emit(done("a")).await?;
    assert!(next(&mut page).await.contains(">b<"));

    kit.dispatcher().transform(|event| event.with_data(json!({ "state": "" })));
    let error = kit.emit(done("a")).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Topic(_)), "{error}");
    assert_eq!(error.to_string(), "`job:done` has no topic: \"\" is not a topic: it is empty");
    assert!(error.emitted().is_some_and(|emitted| emitted.handlers() == 1), "it ran");

    let kit = kit.topic(|_| -> Topic { panic!("oh") });
    let error = kit.emit(done("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "`job:done` has no topic: panicked: oh");
    Ok(())
}

#[tokio::test]
async fn the_cause_can_be_left_out() -> Test {
    let kit = kit();
    let sender = kit.hub().subscribe(topic("jobs")).open()?;
    let mut other = kit.hub().subscribe(topic("jobs")).open()?;
    let except = || kit.except([sender.connection().id().clone()]);
    let emitted = except().emit(done("ok")).await?;
    assert_eq!(emitted.receipt.map(|receipt| receipt.receivers), Some(1));
    assert!(next(&mut other).await.contains(">ok<"));
    let emitted = except().emit_to(&topic("jobs"), done("ok")).await?;
    assert_eq!(emitted.receipt.map(|receipt| receipt.receivers), Some(1));
    Ok(())
}

#[tokio::test]
async fn handlers_that_fail_are_an_error_and_the_rest_arrives() -> Test {
    let kit = kit();
    let mut page = kit.hub().subscribe(topic("jobs")).open()?;
    kit.dispatcher().on("job:done", |_| -> () { panic!("first") })?;
    kit.updater().on("job:*", |_: u64| ())?;
    let error = kit.emit(done("ok")).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Handlers));
    assert_eq!(
        error.to_string(),
        "`job:done` was not handled in full: handler 0 for `job:done` failed on `job:done`: \
         panicked: first"
    );
    assert!(error.source().is_none(), "a chain would say it twice");
    let emitted = error.emitted().expect("it was");
    let errors: Vec<_> = emitted.errors().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "handler 0 for `job:done` failed on `job:done`",
            "handler 1 for `job:*` failed on `job:done`"
        ]
    );
    assert!(emitted.receipt.is_some());
    assert!(next(&mut page).await.contains(">ok<"));

    let emitted = kit.on_handler_failure(OnFailure::Log).emit(done("ok")).await?;
    assert_eq!(emitted.errors().count(), 2);
    Ok(())
}

/// The retry of an event that did not reach the pages is not taken for one that has come already.
#[tokio::test]
async fn what_did_not_reach_the_pages_is_not_a_duplicate() -> Test {
    let (kit, log) = kit_with_log()?;
    log.is_full.store(true, Ordering::Relaxed);
    let by_state = |event: &DomainEvent| event.data().get("state").cloned();
    kit.dispatcher().middleware(Deduplicate::new(Duration::from_secs(60), by_state));

    let refused = kit.emit(done("ok")).await;
    assert!(matches!(refused, Err(error) if matches!(error.kind(), EmitErrorKind::Publish(_))));
    log.is_full.store(false, Ordering::Relaxed);
    let retried = kit.emit(done("ok")).await?;
    assert!(retried.receipt.is_some(), "{retried:?}");
    let again = kit.emit(done("ok")).await?;
    let ending = again.dispatched.expect("it was").ending;
    assert_eq!(ending, Ending::Stopped { by: "deduplicate".into() });
    assert!(again.receipt.is_none());
    Ok(())
}

#[tokio::test]
async fn a_publish_that_is_not_confirmed_is_ambiguous_and_may_be_tried_again() -> Test {
    let (kit, log) = kit_with_log()?;
    let mut page = kit.hub().subscribe(Done::topic()).open()?;
    log.is_silent.store(true, Ordering::Relaxed);
    let key: IdempotencyKey = "job-17".parse()?;
    let error = kit.emit_once(key.clone(), done("ok")).await.expect_err("no answer");
    assert!(error.is_ambiguous());
    let text = error.to_string();
    assert!(text.starts_with("`job:done` may not have reached the pages: "), "{text}");
    log.is_silent.store(false, Ordering::Relaxed);
    let receipt = kit.emit_once(key, done("ok")).await?.receipt.expect("it was published");
    assert!(receipt.repeated);
    kit.emit(done("once more")).await?;
    assert!(next(&mut page).await.contains(">ok<"));
    assert!(next(&mut page).await.contains(">once more<"));

    log.is_full.store(true, Ordering::Relaxed);
    assert!(!kit.emit(done("ok")).await.expect_err("it is full").is_ambiguous());
    Ok(())
}

/// A log in memory that is full, or does not answer, when the test wants it so.
#[derive(Clone, Debug)]
struct BadLog {
    log: Arc<MemoryLog>,
    is_full: Arc<AtomicBool>,
    is_silent: Arc<AtomicBool>,
}

fn kit_with_log() -> Result<(SseKit, BadLog), Box<dyn Error>> {
    let log = Arc::new(MemoryLog::new()?);
    let log = BadLog { log, is_full: Arc::default(), is_silent: Arc::default() };
    let kit = SseKit::new(Hub::builder().log(log.clone()).build()?);
    kit.on(|event: Done| fill(&event.state));
    Ok((kit, log))
}

impl Log for BadLog {
    fn position(&self) -> EventId {
        self.log.position()
    }

    fn attach(&self, inlet: Inlet) {
        self.log.attach(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(async move {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(AppendError::Full);
            }
            let appended = self.log.append(append).await;
            if self.is_silent.load(Ordering::Relaxed) {
                return Err(AppendError::Ambiguous("no answer".into()));
            }
            appended
        })
    }
}

#[tokio::test]
async fn handlers_that_were_called_before_a_postprocessor_failed_are_known() -> Test {
    let kit = kit();
    kit.on(|_: Done| Err::<PageUpdates, _>(BoxError::from("no page")));
    kit.updater().postprocess(|_| Err::<Updates, _>(BoxError::from("no room")));
    kit.dispatcher().on("**", |_| ())?;
    let error = kit.emit(done("ok")).await.expect_err("a postprocessor failed");
    let emitted = error.emitted().expect("it came to its handlers");
    assert_eq!((emitted.handlers(), emitted.errors().count()), (3, 1));
    assert!(matches!(error.kind(), EmitErrorKind::Update(_)));
    Ok(())
}

#[tokio::test]
async fn an_event_that_nothing_takes_is_an_error() -> Test {
    let kit = kit();
    let event = || DomainEvent::new("job:dnoe", "ok").expect("an event");
    let error = kit.emit(event()).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Unhandled));
    assert!(error.to_string().starts_with("`job:dnoe` did not reach the pages: no handler"));

    let lenient = kit.clone().on_unhandled(OnFailure::Log);
    assert_eq!(lenient.emit(event()).await?.handlers(), 0);
    kit.dispatcher().on("job:*", |_| ())?;
    assert_eq!(kit.emit(event()).await?.handlers(), 1);
    Ok(())
}

#[tokio::test]
async fn handlers_return_what_they_like() {
    // Each is a way to say the same.
    async fn same<K>(returned: impl CallbackReturn<PageUpdates, K>) {
        assert_eq!(returned.into_future().await.expect("it made one").0.len(), 1);
    }
    let one = fill("x").expect("an update");
    same(one.clone()).await;
    same(Some(one.clone())).await;
    same(Updates::from(one.clone())).await;
    same((one.clone(), ())).await;
    same(Ok::<_, std::num::ParseIntError>([one.clone()])).await;
    same(Ok::<_, &str>(vec![one.clone()])).await;
    let again = one.clone();
    same(async move { Ok::<_, BoxError>(again) }).await;
    same(async move { one }).await;
    let refused: Result<PageUpdates, BoxError> = Err::<Update, _>("no").into_output();
    assert_eq!(refused.unwrap_err().to_string(), "no");
}

/// A map whose keys are no text, which JSON cannot hold.
#[derive(Serialize)]
struct Unwritable(std::collections::BTreeMap<(u8, u8), u8>);

impl EventData for Unwritable {
    const TYPE: &'static str = "job:done";
}

#[tokio::test]
async fn where_it_failed_is_in_the_message() -> Test {
    let kit = kit();
    let said = |error: EmitError| (error.to_string(), error.is_shutdown());
    let unwritable = Unwritable([((1, 2), 3)].into());
    let error = kit.emit(unwritable).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Event(_)));
    assert_eq!(
        said(error).0,
        "an event did not reach the pages: the data of `job:done` cannot be written as JSON: key must be \
         a string"
    );

    kit.updater().preprocess(
        |event| {
            if event.data().is_null() { Err("no data") } else { Ok(event) }
        },
    );
    let error = kit.emit(DomainEvent::new("job:done", &Value::Null)?).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Update(_)));
    assert_eq!(
        said(error).0,
        "`job:done` did not reach the pages: the preprocessor at index 0 failed on `job:done`: no data"
    );

    kit.hub().shut_down(Goodbye::StayAway);
    let error = kit.emit(done("ok")).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Publish(_)));
    let expected = "`job:done` did not reach the pages: the hub has shut down";
    assert_eq!(said(error), (expected.to_owned(), true));

    kit.dispatcher().filter(|_| Err::<bool, _>("broken"));
    let error = kit.emit(done("ok")).await.unwrap_err();
    assert!(matches!(error.kind(), EmitErrorKind::Dispatch(_)) && error.emitted().is_none());
    let expected =
        "`job:done` did not reach the pages: the filter at index 0 failed: broken".to_owned();
    assert_eq!(said(error), (expected, false));
    Ok(())
}

/// Each stage notes the address of the text in the data. Equal addresses are the same bytes.
#[tokio::test]
async fn nothing_is_copied_or_parsed_again_on_the_way_from_an_event_to_its_page() -> Test {
    type Seen = Arc<Mutex<Vec<(&'static str, usize)>>>;
    fn address(event: &DomainEvent) -> usize {
        event.data()["state"].as_str().map_or(0, |text| text.as_ptr().addr())
    }
    let seen = Seen::default();
    let note = |stage: &'static str| {
        let seen = Arc::clone(&seen);
        move |event: &DomainEvent| seen.lock().push((stage, address(event)))
    };
    let kit: SseKit = SseKit::new(Hub::new());
    let dispatcher = kit.dispatcher();
    dispatcher.filter({
        let note = note("filter");
        move |event| {
            note(&event);
            true
        }
    });
    dispatcher.transform({
        let note = note("transformer");
        move |event| {
            note(&event);
            event
        }
    });
    dispatcher.middleware_fn({
        let note = note("middleware");
        move |event, next| {
            note(&event);
            next.run(event)
        }
    });
    dispatcher.on("job:*", {
        let note = note("handler");
        move |event| note(&event)
    })?;
    kit.updater().preprocess({
        let note = note("preprocessor");
        move |event| {
            note(&event);
            event
        }
    });
    kit.on(|event: Done| fill(&event.state));
    let mut page = kit.hub().subscribe("job:done".parse::<Topic>()?).open()?;

    let event = DomainEvent::of(&done("x"))?;
    let text = address(&event);
    kit.emit(event).await?;

    let stages = ["filter", "transformer", "middleware", "handler", "preprocessor"];
    assert_eq!(*seen.lock(), stages.map(|stage| (stage, text)));
    kit.emit(DomainEvent::of(&done("y"))?).await?;
    let mut names = Vec::new();
    for _ in 0..2 {
        let Some(Delivery::Entry(entry)) = in_time("an event", page.recv()).await else {
            panic!("not an event")
        };
        names.push(entry.audience().topics()[0].as_str().as_ptr());
    }
    assert_eq!(names[0], names[1], "events of a topic share its name");
    Ok(())
}
