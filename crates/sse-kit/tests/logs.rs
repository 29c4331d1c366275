//! Every failure is logged, once, with its causes.
#![cfg(feature = "kit")]

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sse_kit::broadcast::{Delivery, Goodbye};
use sse_kit::event::{ConnectionId, LastEventId};
use sse_kit::htmx::{Html, Update};
use sse_kit::{BoxError, DomainEvent, Event, EventData, Hub, OnFailure, SseKit};
use tracing::level_filters::LevelFilter;

#[derive(Serialize, Deserialize)]
struct Done(String);

impl EventData for Done {
    const TYPE: &'static str = "job:done";
}

fn done() -> Done {
    Done("ok".to_owned())
}

/// The lines of the log of what a future does, from the level debug on.
fn logged<T>(work: impl Future<Output = T>) -> Vec<String> {
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
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tracing::subscriber::with_default(subscriber, || runtime.expect("a runtime").block_on(work));
    let text = String::from_utf8(written.0.lock().clone()).expect("text");
    text.lines().filter(|line| line.contains("sse_kit")).map(str::to_owned).collect()
}

fn kit() -> SseKit<u64> {
    let kit = SseKit::with_state(Hub::new(), 0);
    kit.on(|Done(state)| -> Result<_, BoxError> {
        Ok(Update::fill("state".parse()?, &Html::text(state))?)
    });
    kit
}

#[track_caller]
fn assert_one(lines: &[String], parts: &[&str]) {
    let [line] = lines else { panic!("{} lines: {lines:#?}", lines.len()) };
    for part in parts {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
}

#[test]
fn a_handler_that_fails_is_logged_with_its_causes_whoever_calls_it() {
    let span = "sse.emit{event_type=job:done}";
    let parts = ["ERROR", span, "`job:*`", "do not fit at `.`", "invalid type", "u64"];
    assert_one(
        &logged(async {
            let kit = kit();
            kit.dispatcher().on_typed("job:*", |_: u64| ()).expect("a pattern");
            assert!(kit.emit(done()).await.is_err());
        }),
        &parts,
    );
    assert_one(
        &logged(async {
            let kit = kit().on_handler_failure(OnFailure::Log);
            kit.updater().on("job:*", |_: u64| ()).expect("a pattern");
            kit.change(|_| done()).await.expect("it is logged only");
        }),
        &parts,
    );
}

#[test]
fn an_event_that_nothing_takes_is_logged() {
    let event = || DomainEvent::new("job:dnoe", "").expect("an event");
    let lines = logged(async { assert!(kit().emit(event()).await.is_err()) });
    assert_one(&lines, &["ERROR", "`job:dnoe` did not reach the pages: no handler takes it"]);
    let lines = logged(async { kit().on_unhandled(OnFailure::Log).emit(event()).await.map(drop) });
    assert_one(&lines, &["WARN", "an event has no handler", "event_type=job:dnoe"]);
}

#[test]
fn an_event_that_is_not_published_is_logged_also_when_nobody_waits_for_it() {
    let broken = || kit().topic(|_| Err::<sse_kit::event::Topic, _>("no topic today"));
    let lines = logged(async { assert!(broken().emit(done()).await.is_err()) });
    assert_one(&lines, &["ERROR", "`job:done` has no topic: no topic today"]);

    let lines = logged(async {
        let kit = broken();
        kit.dispatcher().on("job:*", |_| tokio::task::yield_now()).expect("a pattern");
        let mut change = Box::pin(kit.change(|_| done()));
        let once = std::future::poll_fn(|cx| std::task::Poll::Ready(change.as_mut().poll(cx)));
        assert!(once.await.is_pending(), "its handler waits");
        drop(change);
        kit.read(|_| ()).await;
    });
    assert_one(&lines, &["ERROR", "`job:done` has no topic: no topic today"]);
}

#[test]
fn a_shutdown_is_no_error_in_the_log() {
    let lines = logged(async {
        let kit = kit();
        kit.hub().shut_down(Goodbye::StayAway);
        assert!(kit.change(|_| done()).await.is_err_and(|error| error.is_shutdown()));
    });
    assert_one(&lines, &["DEBUG", "`job:done` did not reach the pages: the hub has shut down"]);
}

/// The log has the opening, the resumption, the gaps and the end of a stream, each with its connection.
#[test]
fn the_life_of_a_stream_is_in_the_log() {
    let lines = logged(async {
        let hub = Hub::builder().history(1).build().expect("settings that fit");
        let (topic, seen) = (Done::topic(), hub.cursor());
        for _ in 0..3 {
            hub.publish(topic.clone(), Event::new("x")).await.expect("it is published");
        }
        let id: ConnectionId = "page-17".parse().expect("an id");
        let page = hub.subscribe(topic).id(id.clone()).resume(LastEventId::Known(seen)).open();
        let mut page = page.expect("it opens");
        assert!(matches!(page.recv().await, Some(Delivery::Gap(_))));
        assert!(hub.dismiss(&id, Goodbye::StayAway));
    });
    let expected = [
        ["a stream is open", "resumes=true"],
        ["a stream has a gap", "Trimmed"],
        ["a stream has ended", "Disconnected"],
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, parts) in lines.iter().zip(expected) {
        for part in parts.iter().chain(&["DEBUG", "connection=page-17"]) {
            assert!(line.contains(part), "{part} is not in: {line}");
        }
    }
}
