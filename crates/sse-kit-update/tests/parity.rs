//! What the library that sse-kit re-implements promises of its element updater, row by row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use askama::Template;
use serde::Deserialize;
use serde_json::{Value, json};
use sse_kit_htmx::{Dialect, ElementId, Html, HtmlTemplate, Swap, Update, Updates};
use sse_kit_update::{ElementUpdater, Failure, Handler, IntoUpdates, UpdateError, message};

type Test = Result<(), Box<dyn std::error::Error>>;

fn id(id: &str) -> ElementId {
    id.parse().expect("an id")
}

fn fill(to: &str, text: &str) -> Update {
    Update::fill(id(to), &Html::text(text)).expect("ready HTML")
}

/// The ids of what is changed, in order.
fn targets(updates: &Updates) -> Vec<&str> {
    updates.iter().filter_map(|update| update.target().id()).map(ElementId::as_str).collect()
}

fn texts(updates: &Updates) -> Vec<&str> {
    updates.iter().map(|update| update.content().as_str()).collect()
}

#[tokio::test]
async fn c1_handlers_run_by_priority_and_return_nothing_one_or_many() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:done", |_: Value| fill("one", ""));
    updater.register("job:done", Handler::new(|_: Value| ()).priority(-5));
    let two = Handler::new(|_: Value| vec![fill("two", ""), fill("three", "")]);
    updater.register("job:done", two.priority(10));
    updater.on("job:done", |_: Value| Some([fill("four", ""), fill("five", "")]));
    updater.register("job:done", Handler::new(|_: Value| None::<Update>).priority(-5));
    let six = Handler::new(|_: Value| (fill("six", ""), fill("seven", "")));
    updater.register("job:done", six.priority(-7));
    updater.on("job:failed", |_: Value| fill("another type", ""));

    let updated = updater.update("job:done", &Value::Null).await?;
    assert_eq!(targets(&updated.updates), ["two", "three", "one", "four", "five", "six", "seven"]);
    assert!(updated.errors.is_empty());
    Ok(())
}

#[tokio::test]
async fn c2_preprocessors_then_handlers_then_postprocessors() -> Test {
    let updater = ElementUpdater::new();
    updater.preprocess(|event_type, data| Ok(json!({ "type": event_type, "was": data })));
    updater.preprocess_async(|_, data| async move { Ok(json!([data["type"], data["was"]])) });
    updater.on("greeting", |data: Value| fill("a", &data.to_string()));
    updater.postprocess(|mut updates| {
        updates.push(fill("b", "1"));
        Ok(updates)
    });
    updater.postprocess_async(|updates| async move {
        Ok(updates.into_iter().chain([fill("c", "2")]).collect())
    });
    let updated = updater.update("greeting", &json!("hi")).await?;
    assert_eq!(texts(&updated.updates), ["[&quot;greeting&quot;,&quot;hi&quot;]", "1", "2"]);

    // Where no handler makes anything, there is nothing to add to.
    assert!(updater.update("farewell", &json!("bye")).await?.updates.is_empty());
    Ok(())
}

#[tokio::test]
async fn c2_a_processor_that_fails_or_panics_is_an_error() {
    let updater = ElementUpdater::new();
    updater.on("a", |_: Value| fill("x", ""));
    updater.preprocess(|_, data| Ok(data.clone()));
    updater.preprocess(|_, data| if data == "bad" { Err("no".into()) } else { Ok(data.clone()) });
    updater.postprocess(|_| panic!("oh"));

    let error = updater.update("a", &json!("bad")).await.unwrap_err();
    assert!(
        matches!(&error, UpdateError::Preprocess { number: 2, event_type, source: Failure::Error(_) } if event_type == "a")
    );
    let error = updater.update("a", &json!("good")).await.unwrap_err();
    assert!(
        matches!(&error, UpdateError::Postprocess { number: 1, source: Failure::Panic { message }, .. } if message == "oh")
    );
}

#[tokio::test]
async fn c3_the_fallback_is_for_types_without_a_handler_and_gets_the_type() -> Test {
    let updater = ElementUpdater::new();
    updater.on("known", |_: Value| ());
    updater.fallback(|event_type, data| fill("log", &format!("{event_type}: {data}")));
    assert!(updater.update("known", &json!(1)).await?.updates.is_empty());
    assert_eq!(texts(&updater.update("unknown", &json!(2)).await?.updates), ["unknown: 2"]);

    updater.fallback_async(|event_type, _| async move { fill("log", &event_type) });
    assert_eq!(texts(&updater.update("other", &json!(2)).await?.updates), ["other"]);
    Ok(())
}

