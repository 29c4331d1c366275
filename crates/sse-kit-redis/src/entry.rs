//! Entries of the stream, and their conversion to records.

use redis::{FromRedisValue as _, ScriptInvocation, Value};
use sse_kit_broadcast::{ConnectionSet, Record};
use sse_kit_event::{Audience, ConnectionId, EncodedEvent, EventKey, Topic};

/// The separator between the topics of one record; no topic contains it.
const BETWEEN_TOPICS: &str = "\n";

/// An entry of the stream, as read back.
#[derive(Debug)]
pub(crate) struct StreamEntry {
    pub(crate) offset: u64,
    /// The second part of its id; 0 in entries of the log.
    pub(crate) sequence: u64,
    /// The size of its fields, in bytes.
    pub(crate) bytes: usize,
    /// The random text that identifies the append.
    pub(crate) once: String,
    pub(crate) record: Result<Record, EntryError>,
}

impl StreamEntry {
    /// Returns `true` if its id has the form that the log assigns.
    pub(crate) fn is_ours(&self) -> bool {
        self.sequence == 0
    }
}

/// The reason why an entry is not a record: a program other than a node wrote it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("the field `{0}` is missing or invalid")]
    Field(&'static str),
}

/// Parses the entries in the reply to `XRANGE`.
pub(crate) fn entries(reply: Value) -> Result<Vec<StreamEntry>, redis::RedisError> {
    let entries: Vec<(String, Vec<Value>)> = redis::from_redis_value(reply)?;
    entries.into_iter().map(|(id, fields)| entry(&id, fields)).collect()
}

/// Parses the entries in the reply to `XREAD` of one stream; nil means none.
pub(crate) fn read_entries(reply: Value) -> Result<Vec<StreamEntry>, redis::RedisError> {
    let streams: Option<Vec<(String, Value)>> = redis::from_redis_value(reply)?;
    let stream = streams.into_iter().flatten().next();
    stream.map_or_else(|| Ok(Vec::new()), |(_, reply)| entries(reply))
}

/// The fields of a record that are the same on every node.
#[derive(Debug)]
pub(crate) struct Fields {
    pub(crate) topic: String,
    pub(crate) event: Vec<u8>,
    pub(crate) key: String,
    pub(crate) except: String,
}

impl Fields {
    pub(crate) fn from_record(record: &Record) -> Self {
        let except: Vec<_> = record.except.as_slice().iter().map(ConnectionId::as_str).collect();
        Self {
            topic: written(&record.audience),
            event: record.event.as_bytes().to_vec(),
            key: record.key.as_ref().map(EventKey::as_str).unwrap_or_default().to_owned(),
            except: except.join(" "),
        }
    }

    /// Adds the script's four arguments for a record.
    pub(crate) fn add_to(&self, call: &mut ScriptInvocation<'_>) {
        call.arg(&self.topic).arg(&self.event).arg(&self.key).arg(&self.except);
    }

    pub(crate) fn len(&self) -> usize {
        self.topic.len() + self.event.len() + self.key.len() + self.except.len()
    }
}

fn entry(id: &str, fields: Vec<Value>) -> Result<StreamEntry, redis::RedisError> {
    let wrong = (redis::ErrorKind::Parse, "an entry of the log has an invalid id");
    let (offset, sequence) = id.split_once('-').ok_or(wrong)?;
    let (offset, sequence) =
        (offset.parse().map_err(|_| wrong)?, sequence.parse().map_err(|_| wrong)?);
    let (mut found, mut bytes) = (Found::default(), 0);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let value = Vec::<u8>::from_redis_value(value)?;
        bytes += value.len();
        match Vec::<u8>::from_redis_value(name)?.as_slice() {
            b"topic" => found.topic = value,
            b"event" => found.event = value,
            b"key" => found.key = value,
            b"except" => found.except = value,
            b"trace" => found.trace = value,
            b"once" => found.once = String::from_utf8_lossy(&value).into_owned(),
            _ => {}
        }
    }
    let once = std::mem::take(&mut found.once);
    Ok(StreamEntry { offset, sequence, bytes, once, record: found.record() })
}

/// The fields as found, not validated.
#[derive(Debug, Default)]
struct Found {
    topic: Vec<u8>,
    event: Vec<u8>,
    key: Vec<u8>,
    except: Vec<u8>,
    trace: Vec<u8>,
    once: String,
}

