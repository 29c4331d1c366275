//! Spans of publishes, deliveries and streams, and the links between them.

use std::fmt;
use std::sync::Arc;

use futures_core::future::BoxFuture;
use sse_kit_event::control::Gap;
use sse_kit_event::{Audience, LastEventId, TraceContext};
use tracing::field::{Empty, debug, display};
use tracing::{Instrument, Span};

use crate::connection::Connection;
use crate::ending::CloseReason;
use crate::entry::Entry;
use crate::publish_error::PublishError;
use crate::receipt::Receipt;

/// The connection between the spans of a hub and a system for distributed traces: see
/// [`HubBuilder::propagate_traces`](crate::HubBuilder::propagate_traces).
///
/// The crate `sse-kit-opentelemetry` implements it for OpenTelemetry.
pub trait TracePropagation: Send + Sync + fmt::Debug + 'static {
    /// Returns the trace context of the current span. The hub asks for it within the span
    /// `sse.publish`, and sends it along with the event.
    fn current(&self) -> Option<TraceContext>;

    /// Links the current span to the spans that published these events. The hub calls it within the
    /// span `sse.deliver`.
    fn link(&self, causes: &[TraceContext]);
}

/// The propagation of a hub; `None` until the app sets one.
pub(crate) type Propagation = Option<Arc<dyn TracePropagation>>;

/// A span that takes one word where nobody records it, as it is moved along with what it is about.
#[derive(Debug, Default)]
pub(crate) struct RareSpan(Option<Box<Span>>);

impl RareSpan {
    #[inline]
    fn new(span: Span) -> Self {
        Self((!span.is_disabled()).then(|| Box::new(span)))
    }

    #[inline]
    pub(crate) fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Calls a function, such as one that logs, within the span.
    #[inline]
    pub(crate) fn within<T>(&self, act: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(span) => span.in_scope(act),
            None => act(),
        }
    }

    /// Returns a future that does its work within the span.
    #[inline]
    pub(crate) fn around<'a, T: 'a>(&self, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        match &self.0 {
            Some(span) => Box::pin(work.instrument(Span::clone(span))),
            None => work,
        }
    }
}

/// Returns the span of a publish.
#[inline]
pub(crate) fn publish_span(audience: &Audience) -> RareSpan {
    RareSpan::new(tracing::debug_span!(
        "sse.publish",
        otel.kind = "producer",
        messaging.system = "sse-kit",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = %audience,
        messaging.message.id = Empty,
        sse.receivers = Empty,
        otel.status_code = Empty,
        error.type = Empty,
    ))
}

/// Notes the outcome of a publish in its span.
pub(crate) fn note_published(span: &RareSpan, outcome: &Result<Receipt, PublishError>) {
    let Some(span) = &span.0 else { return };
    match outcome {
        Ok(receipt) => {
            span.record("messaging.message.id", display(receipt.id));
            span.record("sse.receivers", receipt.receivers);
        }
        Err(error) => {
            let error = format!("{error:?}");
            // The name of the variant alone, as the values of `error.type` have to be few.
            let variant = error.split(|c: char| !c.is_alphanumeric()).next();
            span.record("error.type", variant);
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Returns the span of a delivery to the queues of a shard, linked to the causes of the events.
pub(crate) fn deliver_span(entries: &[Arc<Entry>], receivers: usize, to: &Propagation) -> Span {
    let Some(first) = entries.first() else { return Span::none() };
    let span = tracing::debug_span!(
        "sse.deliver",
        otel.kind = "consumer",
        messaging.system = "sse-kit",
        messaging.operation.name = "deliver",
        messaging.operation.type = "process",
        messaging.destination.name = %first.audience,
        messaging.message.id = %first.id,
        messaging.batch.message_count = entries.len(),
        sse.receivers = receivers,
    );
    if let Some(propagation) = to {
        let causes: Vec<_> = entries.iter().filter_map(|entry| entry.trace_context()).collect();
        if !causes.is_empty() {
            span.in_scope(|| propagation.link(&causes));
        }
    }
    span
}

/// The span of a stream, from its beginning to its end.
#[derive(Debug, Default)]
pub(crate) struct StreamSpan(RareSpan);

impl StreamSpan {
    /// Begins the span and logs that the stream is open.
    pub(crate) fn begin(
        connection: &Connection,
        resumed: Option<&LastEventId>,
        resumes: bool,
    ) -> Self {
        let span = tracing::debug_span!(
            "sse.stream",
            otel.kind = "consumer",
            messaging.system = "sse-kit",
            messaging.operation.name = "stream",
            messaging.operation.type = "receive",
            sse.connection = %connection.id,
            sse.topics = ?connection.topics,
            sse.resumed_from = Empty,
            sse.close_reason = Empty,
        );
        let span = RareSpan::new(span);
        if let (Some(span), Some(from)) = (&span.0, resumed) {
            span.record("sse.resumed_from", display(LastSeen(from)));
        }
        span.within(|| {
            let (connection, topics) = (&connection.id, &connection.topics);
            let resumed_from = resumed.map(|last| display(LastSeen(last)));
            tracing::debug!(%connection, ?topics, resumes, resumed_from, "a stream is open");
        });
        Self(span)
    }

    /// Logs a gap, which the stream sends to its client.
    pub(crate) fn gap(&self, connection: &Connection, gap: &Gap) {
        self.0.within(|| {
            let (connection, reason) = (&connection.id, &gap.reason);
            tracing::debug!(%connection, ?reason, ?gap, "a stream has a gap");
        });
    }

    /// Logs that the stream took an event from its queue, to write it to its client.
    pub(crate) fn delivered(&self, entry: &Entry) {
        self.0.within(|| {
            let traceparent = entry.trace.as_deref().map(display);
            tracing::trace!(id = %entry.id, traceparent, "an event is delivered");
        });
    }

    /// Notes how the stream ended.
    pub(crate) fn end(&self, connection: &Connection, reason: CloseReason) {
        if let Some(span) = &self.0.0 {
            span.record("sse.close_reason", debug(reason));
        }
        self.0
            .within(|| tracing::debug!(connection = %connection.id, ?reason, "a stream has ended"));
    }
}

/// The last event of a client, for a log.
struct LastSeen<'a>(&'a LastEventId);

impl fmt::Display for LastSeen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LastEventId::Known(id) => id.fmt(f),
            LastEventId::Unusable(error) => error.fmt(f),
        }
    }
}
