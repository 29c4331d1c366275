//! An event on its way into a log.

use sse_kit_event::{Audience, EncodedEvent, Event, EventId, EventKey, IdempotencyKey};

use crate::connection_set::ConnectionSet;
use crate::stable_hash::{fnv, mixed};

/// A record of a log, before it has an id.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whom the event is for.
    pub audience: Audience,
    /// The key for conflation.
    pub key: Option<EventKey>,
    /// The connections that do not get the event.
    pub except: ConnectionSet,
    /// The event, complete but for its id.
    pub event: EncodedEvent,
}

/// A request to a log: a record, what follows it, and on what terms.
///
/// The record and its follow-ups are appended together, one right after the other, or not at all.
#[derive(Clone, Debug)]
pub struct Append {
    /// The record.
    pub record: Record,
    /// The records that come right after it.
    pub follow_ups: Vec<Record>,
    /// The publish that this append belongs to. A log that has taken the same one lately appends
    /// nothing.
    pub once: Option<Once>,
    /// The newest record for this audience that the publisher knows of. A log that has a newer one
    /// appends nothing.
    pub expected: Option<EventId>,
}

impl From<Record> for Append {
    /// An append of this record alone, without terms.
    fn from(record: Record) -> Self {
        Self { record, follow_ups: Vec::new(), once: None, expected: None }
    }
}

/// The identity of a publish that may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The scope of the key: the same key for another audience is another publish.
    pub scope: Audience,
    /// The key that the publisher chose.
    pub key: IdempotencyKey,
    /// A hash of what was to be published, before any hook: the same on all nodes and in all versions.
    /// The same key with another digest is a mistake of the publisher.
    pub digest: u64,
}

impl Once {
    /// The identity of the publish of this event, where the event has an idempotency key.
    pub(crate) fn from_event(event: &Event, audience: &Audience) -> Option<Self> {
        let key = event.idempotency_key()?.clone();
        let subject = event.key().map_or("", EventKey::as_str);
        let digest = fnv(event.encode().as_bytes()) ^ mixed(fnv(subject.as_bytes()));
        Some(Self { scope: audience.clone(), key, digest: mixed(digest) })
    }

    /// The identity of what follows the publish where hooks refuse the event itself: another one, or a
    /// publish that is tried again and passes then would be taken for a repetition, and be lost.
    pub(crate) fn of_what_follows(self) -> Self {
        let key = format!("refused-{:016x}", mixed(fnv(self.key.as_str().as_bytes())));
        let key = IdempotencyKey::new(&key).expect("24 letters, digits and a dash");
        Self { key, ..self }
    }
}
