//! From events to updates of a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use askama::Template;
use serde::Deserialize;
use serde_json::{Value, json};
use sse_kit_dispatch::{DomainEvent, Pattern};
use sse_kit_htmx::{Dialect, ElementId, Html, HtmlTemplate, Swap, Update, Updates};
use sse_kit_update::{
    BoxError, CallbackError, ElementUpdater, EventData, Handler, IntoOutput, PageUpdates,
    UpdateError, message,
};

type Test = Result<(), Box<dyn std::error::Error>>;

fn id(id: &str) -> ElementId {
    id.parse().expect("an id")
}

fn fill(to: &str, text: &str) -> Update {
    Update::fill(id(to), &Html::text(text)).expect("ready HTML")
}

fn event(event_type: &str, data: &(impl serde::Serialize + ?Sized)) -> DomainEvent {
    DomainEvent::new(event_type, data).expect("an event")
}

/// The ids of what is changed, in order.
fn targets(updates: &Updates) -> Vec<&str> {
    updates.iter().filter_map(|update| update.target().id()).map(ElementId::as_str).collect()
}

fn texts(updates: &Updates) -> Vec<&str> {
    updates.iter().map(|update| update.content().as_str()).collect()
}

#[tokio::test]
async fn handlers_run_by_priority_and_return_nothing_one_or_many() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:done", |_: Value| fill("one", ""))?;
    updater.register("job:done", Handler::typed(|_: Value| ()).priority(-5))?;
    let two = Handler::typed(|_: Value| vec![fill("two", ""), fill("three", "")]);
    updater.register("job:done", two.priority(10))?;
    updater.on("job:done", |_: Value| Some([fill("four", ""), fill("five", "")]))?;
    updater.register("job:done", Handler::typed(|_: Value| None::<Update>).priority(-5))?;
    let six = Handler::typed(|_: Value| (fill("six", ""), fill("seven", "")));
    updater.register("job:done", six.priority(-7))?;
    updater.on("job:failed", |_: Value| fill("another type", ""))?;

    let updated = updater.update(event("job:done", &Value::Null)).await?;
    assert_eq!(targets(&updated.updates), ["two", "three", "one", "four", "five", "six", "seven"]);
    assert!(updated.errors.is_empty());
    Ok(())
}

