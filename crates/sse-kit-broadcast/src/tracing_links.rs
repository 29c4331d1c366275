//! Spans of publishes, deliveries and streams, and the links between them.

use std::fmt;
use std::sync::Arc;

use sse_kit_event::control::Gap;
use sse_kit_event::{Audience, LastEventId, TraceContext};
use tracing::Span;
use tracing::field::{Empty, debug, display};

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

/// Returns the span of a publish.
pub(crate) fn publish_span(audience: &Audience) -> Span {
    tracing::debug_span!(
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
    )
}

/// Notes the outcome of a publish in its span.
pub(crate) fn note_published(span: &Span, outcome: &Result<Receipt, PublishError>) {
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
        let causes: Vec<_> = entries.iter().filter_map(|entry| entry.trace).collect();
        if !causes.is_empty() {
            span.in_scope(|| propagation.link(&causes));
        }
    }
    span
}

/// The span of a stream, from its beginning to its end; empty if nobody records it.
#[derive(Debug, Default)]
pub(crate) struct StreamSpan(Option<Box<Span>>);

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
        let span = Self((!span.is_disabled()).then(|| Box::new(span)));
        if let (Some(span), Some(from)) = (&span.0, resumed) {
            span.record("sse.resumed_from", display(LastSeen(from)));
        }
        span.within(|| {
            let (connection, topics) = (&connection.id, &connection.topics);
            let resumed_from = resumed.map(|last| display(LastSeen(last)));
            tracing::debug!(%connection, ?topics, resumes, resumed_from, "a stream is open");
        });
        span
    }

    /// Logs a gap, which the stream sends to its client.
    pub(crate) fn gap(&self, connection: &Connection, gap: &Gap) {
        self.within(|| {
            let (connection, reason) = (&connection.id, &gap.reason);
            tracing::debug!(%connection, ?reason, ?gap, "a stream has a gap");
        });
    }

    /// Logs that the stream took an event from its queue, to write it to its client.
    pub(crate) fn delivered(&self, entry: &Entry) {
        self.within(|| {
            let traceparent = entry.trace.map(display);
            tracing::trace!(id = %entry.id, traceparent, "an event is delivered");
        });
    }

    /// Runs a function, such as one that logs, within the span.
    fn within(&self, act: impl FnOnce()) {
        match &self.0 {
            Some(span) => span.in_scope(act),
            None => act(),
        }
    }

    /// Notes how the stream ended.
    pub(crate) fn end(&self, connection: &Connection, reason: CloseReason) {
        if let Some(span) = &self.0 {
            span.record("sse.close_reason", debug(reason));
        }
        self.within(|| tracing::debug!(connection = %connection.id, ?reason, "a stream has ended"));
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
