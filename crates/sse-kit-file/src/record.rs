//! The bytes of a record.

use sse_kit_broadcast::{ConnectionSet, Once, Record};
use sse_kit_event::{
    Audience, ConnectionId, EncodedEvent, EventKey, IdempotencyKey, Topic, Topics, TraceContext,
};

/// The flag of a record that has the identity of its publish.
const HAS_ONCE: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_TRACE: u8 = 4;

/// The size of a trace context: the trace id, the span id, and the flags.
const TRACE: usize = 16 + 8 + 1;

/// The error for bytes that are not a record, although their checksum is right.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are not a record")]
pub(crate) struct NoRecord;

/// Appends the bytes of a record, preceded by their length.
pub(crate) fn encode(record: &Record, once: Option<&Once>, out: &mut Vec<u8>) {
    let begin = out.len();
    put_len(out, 0);
    let key = record.key.as_ref().map_or(0, |_| HAS_KEY);
    let trace = record.trace.as_ref().map_or(0, |_| HAS_TRACE);
    out.push(once.map_or(0, |_| HAS_ONCE) | key | trace);
    if let Some(Once { scope, key, digest, .. }) = once {
        put_audience(out, scope);
        put(out, key.as_str().as_bytes());
        out.extend(digest.to_le_bytes());
    }
    put_audience(out, &record.audience);
    if let Some(key) = &record.key {
        put(out, key.as_str().as_bytes());
    }
    let except = record.except.as_slice();
    put_len(out, except.len());
    for id in except {
        put(out, id.as_str().as_bytes());
    }
    if let Some(trace) = &record.trace {
        out.extend(trace.trace_id().to_le_bytes());
        out.extend(trace.span_id().to_le_bytes());
        out.push(trace.flags());
    }
    out.extend_from_slice(record.event.as_bytes());
    let len = u32::try_from(out.len() - begin - 4).unwrap_or(u32::MAX);
    out[begin..][..4].copy_from_slice(&len.to_le_bytes());
}

/// Returns an upper bound for the bytes of a record.
pub(crate) fn size(record: &Record, once: Option<&Once>) -> usize {
    let audience = |audience: &Audience| {
        audience.topics().iter().map(|topic| topic.as_str().len() + 4).sum::<usize>() + 4
    };
    let once = once.map_or(0, |once| audience(&once.scope) + once.key.as_str().len() + 12);
    let key = record.key.as_ref().map_or(0, |key| key.as_str().len() + 4);
    let except: usize = record.except.as_slice().iter().map(|id| id.as_str().len() + 4).sum();
    9 + once + audience(&record.audience) + key + except + TRACE + record.event.len()
}

/// The records in the payload of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = RecordBytes<'a>;

    fn next(&mut self) -> Option<RecordBytes<'a>> {
        take(&mut self.0).map(RecordBytes)
    }
}

/// The bytes of one record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordBytes<'a>(&'a [u8]);

impl RecordBytes<'_> {
    /// Decodes the record.
    pub(crate) fn record(self) -> Result<Record, NoRecord> {
        let (_, flags, rest) = self.split().ok_or(NoRecord)?;
        record(flags, rest).ok_or(NoRecord)
    }

    /// Returns the length, in bytes.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// Returns `true` if a subscription to these topics gets the record. Bytes that are not a record
    /// are for everyone, so that their error is found.
    pub(crate) fn is_for(self, topics: &Topics) -> bool {
        let audience = self.split().and_then(|(_, _, mut rest)| take_audience(&mut rest));
        audience.is_none_or(|audience| topics.include(&audience))
    }

    /// Decodes the identity of the publish, if the record has one.
    pub(crate) fn once(self) -> Option<Once> {
        if self.0.first()? & HAS_ONCE == 0 {
            return None;
        }
        self.split()?.0
    }

    /// Returns the identity, the flags, and the bytes after the identity.
    fn split(&self) -> Option<(Option<Once>, u8, &[u8])> {
        let (flags, mut rest) = self.0.split_first()?;
        if flags & HAS_ONCE == 0 {
            return Some((None, *flags, rest));
        }
        let scope = take_audience(&mut rest)?;
        let key = IdempotencyKey::new(take_text(&mut rest)?).ok()?;
        let (digest, rest) = rest.split_first_chunk()?;
        let once = Once::new(scope, key, u64::from_le_bytes(*digest));
        Some((Some(once), *flags, rest))
    }
}

