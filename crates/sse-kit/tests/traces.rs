//! The spans of an event and of a stream, as OpenTelemetry gets them.
#![cfg(all(feature = "kit", feature = "opentelemetry"))]

use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry::{SpanId, Value};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde::{Deserialize, Serialize};
use sse_kit::broadcast::{Delivery, Goodbye, OnAppendFailure, Verdict};
use sse_kit::event::{LastEventId, Topic, TraceContext};
use sse_kit::htmx::{Html, Update};
use sse_kit::opentelemetry::OpenTelemetry;
use sse_kit::{BoxError, Event, EventData, Hub, SseKit};
use tracing::Instrument;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Serialize, Deserialize)]
struct Done(String);

impl EventData for Done {
    const TYPE: &'static str = "job:done";
}

/// Runs work, and returns the spans that have ended when all of it is over.
fn spans(work: impl Future<Output = Result<(), BoxError>>) -> Vec<SpanData> {
    spans_at(LevelFilter::DEBUG, work)
}

fn spans_at(level: LevelFilter, work: impl Future<Output = Result<(), BoxError>>) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(level).with(layer);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(work).expect("it succeeds");
        // Tasks end, and their spans.
        drop(runtime);
    });
    exporter.get_finished_spans().expect("spans")
}

#[track_caller]
fn one<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found[..] else { panic!("{} spans are called {name}: {spans:#?}", found.len()) };
    span
}

fn value(span: &SpanData, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == key)?;
    Some(match &attribute.value {
        Value::String(text) => text.as_str().to_owned(),
        value => value.to_string(),
    })
}

fn traced() -> Result<Hub, BoxError> {
    Ok(Hub::builder().shards(1).propagate_traces(OpenTelemetry).build()?)
}

#[test]
fn a_delivery_is_linked_to_the_request_that_caused_the_event() {
    let spans = spans(async {
        let kit = SseKit::new(traced()?);
        kit.on(|Done(text)| -> Result<_, BoxError> {
            Ok(Update::fill("state".parse()?, &Html::text(text))?)
        });
        kit.dispatcher().on("job:*", |_| ())?;
        let topic: Topic = "job:done".parse()?;
        let mut page = kit.hub().subscribe(topic).open()?;
        let request = tracing::info_span!("request");
        kit.emit(Done("x".into())).instrument(request).await?;
        assert!(matches!(page.recv().await, Some(Delivery::Entry(_))));
        Ok(())
    });
    let request = one(&spans, "request");
    let emit = one(&spans, "sse.emit");
    assert_eq!(emit.parent_span_id, request.span_context.span_id());
    for part in ["sse.dispatch", "sse.update", "sse.publish"] {
        let part = one(&spans, part);
        assert_eq!(part.parent_span_id, emit.span_context.span_id(), "{part:?}");
    }
    let publish = one(&spans, "sse.publish");
    assert_eq!(publish.span_kind, SpanKind::Producer);
    assert_eq!(value(publish, "messaging.destination.name").as_deref(), Some("job:done"));
    assert_eq!(value(publish, "sse.receivers").as_deref(), Some("1"));
    let id = value(publish, "messaging.message.id").expect("an id");
    assert!(id.ends_with("-1"), "{id}");

    let deliver = one(&spans, "sse.deliver");
    assert_eq!(deliver.span_kind, SpanKind::Consumer);
    assert_eq!(deliver.parent_span_id, SpanId::INVALID);
    assert_eq!(value(deliver, "messaging.message.id"), Some(id));
    let links: Vec<_> = deliver.links.iter().map(|link| &link.span_context).collect();
    let [link] = links[..] else { panic!("{links:?}") };
    assert_eq!(link.trace_id(), request.span_context.trace_id());
    assert_eq!(link.span_id(), publish.span_context.span_id());
    assert!(link.is_remote() && link.is_sampled());
}

#[test]
fn a_stream_tells_where_it_resumed_what_it_missed_and_why_it_ended() {
    let spans = spans(async {
        let hub = traced()?;
        let topic: Topic = "a".parse()?;
        let unknown = LastEventId::parse(b"1-1");
        let mut page = hub.subscribe(&topic).resume(unknown).open()?;
        assert!(matches!(page.recv().await, Some(Delivery::Gap(_))));
        hub.dismiss(page.connection().id(), Goodbye::StayAway);
        while page.recv().await.is_some() {}
        Ok(())
    });
    let stream = one(&spans, "sse.stream");
    assert_eq!(value(stream, "sse.close_reason").as_deref(), Some("Disconnected"));
    assert_eq!(value(stream, "sse.resumed_from").as_deref(), Some("1-1"));
    let events: Vec<_> = stream.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["a stream is open", "a stream has a gap", "a stream has ended"]);
    let gap = &stream.events.events[1];
    let reason = gap.attributes.iter().find(|attribute| attribute.key.as_str() == "reason");
    assert_eq!(reason.expect("a reason").value.as_str(), "UnknownEpoch");
}