#[tokio::test]
async fn preprocessors_then_handlers_then_postprocessors() -> Test {
    let updater = ElementUpdater::new();
    updater.preprocess(|event| {
        let data = json!({ "type": event.full_type(), "was": event.data() });
        event.with_data(data)
    });
    updater.preprocess(|event| async move {
        let data = json!([event.data()["type"], event.data()["was"]]);
        Ok::<_, BoxError>(event.with_data(data))
    });
    updater.on("greeting", |data: Value| fill("a", &data.to_string()))?;
    updater.postprocess(|mut updates| {
        updates.push(fill("b", "1"));
        updates
    });
    updater.postprocess(|updates| async move { (updates, fill("c", "2")) });
    let updated = updater.update(event("greeting", &json!("hi"))).await?;
    assert_eq!(texts(&updated.updates), ["[&quot;greeting&quot;,&quot;hi&quot;]", "1", "2"]);

    // Where no handler makes anything, there is nothing to add to.
    assert!(updater.update(event("farewell", &json!("bye"))).await?.updates.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_processor_that_fails_or_panics_is_an_error() -> Test {
    let updater = ElementUpdater::new();
    updater.on("a", |_: Value| fill("x", ""))?;
    updater.preprocess(|event| event);
    updater.preprocess(|event| if event.data() == "bad" { Err("no") } else { Ok(event) });
    updater.postprocess(|_| -> Updates { panic!("oh") });

    let error = updater.update(event("a", &json!("bad"))).await.unwrap_err();
    assert!(
        matches!(&error, UpdateError::Preprocess { index: 1, event_type, source: CallbackError::Returned(_) } if event_type.as_str() == "a")
    );
    let error = updater.update(event("a", &json!("good"))).await.unwrap_err();
    assert!(
        matches!(&error, UpdateError::Postprocess { index: 0, source: CallbackError::Panicked { message }, .. } if message == "oh")
    );
    Ok(())
}

#[tokio::test]
async fn the_fallback_is_for_types_without_a_handler_and_gets_the_type() -> Test {
    let updater = ElementUpdater::new();
    updater.on("known:*", |_: Value| ())?;
    updater.fallback(|event| fill("log", &format!("{}: {}", event.full_type(), event.data())));
    let updated = updater.update(event("known:one", &json!(1))).await?;
    assert!(updated.updates.is_empty() && updated.handlers == 1);
    assert_eq!(texts(&updater.update(event("unknown", &json!(2))).await?.updates), ["unknown: 2"]);

    updater.fallback(|event| async move { fill("log", event.full_type().as_str()) });
    assert_eq!(texts(&updater.update(event("other", &json!(2))).await?.updates), ["other"]);
    Ok(())
}

#[tokio::test]
async fn patterns_are_listed_and_handlers_removed_by_id_by_pattern_or_all() -> Test {
    let updater = ElementUpdater::new();
    assert_eq!(updater.update(event("none", &Value::Null)).await?.handlers, 0);
    for pattern in ["b", "a", "*", "a"] {
        updater.on(pattern, |_: Value| fill("x", ""))?;
    }
    let first = updater.on("a", |_: Value| fill("y", ""))?;
    let patterns = || updater.patterns().iter().map(Pattern::to_string).collect::<Vec<_>>();
    assert_eq!(patterns(), ["*", "a", "b"]);
    assert_eq!(updater.update(event("a", &Value::Null)).await?.updates.len(), 4);
    assert!(updater.remove(&first) && !updater.remove(&first), "once only");
    assert_eq!(updater.clear(&"a".parse()?), 2);
    assert_eq!(updater.clear(&"a".parse()?), 0);
    assert_eq!(patterns(), ["*", "b"]);
    assert_eq!(updater.update(event("a", &Value::Null)).await?.updates.len(), 1);
    updater.clear_all();
    assert!(updater.patterns().is_empty());
    Ok(())
}

#[test]
fn what_is_no_pattern_is_an_error() {
    let updater = ElementUpdater::new();
    for text in ["", "not a : valid :: type", "a:", "sse-kit:x", "a**"] {
        assert!(updater.on(text, |_: Value| ()).is_err(), "{text}");
    }
    assert!(updater.patterns().is_empty());
}

#[derive(Deserialize)]
struct Progress {
    job: u64,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    name: String,
}

#[tokio::test]
async fn handlers_may_wait_and_take_typed_data() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:progress", |progress: Progress| async move {
        tokio::task::yield_now().await;
        fill(&format!("job-{}", progress.job), &progress.files[0].name)
    })?;
    let first = Handler::typed(|_: Value| async { fill("first", "") });
    updater.register("job:progress", first.priority(1))?;
    let data = json!({ "job": 17, "files": [{ "name": "a<b" }] });
    let updated = updater.update(event("job:progress", &data)).await?;
    assert_eq!(targets(&updated.updates), ["first", "job-17"]);
    assert_eq!(texts(&updated.updates)[1], "a&lt;b");
    Ok(())
}

#[tokio::test]
async fn data_that_do_not_fit_are_told_and_cost_nobody_else_anything() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:progress", |_: Progress| -> () { panic!("not to be called") })?;
    updater.on("job:progress", |_: Value| fill("other", ""))?;
    let data = json!({ "job": 17, "files": [{ "name": "a" }, { "name": 5 }] });
    let updated = updater.update(event("job:progress", &data)).await?;
    assert_eq!(targets(&updated.updates), ["other"]);

    let [failure] = &updated.errors[..] else { panic!("one handler failed") };
    assert_eq!((failure.event_type.as_str(), failure.index), ("job:progress", 0));
    let CallbackError::Data(error) = &failure.source else { panic!("it was not called") };
    assert_eq!(error.path, "files[1].name");
    Ok(())
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_does_not_stop_the_others() -> Test {
    let updater = ElementUpdater::new();
    updater.on("a", |n: u64| -> Result<_, BoxError> {
        Ok(fill("y", ["one"].get(usize::try_from(n)?).ok_or("no")?))
    })?;
    updater.on("a", |_: Value| -> Update { panic!("sync") })?;
    updater.on("a", |_: Value| async { panic!("async {}", 1) as () })?;
    updater.on("a", |_: Value| fill("x", ""))?;
    let updated = updater.update(event("a", &json!(5))).await?;
    assert_eq!(targets(&updated.updates), ["x"]);
    let failures: Vec<_> = updated.errors.iter().map(|f| (f.index, f.source.to_string())).collect();
    assert_eq!(
        failures,
        [
            (0, "no".to_owned()),
            (1, "panicked: sync".to_owned()),
            (2, "panicked: async 1".to_owned()),
        ]
    );
    Ok(())
}