fn record(flags: u8, mut rest: &[u8]) -> Option<Record> {
    let audience = take_audience(&mut rest)?;
    let key = match flags & HAS_KEY {
        0 => None,
        _ => Some(take_text(&mut rest)?.parse::<EventKey>().ok()?),
    };
    let count = take_len(&mut rest)?;
    let mut except = Vec::new();
    for _ in 0..count {
        except.push(take_text(&mut rest)?.parse::<ConnectionId>().ok()?);
    }
    let except = ConnectionSet::new(except)?;
    let trace = match flags & HAS_TRACE {
        0 => None,
        _ => Some(take_trace(&mut rest)?),
    };
    let event = EncodedEvent::parse(rest).ok()?;
    Some(Record::new(audience, event).with_key(key).with_except(except).with_trace(trace))
}

fn take_trace(from: &mut &[u8]) -> Option<TraceContext> {
    let (trace_id, rest) = from.split_first_chunk()?;
    let (span_id, rest) = rest.split_first_chunk()?;
    let (flags, rest) = rest.split_first()?;
    *from = rest;
    TraceContext::new(u128::from_le_bytes(*trace_id), u64::from_le_bytes(*span_id), *flags)
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    // A longer append was refused before.
    out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the topics; none for everyone.
fn put_audience(out: &mut Vec<u8>, audience: &Audience) {
    put_len(out, audience.topics().len());
    for topic in audience.topics() {
        put(out, topic.as_str().as_bytes());
    }
}

fn take_len(from: &mut &[u8]) -> Option<usize> {
    let (len, rest) = from.split_first_chunk()?;
    *from = rest;
    usize::try_from(u32::from_le_bytes(*len)).ok()
}

fn take<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_len(from)?;
    let (bytes, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}

fn take_text<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(take(from)?).ok()
}

fn take_audience(from: &mut &[u8]) -> Option<Audience> {
    let count = take_len(from)?;
    if count == 0 {
        return Some(Audience::Everyone);
    }
    if count > Audience::MAX_TOPICS {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        topics.push(take_text(from)?.parse::<Topic>().ok()?);
    }
    Audience::several(topics).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sse_kit_event::Event;

    use super::*;

    fn topic(name: &str) -> Topic {
        name.parse().unwrap()
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let connections = ["one", "two"].map(|id| id.parse().unwrap());
        let audiences = [
            Audience::Everyone,
            topic("a").into(),
            Audience::several([topic("a"), topic("b:c")]).unwrap(),
        ];
        let key = IdempotencyKey::new("key-1").unwrap();
        let once = Once::new(topic("elsewhere").into(), key, u64::MAX - 1);
        let mut bytes = Vec::new();
        let mut records = Vec::new();
        for (n, audience) in audiences.into_iter().enumerate() {
            let event =
                Event::new("two\nlines, \u{1f980} and \0").with_retry(Duration::from_secs(1));
            let record = Record::new(audience, event.encode())
                .with_key((n > 0).then(|| "k".parse().unwrap()))
                .with_except(ConnectionSet::new(connections.iter().take(n).cloned()).unwrap())
                .with_trace(TraceContext::new(u128::MAX - 7, n as u64, 1));
            records.push(record);
            let before = bytes.len();
            let once = (n != 1).then_some(&once);
            encode(&records[n], once, &mut bytes);
            assert!(bytes.len() - before <= size(&records[n], once));
        }
        let found: Vec<_> = Records(&bytes).collect();
        assert_eq!(found.len(), records.len());
        for (n, (found, record)) in found.iter().zip(&records).enumerate() {
            assert_eq!(found.once(), (n != 1).then(|| once.clone()));
            assert_eq!(format!("{:?}", found.record().unwrap()), format!("{record:?}"));
        }
        for cut in 0..bytes.len() {
            let whole = Records(&bytes[..cut]).filter(|bytes| bytes.record().is_ok()).count();
            assert!(whole < records.len());
        }
    }
}