/// A trace that the publisher names, as the hub does for a header, wins over that of the code.
#[test]
fn a_publisher_may_name_the_trace() {
    let spans = spans(async {
        let hub = traced()?;
        let topic: Topic = "a".parse()?;
        let _page = hub.subscribe(&topic).open()?;
        let trace: TraceContext =
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
        let publish = hub.except([]).trace_context(trace);
        publish.publish(&topic, Event::new("x")).await?;
        assert_eq!(hub.history(&topic, 1)[0].trace_context(), Some(trace));
        let frame = hub.history(&topic, 1)[0].frame().clone();
        assert!(!String::from_utf8_lossy(&frame).contains("4bf92f"), "no client gets it");
        tokio::task::yield_now().await;
        Ok(())
    });
    let deliver = one(&spans, "sse.deliver");
    let link = deliver.links.iter().next().expect("a link");
    assert_eq!(link.span_context.span_id().to_string(), "00f067aa0ba902b7");
}

#[test]
fn hooks_run_within_the_publish_and_follow_ups_have_its_trace() {
    let spans = spans(async {
        let hub = Hub::builder().shards(1).propagate_traces(OpenTelemetry);
        let second: Topic = "b".parse()?;
        let to = second.clone();
        let hub = hub.on_broadcast(move |draft| {
            tracing::info_span!("hook").in_scope(|| ());
            if draft.event().data() == "first" {
                draft.follow_up(&to, Event::new("second"));
            }
            Verdict::Keep
        });
        let hub = hub.build()?;
        let first: Topic = "a".parse()?;
        hub.publish(&first, Event::new("first")).await?;
        let [first, second] =
            [first, second].map(|topic| hub.history(&topic, 1)[0].trace_context());
        assert!(first.is_some());
        assert_eq!(first, second);
        Ok(())
    });
    let publish = one(&spans, "sse.publish");
    let hooks: Vec<_> = spans.iter().filter(|span| span.name == "hook").collect();
    assert_eq!(hooks.len(), 2);
    for hook in hooks {
        assert_eq!(hook.parent_span_id, publish.span_context.span_id());
    }
}

/// Without the span `sse.publish`, as at the level info, an event belongs to the span around it.
#[test]
fn an_event_has_a_trace_also_where_its_publish_is_not_recorded() {
    let spans = spans_at(LevelFilter::INFO, async {
        let (hub, topic) = (traced()?, "a".parse::<Topic>()?);
        let request = tracing::info_span!("request");
        hub.publish(&topic, Event::new("x")).instrument(request).await?;
        let trace = hub.history(&topic, 1)[0].trace_context().ok_or("no trace")?;
        tracing::info_span!("caused", by = trace.span_id()).in_scope(|| ());
        Ok(())
    });
    let request = one(&spans, "request").span_context.span_id();
    let by = u64::from_be_bytes(request.to_bytes()).to_string();
    assert_eq!(value(one(&spans, "caused"), "by"), Some(by));
}

#[test]
fn at_the_level_trace_a_stream_logs_each_event_with_its_trace() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let spans = spans_at(LevelFilter::TRACE, async {
        let (hub, topic) = (traced()?, "a".parse::<Topic>()?);
        let mut page = hub.subscribe(&topic).open()?;
        // The first one is measured as well, the second one is not.
        for _ in 0..2 {
            let publish = hub.except([]).trace_context(trace.parse::<TraceContext>()?);
            publish.publish(&topic, Event::new("x")).await?;
            assert!(matches!(page.recv().await, Some(Delivery::Entry(_))));
        }
        Ok(())
    });
    let events = &one(&spans, "sse.stream").events.events;
    let delivered: Vec<_> = events.iter().filter(|e| e.name == "an event is delivered").collect();
    assert_eq!(delivered.len(), 2, "{events:?}");
    for event in delivered {
        let found =
            event.attributes.iter().find(|attribute| attribute.key.as_str() == "traceparent");
        assert_eq!(found.expect("a trace").value.as_str(), trace);
    }
}

#[test]
fn a_publish_that_fails_says_so() {
    let spans = spans(async {
        let hub = Hub::builder().on_append_failure(OnAppendFailure::Fail).build()?;
        hub.shut_down(Goodbye::StayAway);
        let topic: Topic = "a".parse()?;
        assert!(hub.publish(&topic, Event::new("x")).await.is_err());
        Ok(())
    });
    let publish = one(&spans, "sse.publish");
    assert_eq!(value(publish, "error.type").as_deref(), Some("Closed"));
    assert!(matches!(publish.status, Status::Error { .. }), "{:?}", publish.status);
    assert!(value(publish, "messaging.message.id").is_none());
}