#[derive(serde::Serialize, Deserialize)]
struct Counted(u64);

impl EventData for Counted {
    const TYPE: &'static str = "count:changed";
}

#[tokio::test]
async fn a_type_says_its_event_type_once() -> Test {
    let updater = ElementUpdater::new();
    updater.on_event(|Counted(count)| fill("count", &count.to_string()));
    let updated = updater.update(DomainEvent::of(&Counted(3))?).await?;
    assert_eq!(texts(&updated.updates), ["3"]);
    Ok(())
}

#[derive(Template)]
#[template(source = "<tr id=\"job-{{ job }}\"><td>{{ state }}</td></tr>", ext = "html")]
struct Row<'a> {
    job: u64,
    state: &'a str,
}

impl HtmlTemplate for Row<'_> {}

#[tokio::test]
async fn all_of_it_is_one_message_in_the_shape_of_the_dialect() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:changed", |state: String| {
        let row = Row { job: 17, state: &state };
        Update::morph_or_replace(id("job-17"), &row).map(|row| [row, fill("count", "1")])
    })?;
    let updates = updater.update(event("job:changed", &json!("<b>"))).await?.updates;
    let data = |dialect| message(&updates, dialect).map(|event| event.unwrap().data().to_owned());
    assert_eq!(
        data(Dialect::V4)?,
        "<hx-partial hx-target=\"#job-17\" hx-swap=\"outerMorph\">\
         <tr id=\"job-17\"><td>&#60;b&#62;</td></tr></hx-partial>\
         <hx-partial hx-target=\"#count\" hx-swap=\"innerHTML\">1</hx-partial>"
    );
    assert_eq!(
        data(Dialect::V2)?,
        "<template><tr hx-swap-oob=\"outerHTML:#job-17\" id=\"job-17\">\
         <td>&#60;b&#62;</td></tr></template>\
         <div hx-swap-oob=\"innerHTML:#count\">1</div>"
    );
    assert_eq!(message(&updates, Dialect::V4)?.unwrap().name(), None);
    Ok(())
}

#[tokio::test]
async fn what_the_dialect_cannot_do_is_an_error() -> Test {
    let PageUpdates(morph) = Update::morph(id("a"), &Html::text("x")).into_output().unwrap();
    assert!(message(&morph, Dialect::V2).is_err());
    assert!(message(&morph, Dialect::V4)?.is_some());
    assert_eq!(morph.iter().next().unwrap().swap(Dialect::V4)?, Swap::OuterMorph);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_may_change_while_events_are_on_their_way() -> Test {
    let updater = ElementUpdater::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let (inner, count) = (updater.clone(), Arc::clone(&ran));
    updater.on("a", move |_: Value| -> Result<(), BoxError> {
        // For the next event, not for this one.
        inner.clear(&"a".parse()?);
        let count = Arc::clone(&count);
        inner.on("a", move |_: Value| {
            count.fetch_add(1, Ordering::Relaxed);
            fill("later", "")
        })?;
        Ok(())
    })?;
    updater.on("a", |_: Value| fill("now", ""))?;
    assert_eq!(targets(&updater.update(event("a", &Value::Null)).await?.updates), ["now"]);
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert_eq!(targets(&updater.update(event("a", &Value::Null)).await?.updates), ["later"]);
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    Ok(())
}