impl Found {
    fn record(&self) -> Result<Record, EntryError> {
        let audience = audience(text("topic", &self.topic)?);
        let key = text("key", &self.key)?;
        let key = (!key.is_empty()).then(|| key.parse::<EventKey>()).transpose();
        let except = text("except", &self.except)?;
        let audience = audience.ok_or(EntryError::Field("topic"))?;
        let event = EncodedEvent::parse(&self.event).map_err(|_| EntryError::Field("event"))?;
        // An event without its trace is better than none.
        let trace = std::str::from_utf8(&self.trace).ok().and_then(|trace| trace.parse().ok());
        Ok(Record::new(audience, event)
            .with_trace(trace)
            .with_key(key.map_err(|_| EntryError::Field("key"))?)
            .with_except(connections(except).ok_or(EntryError::Field("except"))?))
    }
}

/// Encodes an audience as its topics, or as nothing for everyone.
pub(crate) fn written(audience: &Audience) -> String {
    let topics: Vec<_> = audience.topics().iter().map(Topic::as_str).collect();
    topics.join(BETWEEN_TOPICS)
}

/// Parses an audience from its topics, or from nothing for everyone.
fn audience(topics: &str) -> Option<Audience> {
    if topics.is_empty() {
        return Some(Audience::Everyone);
    }
    let topics = topics.split(BETWEEN_TOPICS).map(str::parse).collect::<Result<Vec<Topic>, _>>();
    Audience::several(topics.ok()?).ok()
}

/// Parses the connection ids, which are separated by spaces.
fn connections(ids: &str) -> Option<ConnectionSet> {
    let ids =
        ids.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<ConnectionId>, _>>();
    ConnectionSet::new(ids.ok()?)
}

fn text<'a>(field: &'static str, bytes: &'a [u8]) -> Result<&'a str, EntryError> {
    std::str::from_utf8(bytes).map_err(|_| EntryError::Field(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_kit_event::Event;

    fn bulk(bytes: &[u8]) -> Value {
        Value::BulkString(bytes.to_vec())
    }

    fn reply(fields: &[(&str, &[u8])]) -> Value {
        let fields =
            fields.iter().flat_map(|(name, value)| [bulk(name.as_bytes()), bulk(value)]).collect();
        Value::Array(vec![Value::Array(vec![bulk(b"7-0"), Value::Array(fields)])])
    }

    #[test]
    fn a_record_survives_the_way_there_and_back() {
        let audience = Audience::several(["jobs:1", "a b"].map(|t| t.parse().unwrap())).unwrap();
        let record = Record::new(audience, Event::new("x\ny").encode())
            .with_key(Some("k k".parse().unwrap()))
            .with_except(ConnectionSet::new(["a", "b"].map(|id| id.parse().unwrap())).unwrap());
        let fields = Fields::from_record(&record);
        let reply = reply(&[
            ("topic", fields.topic.as_bytes()),
            ("event", &fields.event),
            ("key", fields.key.as_bytes()),
            ("except", fields.except.as_bytes()),
            ("once", b"r"),
            ("trace", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("unknown", b"\xff"),
        ]);
        let entry = entries(reply).unwrap().remove(0);
        let read = entry.record.unwrap();
        assert_eq!((entry.offset, entry.once.as_str()), (7, "r"));
        assert_eq!(read.audience, record.audience);
        assert_eq!((read.key, read.except), (record.key, record.except));
        assert_eq!(read.event.as_bytes(), record.event.as_bytes());
        assert_eq!(read.trace.map(|trace| trace.span_id()), Some(0x00f0_67aa_0ba9_02b7));
    }

    #[test]
    fn a_bad_trace_costs_the_trace_and_not_the_event() {
        for trace in [&b""[..], b"00-0-0-01", b"\xff"] {
            let reply = reply(&[("topic", b"a"), ("event", b"data: x\n"), ("trace", trace)]);
            let record = entries(reply).unwrap().remove(0).record.unwrap();
            assert_eq!(record.trace, None);
        }
    }

    #[test]
    fn what_is_no_record_is_told_and_keeps_its_offset() {
        for (fields, wrong) in [
            (&[("topic", &b"a"[..])][..], "event"),
            (&[("topic", b"a*"), ("event", b"data: x\n")], "topic"),
            (&[("topic", b"\xff"), ("event", b"data: x\n")], "topic"),
            (&[("topic", b"a"), ("event", b"data: x\n\ndata: y\n")], "event"),
            (&[("except", b"a/b"), ("event", b"data: x\n")], "except"),
        ] {
            let entry = entries(reply(fields)).unwrap().remove(0);
            assert_eq!(entry.offset, 7);
            let EntryError::Field(field) = entry.record.unwrap_err();
            assert_eq!(field, wrong);
        }
        assert!(entries(Value::Array(vec![Value::Int(1)])).is_err());
        assert!(read_entries(Value::Nil).unwrap().is_empty());
    }
}
