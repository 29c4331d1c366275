//! The traces of sse-kit in OpenTelemetry: each event carries the trace of the request that caused it through the log,
//! and every node that delivers the event links its deliveries to that request.
//!
//! Give [`OpenTelemetry`] to the hub, and add the layer of `tracing-opentelemetry` to the app's subscriber. The guide
//! "Traces" of the book shows both.
#![cfg_attr(docsrs, feature(doc_cfg))]

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use sse_kit_broadcast::TracePropagation;
use sse_kit_event::TraceContext;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The propagation of traces between hubs through OpenTelemetry, for
/// [`HubBuilder::propagate_traces`](sse_kit_broadcast::HubBuilder::propagate_traces).
///
/// It needs a subscriber of `tracing` with the layer of `tracing-opentelemetry`; without it, events
/// carry no trace.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_opentelemetry::OpenTelemetry;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::builder().propagate_traces(OpenTelemetry).build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTelemetry;

impl TracePropagation for OpenTelemetry {
    fn current(&self) -> Option<TraceContext> {
        let context = Span::current().context();
        let span = context.span();
        let context = span.span_context();
        let (trace_id, span_id) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
        let flags = context.trace_flags().to_u8();
        TraceContext::new(u128::from_be_bytes(trace_id), u64::from_be_bytes(span_id), flags)
    }

    fn link(&self, causes: &[TraceContext]) {
        let span = Span::current();
        for cause in causes {
            span.add_link(remote(cause));
        }
    }
}

/// Returns the span that published an event, as OpenTelemetry has it.
fn remote(cause: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(cause.trace_id().to_be_bytes()),
        SpanId::from_bytes(cause.span_id().to_be_bytes()),
        TraceFlags::new(cause.flags()),
        true,
        TraceState::NONE,
    )
}

/// The example of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