#[tokio::test]
async fn c4_registered_types_are_listed_and_cleared_one_or_all() -> Test {
    let updater = ElementUpdater::new();
    assert!(updater.update("none", &Value::Null).await?.updates.is_empty());
    for event_type in ["b", "a", "c", "a"] {
        updater.on(event_type, |_: Value| fill("x", ""));
    }
    assert_eq!(updater.event_types(), ["a", "b", "c"]);
    assert_eq!(updater.update("a", &Value::Null).await?.updates.len(), 2);
    assert!(updater.clear("a"));
    assert!(!updater.clear("a"));
    assert!(!updater.clear(""), "which is not all of them");
    assert_eq!(updater.event_types(), ["b", "c"]);
    assert!(updater.update("a", &Value::Null).await?.updates.is_empty());
    updater.clear_all();
    assert!(updater.event_types().is_empty());
    Ok(())
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
async fn c5_handlers_may_wait_and_take_typed_data() -> Test {
    let updater = ElementUpdater::new();
    updater.on_async("job:progress", |progress: Progress| async move {
        tokio::task::yield_now().await;
        fill(&format!("job-{}", progress.job), &progress.files[0].name)
    });
    let first = Handler::new_async(|_: Value| async { fill("first", "") });
    updater.register("job:progress", first.priority(1));
    let data = json!({ "job": 17, "files": [{ "name": "a<b" }] });
    let updated = updater.update("job:progress", &data).await?;
    assert_eq!(targets(&updated.updates), ["first", "job-17"]);
    assert_eq!(texts(&updated.updates)[1], "a&lt;b");
    Ok(())
}

#[tokio::test]
async fn c5_data_that_do_not_fit_are_told_and_cost_nobody_else_anything() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:progress", |_: Progress| -> () { panic!("not to be called") });
    updater.on("job:progress", |_: Value| fill("other", ""));
    let data = json!({ "job": 17, "files": [{ "name": "a" }, { "name": 5 }] });
    let updated = updater.update("job:progress", &data).await?;
    assert_eq!(targets(&updated.updates), ["other"]);

    let [failure] = &updated.errors[..] else { panic!("one handler failed") };
    assert_eq!((failure.event_type.as_str(), failure.number), ("job:progress", 1));
    let Failure::Data(error) = &failure.source else { panic!("it was not called") };
    assert_eq!(error.path, "files[1].name");
    Ok(())
}

#[tokio::test]
async fn c5_a_handler_that_fails_or_panics_does_not_stop_the_others() -> Test {
    let updater = ElementUpdater::new();
    updater.on("a", |n: u64| Ok(fill("y", ["one"].get(usize::try_from(n)?).ok_or("no")?)));
    updater.on("a", |_: Value| -> Update { panic!("sync") });
    updater.on_async("a", |_: Value| async { panic!("async {}", 1) as () });
    updater.on("a", |_: Value| fill("x", ""));
    let updated = updater.update("a", &json!(5)).await?;
    assert_eq!(targets(&updated.updates), ["x"]);
    let failures: Vec<_> =
        updated.errors.iter().map(|f| (f.number, f.source.to_string())).collect();
    assert_eq!(
        failures,
        [
            (1, "no".to_owned()),
            (2, "panicked: sync".to_owned()),
            (3, "panicked: async 1".to_owned()),
        ]
    );
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
async fn c6_all_of_it_is_one_message_in_the_shape_of_the_dialect() -> Test {
    let updater = ElementUpdater::new();
    updater.on("job:changed", |state: String| {
        let row = Row { job: 17, state: &state };
        Ok([Update::morph_or_replace(id("job-17"), &row)?, fill("count", "1")])
    });
    let updates = updater.update("job:changed", &json!("<b>")).await?.updates;
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
async fn c6_what_the_dialect_cannot_do_is_an_error() -> Test {
    let morph = Update::morph(id("a"), &Html::text("x"))?.into_updates().unwrap();
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
    updater.on("a", move |_: Value| {
        // For the next event, not for this one.
        inner.clear("a");
        let count = Arc::clone(&count);
        inner.on("a", move |_: Value| {
            count.fetch_add(1, Ordering::Relaxed);
            fill("later", "")
        });
    });
    updater.on("a", |_: Value| fill("now", ""));
    assert_eq!(targets(&updater.update("a", &Value::Null).await?.updates), ["now"]);
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert_eq!(targets(&updater.update("a", &Value::Null).await?.updates), ["later"]);
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    Ok(())
}
