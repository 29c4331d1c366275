//! Records: events on their way into a log.

use sse_kit_event::{
    Audience, EncodedEvent, Event, EventId, EventKey, IdempotencyKey, TraceContext,
};

use crate::connection_set::ConnectionSet;
use crate::stable_hash::{fnv, mixed};

/// A log record that has no id yet.
///
/// ```
/// use sse_kit_broadcast::Record;
/// use sse_kit_event::{Event, Topic};
///
/// // As a log makes it of what it has stored.
/// let jobs: Topic = "jobs:17".parse()?;
/// let record = Record::new(jobs, Event::new("40 %").encode()).with_key(Some("job-17".parse()?));
/// assert!(record.except.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// The receivers of the event.
    pub audience: Audience,
    /// The key for conflation.
    pub key: Option<EventKey>,
    /// The connections that must not receive the event.
    pub except: ConnectionSet,
    /// The event, complete except for its id.
    pub event: EncodedEvent,
    /// The trace of the request that caused the event. A log keeps it if it can; no client gets it.
    /// In a box, as every record is moved and few have one.
    pub trace: Option<Box<TraceContext>>,
}

impl Record {
    /// Creates a record without a key, for all connections of an audience.
    pub fn new(audience: impl Into<Audience>, event: EncodedEvent) -> Self {
        let (audience, except) = (audience.into(), ConnectionSet::default());
        Self { audience, key: None, except, event, trace: None }
    }

    /// Sets the key for conflation.
    #[must_use]
    pub fn with_key(self, key: Option<EventKey>) -> Self {
        Self { key, ..self }
    }

    /// Sets the connections that must not receive the event.
    #[must_use]
    pub fn with_except(self, except: ConnectionSet) -> Self {
        Self { except, ..self }
    }

    /// Sets the trace of the request that caused the event.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceContext>) -> Self {
        Self { trace: trace.map(Box::new), ..self }
    }
}

/// An append request: a record, its follow-ups, and conditions.
///
/// The record and its follow-ups are appended together, directly after one another, or not at all.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Append {
    /// The record.
    pub record: Record,
    /// The records to place directly after it.
    pub follow_ups: Vec<Record>,
    /// The identity of the publish. A log that recently accepted the same publish appends nothing.
    pub once: Option<Once>,
    /// The newest record for this audience that the publisher knows. A log that has a newer one
    /// appends nothing.
    pub expected: Option<EventId>,
}

impl From<Record> for Append {
    /// Creates an append of this record alone, without conditions.
    fn from(record: Record) -> Self {
        Self { record, follow_ups: Vec::new(), once: None, expected: None }
    }
}

/// The identity of a publish that may be retried.
///
/// ```
/// use sse_kit_broadcast::Once;
/// use sse_kit_event::{Audience, Topic};
///
/// let jobs: Topic = "jobs:17".parse()?;
/// let once = Once::new(Audience::from(jobs), "order-4711".parse()?, 0x5eed);
/// assert_eq!(once.key.as_str(), "order-4711");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Once {
    /// The scope of the key. The same key for another audience is another publish.
    pub scope: Audience,
    /// The key that the publisher chose.
    pub key: IdempotencyKey,
    /// A hash of the content before any hook, equal on all nodes and in all versions. The same key
    /// with another digest is an error of the publisher.
    pub digest: u64,
}

impl Once {
    /// Creates the identity of a publish, such as one that a log has stored.
    pub fn new(scope: Audience, key: IdempotencyKey, digest: u64) -> Self {
        Self { scope, key, digest }
    }

    /// Returns the identity of the publish of this event, if the event has an idempotency key.
    pub(crate) fn from_event(event: &Event, audience: &Audience) -> Option<Self> {
        let key = event.idempotency_key()?.clone();
        let subject = event.key().map_or("", EventKey::as_str);
        let digest = fnv(event.encode().as_bytes()) ^ mixed(fnv(subject.as_bytes()));
        Some(Self { scope: audience.clone(), key, digest: mixed(digest) })
    }

    /// Returns the identity for the follow-ups of a refused event. It differs from the identity of
    /// the event itself: otherwise a retry that the hooks accept would count as a repeat and be
    /// lost.
    pub(crate) fn of_what_follows(self) -> Self {
        let key = format!("refused-{:016x}", mixed(fnv(self.key.as_str().as_bytes())));
        let key = IdempotencyKey::new(&key).expect("24 letters, digits and a dash");
        Self { key, ..self }
    }
}
