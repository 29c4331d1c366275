//! Batches: appends that are sent to PostgreSQL in one call.

use sse_kit_broadcast::{Append, AppendError, Appended, Record};
use sse_kit_event::{Audience, ConnectionId, EventId, EventKey, Topic};

/// The maximum size of a record, in bytes. The schema has the same limit.
pub(crate) const MAX_RECORD: usize = 8 << 20;

/// Returns the size of an append, in bytes.
pub(crate) fn size(append: &Append) -> usize {
    let Append { record, follow_ups, .. } = append;
    record.event.len() + follow_ups.iter().map(|record| record.event.len()).sum::<usize>()
}

/// Checks that no record is larger than the log accepts.
pub(crate) fn check_size(append: &Append) -> Result<(), AppendError> {
    let records = std::iter::once(&append.record).chain(&append.follow_ups);
    match records.map(|record| record.event.len()).max() {
        Some(bytes) if bytes > MAX_RECORD => Err(AppendError::TooLarge { bytes, max: MAX_RECORD }),
        _ => Ok(()),
    }
}

/// The arguments of `sse.append`.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) items: Vec<i32>,
    pub(crate) topics: Vec<String>,
    pub(crate) events: Vec<Vec<u8>>,
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) left_out: Vec<String>,
    pub(crate) traces: Vec<Option<String>>,
    pub(crate) once_scopes: Vec<Option<String>>,
    pub(crate) once_keys: Vec<Option<String>>,
    pub(crate) digests: Vec<Option<String>>,
    pub(crate) expected_epochs: Vec<Option<String>>,
    pub(crate) expected: Vec<Option<i64>>,
}

impl<'a> FromIterator<&'a Append> for Batch {
    fn from_iter<I: IntoIterator<Item = &'a Append>>(appends: I) -> Self {
        let mut batch = Self::default();
        for (item, append) in (1..).zip(appends) {
            for record in std::iter::once(&append.record).chain(&append.follow_ups) {
                batch.push(item, record);
            }
            let once = append.once.as_ref();
            batch.once_scopes.push(once.map(|once| joined(&once.scope)));
            batch.once_keys.push(once.map(|once| once.key.as_str().to_owned()));
            batch.digests.push(once.map(|once| format!("{:x}", once.digest)));
            let expected = append.expected;
            batch.expected_epochs.push(expected.map(|id| id.epoch().to_string()));
            // An offset beyond this is beyond the end of any log.
            let offset = expected.map(|id| i64::try_from(id.offset()).unwrap_or(i64::MAX));
            batch.expected.push(offset);
        }
        batch
    }
}

impl Batch {
    fn push(&mut self, item: i32, record: &Record) {
        self.items.push(item);
        self.topics.push(joined(&record.audience));
        self.events.push(record.event.as_bytes().to_vec());
        self.keys.push(key_bytes(record.key.as_ref()));
        let left_out: Vec<_> = record.except.as_slice().iter().map(ConnectionId::as_str).collect();
        self.left_out.push(left_out.join(" "));
        self.traces.push(record.trace.as_ref().map(ToString::to_string));
    }
}

/// Returns the topics of an audience, separated by line feeds, which no topic contains.
fn joined(audience: &Audience) -> String {
    let topics: Vec<_> = audience.topics().iter().map(Topic::as_str).collect();
    topics.join("\n")
}

/// Returns a key as the table holds it: bytes, because a text in PostgreSQL cannot contain a NUL.
pub(crate) fn key_bytes(key: Option<&EventKey>) -> Vec<u8> {
    key.map(|key| key.as_str().as_bytes().to_vec()).unwrap_or_default()
}

/// The outcome of one append of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Result<Appended, AppendError>),
    /// Another transaction holds the idempotency key, or the outbox is being worked off; nothing was
    /// written, so the append is sent again.
    Busy,
}

impl Outcome {
    /// Parses an outcome of `sse.append`.
    pub(crate) fn parse(text: &str, append: &Append) -> Self {
        let unexpected = || Self::Done(Err(AppendError::Ambiguous("an unexpected reply".into())));
        if text == "busy" {
            return Self::Busy;
        }
        let Some((outcome, id)) = text.split_once(' ') else { return unexpected() };
        let Ok(id) = id.parse::<EventId>() else { return unexpected() };
        Self::Done(match (outcome, &append.once, append.expected) {
            ("appended", ..) => Ok(Appended::new(id)),
            ("repeated", ..) => Ok(Appended::repeated(id)),
            ("reused", Some(once), _) => Err(AppendError::KeyReused { key: once.key.clone() }),
            ("conflict", _, Some(expected)) => Err(AppendError::Conflict { expected, newest: id }),
            _ => return unexpected(),
        })
    }
}
