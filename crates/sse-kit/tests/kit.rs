//! An event on its way through all of it.
#![cfg(feature = "kit")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sse_kit::broadcast::{Delivery, Goodbye, Subscription};
use sse_kit::dispatch::Ending;
use sse_kit::event::Topic;
use sse_kit::htmx::{Dialect, Html, MessageFormat, Update};
use sse_kit::{DomainEvent, EmitFailure, Hub, SseKit};
use sse_kit_test_support::in_time;

type Test = Result<(), Box<dyn std::error::Error>>;

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

/// A kit whose events of type `job:done` fill `#state` with their data.
fn kit() -> SseKit {
    let kit = SseKit::new(Hub::new()).topic(|_| Topic::new("jobs"));
    kit.updater()
        .on("job:done", |state: String| Ok(Update::fill("state".parse()?, &Html::text(state))?));
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

    let emitted = kit.emit(DomainEvent::new("job:done", "<ok>")?).await?;
    assert_eq!(handled.load(Ordering::Relaxed), 1);
    assert_eq!(emitted.dispatched.results[0].value, "job:done");
    assert_eq!(emitted.updated.updates.len(), 1);
    let receipt = emitted.receipt.as_ref().expect("it was published");
    assert_eq!(receipt.receivers, 1);
    assert_eq!(emitted.errors().count(), 0);
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
async fn the_shape_follows_the_pages() -> Test {
    for (shape, begins) in [
        (MessageFormat::from(Dialect::V2), "data: <div hx-swap-oob=\"innerHTML:#state\">"),
        (MessageFormat::Both, "data: <hx-partial hx-target=\"#state\""),
    ] {
        let kit = kit().message_format(shape);
        let mut page = kit.hub().subscribe(topic("jobs")).open()?;
        let _ = kit.emit(DomainEvent::new("job:done", "ok")?).await?;
        let frame = next(&mut page).await;
        assert!(frame.starts_with(begins), "{frame}");
    }
    Ok(())
}

#[tokio::test]
async fn what_changes_nothing_or_is_stopped_is_not_published() -> Test {
    let kit = kit();
    let emitted = kit.emit(DomainEvent::new("job:unknown", "x")?).await?;
    assert_eq!((&emitted.dispatched.ending, emitted.receipt), (&Ending::Handled, None));

    kit.dispatcher().filter(|event| Ok(event.data() != "secret"));
    let emitted = kit.emit(DomainEvent::new("job:done", "secret")?).await?;
    assert_eq!(emitted.dispatched.ending, Ending::Filtered { filter: 0 });
    assert!(emitted.updated.updates.is_empty());
    assert_eq!(kit.hub().stats().published, 0);
    Ok(())
}

#[tokio::test]
async fn transformers_change_what_is_shown_and_where() -> Test {
    let kit = kit().topic(|event| Topic::new(event.data().as_str().unwrap_or_default()));
    kit.dispatcher().transform(|event| Ok(event.with_data(json!("b"))));
    let mut page = kit.hub().subscribe(topic("b")).open()?;
    let _ = kit.emit(DomainEvent::new("job:done", "a")?).await?;
    assert!(next(&mut page).await.contains(">b<"));

    kit.dispatcher().transform(|event| Ok(event.with_data(json!(""))));
    let error = kit.emit(DomainEvent::new("job:done", "a")?).await.unwrap_err();
    assert!(matches!(error.source, EmitFailure::Topic(_)));
    assert!(error.dispatched.is_some(), "its handlers ran");
    Ok(())
}

#[tokio::test]
async fn the_cause_can_be_left_out() -> Test {
    let kit = kit();
    let sender = kit.hub().subscribe(topic("jobs")).open()?;
    let mut other = kit.hub().subscribe(topic("jobs")).open()?;
    let except = [sender.connection().id().clone()];
    let emitted = kit.emit_except(DomainEvent::new("job:done", "ok")?, &except).await?;
    assert_eq!(emitted.receipt.map(|receipt| receipt.receivers), Some(1));
    assert!(next(&mut other).await.contains(">ok<"));
    Ok(())
}

#[tokio::test]
async fn all_errors_of_handlers_are_told_and_the_rest_arrives() -> Test {
    let kit = kit();
    kit.dispatcher().on("job:done", |_| -> () { panic!("first") })?;
    kit.updater().on("job:done", |_: u64| ());
    let emitted = kit.emit(DomainEvent::new("job:done", "ok")?).await?;
    let errors: Vec<_> = emitted.errors().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["the handler for `job:done` failed on `job:done`", "handler 2 of `job:done` failed"]
    );
    assert!(emitted.receipt.is_some());
    Ok(())
}

#[tokio::test]
async fn where_it_failed_is_told() -> Test {
    let kit = kit();
    kit.updater().preprocess(
        |_, data| {
            if data.is_null() { Err("no data".into()) } else { Ok(data.clone()) }
        },
    );
    let error = kit.emit(DomainEvent::new("job:done", &Value::Null)?).await.unwrap_err();
    assert!(matches!(error.source, EmitFailure::Update(_)));
    assert_eq!(error.to_string(), "`job:done` did not reach the pages");

    kit.hub().shut_down(Goodbye::StayAway);
    let error = kit.emit(DomainEvent::new("job:done", "ok")?).await.unwrap_err();
    assert!(matches!(error.source, EmitFailure::Publish(_)));

    kit.dispatcher().filter(|_| Err("broken".into()));
    let error = kit.emit(DomainEvent::new("job:done", "ok")?).await.unwrap_err();
    assert!(matches!(error.source, EmitFailure::Dispatch(_)) && error.dispatched.is_none());
    Ok(())
}
