//! Encodes events as `text/event-stream`.

use bytes::Bytes;

use crate::decode::is_whole_number;
use crate::event::Event;
use crate::id::{EventId, IdText};
use crate::name::EventName;

/// The maximum length of `id: <epoch>-<offset>\n`.
const ID_LINE: usize = "id: ".len() + IdText::MAX_LEN + "\n".len();
/// The maximum length of `retry: <milliseconds>\n`.
const RETRY_LINE: usize = "retry: ".len() + 20 + "\n".len();

/// An event in the wire format, complete except for its id.
///
/// A log assigns the id last, under its lock. All work that takes time is done before that.
#[derive(Clone, Debug)]
pub struct EncodedEvent {
    bytes: Vec<u8>,
    id: Option<EventId>,
}

impl Event {
    /// Encodes the event in the format of the [HTML standard, section 9.2.5][spec]: lines end in
    /// LF, and each line of the data is a field of its own.
    ///
    /// It makes one allocation, which has room for any id.
    ///
    /// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
    pub fn encode(&self) -> EncodedEvent {
        let comment = self.comment().map(|text| Field { name: ": ", text });
        let name = self.name().filter(|name| !name.is_default());
        let name = name.map(|name| Field { name: "event: ", text: name.as_str() });
        let data = Field { name: "data: ", text: self.data() };
        let fields = [comment, name, Some(data)];

        let size: usize = fields.iter().flatten().map(Field::size).sum();
        let retry_size = self.retry().map_or(0, |_| RETRY_LINE);
        let mut bytes = Vec::with_capacity(size + retry_size + ID_LINE + 1);
        for field in fields.iter().flatten() {
            field.write(&mut bytes);
        }
        if let Some(delay) = self.retry() {
            let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            line(&mut bytes, "retry: ", itoa::Buffer::new().format(millis).as_bytes());
        }
        EncodedEvent { bytes, id: self.id() }
    }
}

impl EncodedEvent {
    /// Validates an event that was encoded elsewhere, such as on another node. It accepts only the
    /// output of [`EncodedEvent::as_bytes`].
    ///
    /// ```
    /// use sse_kit_event::EncodedEvent;
    ///
    /// assert!(EncodedEvent::parse(b"event: note\ndata: hello\n").is_ok());
    /// assert!(EncodedEvent::parse(b"data: hello\n\ndata: another\n").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`EncodedEventError`] if the bytes are not exactly one event with data and without an id, or
    /// if its name is reserved.
    pub fn parse(bytes: &[u8]) -> Result<Self, EncodedEventError> {
        let text = std::str::from_utf8(bytes).map_err(|_| EncodedEventError::Encoding)?;
        let lines = text.strip_suffix('\n').ok_or(EncodedEventError::Line)?;
        if memchr::memchr(b'\r', bytes).is_some() {
            return Err(EncodedEventError::Line);
        }
        // In this order. A second `event: ` or `retry: ` is out of order after the first.
        let (mut rest, mut data_lines) = (lines.split('\n').peekable(), 0);
        while rest.next_if(|line| line.starts_with(": ")).is_some() {}
        if let Some(name) = rest.next_if(|line| line.starts_with("event: ")) {
            let name = EventName::new(&name["event: ".len()..]);
            if name.map_err(|_| EncodedEventError::Name)?.is_default() {
                return Err(EncodedEventError::Name);
            }
        }
        while rest.next_if(|line| line.starts_with("data: ")).is_some() {
            data_lines += 1;
        }
        let is_retry = |line: &&str| {
            let millis = line.strip_prefix("retry: ");
            millis.is_some_and(|text| is_whole_number(text) && text.parse::<u64>().is_ok())
        };
        rest.next_if(is_retry);
        if data_lines == 0 || rest.next().is_some() {
            return Err(EncodedEventError::Line);
        }
        // Reserves room for the id, so that `finish` does not reallocate.
        let mut copy = Vec::with_capacity(bytes.len() + ID_LINE + 1);
        copy.extend_from_slice(bytes);
        Ok(Self { bytes: copy, id: None })
    }

    /// Returns the bytes without the id and without the final blank line.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Completes the event with `id`; without one, with the event's own id; else without an id.
    pub fn finish(mut self, id: Option<EventId>) -> Bytes {
        if let Some(id) = id.or(self.id) {
            line(&mut self.bytes, "id: ", id.text().as_bytes());
        }
        self.bytes.push(b'\n');
        self.bytes.into()
    }

    /// Returns the number of bytes without the id.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Always `false`: an event has at least one `data` line.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// The reason why bytes are not an encoded event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodedEventError {
    /// The bytes are not UTF-8.
    #[error("the encoded event is not UTF-8")]
    Encoding,
    /// A line is not a field of an event, occurs twice or out of order, or there is no data.
    #[error(
        "not an encoded event: it must be, in this order and each ended by LF, `: ` lines, one \
         `event: ` or none, `data: ` lines, and one `retry: ` or none"
    )]
    Line,
    /// The name is reserved or invalid, or is `message`, which an encoded event leaves out.
    #[error(
        "the name in the encoded event is reserved, invalid, or the default `message`; see `EventName`"
    )]
    Name,
}

/// A field (its name with colon and space) and its text of any number of lines.
struct Field<'a> {
    name: &'a str,
    text: &'a str,
}

impl Field<'_> {
    /// Returns the number of bytes that the field takes on the wire.
    fn size(&self) -> usize {
        let text = self.text.as_bytes();
        // Most texts have one line, which one look finds out.
        if memchr::memchr2(b'\r', b'\n', text).is_none() {
            return self.name.len() + text.len() + 1;
        }
        // Counts each byte by itself: `memchr` counts many occurrences of one byte at once.
        let (cr, lf) = (count(b'\r', text), count(b'\n', text));
        let crlf = if cr == 0 { 0 } else { memchr::memmem::find_iter(text, b"\r\n").count() };
        let lines = cr + lf - crlf + 1;
        text.len() - (cr + lf) + lines * (self.name.len() + 1)
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut rest = self.text.as_bytes();
        loop {
            let end = memchr::memchr2(b'\r', b'\n', rest);
            line(out, self.name, &rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { return };
            let line_end = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
            rest = &rest[end + line_end..];
        }
    }
}

fn count(byte: u8, text: &[u8]) -> usize {
    memchr::memchr_iter(byte, text).count()
}

fn line(out: &mut Vec<u8>, name: &str, text: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Epoch, EventName};

    fn text(event: &Event) -> String {
        String::from_utf8(event.encode().finish(None).to_vec()).unwrap()
    }

    #[test]
    fn every_line_end_becomes_a_line_feed_and_a_field() {
        assert_eq!(text(&Event::new("a\r\nb\rc\n")), "data: a\ndata: b\ndata: c\ndata: \n\n");
        assert_eq!(text(&Event::new("")), "data: \n\n");
        assert_eq!(text(&Event::new("\r\r\n\n")), "data: \ndata: \ndata: \ndata: \n\n");
    }

    #[test]
    fn data_cannot_become_a_field_of_its_own() {
        let event = Event::new("x\nid: 1\n\nevent: y\rretry: 0").with_comment("c\n\ndata: z");
        assert_eq!(
            text(&event),
            ": c\n: \n: data: z\ndata: x\ndata: id: 1\ndata: \ndata: event: y\ndata: retry: 0\n\n"
        );
    }

    #[test]
    fn a_name_of_message_is_written_as_none() {
        assert_eq!(
            text(&Event::new("x").with_name(EventName::new("message").unwrap())),
            "data: x\n\n"
        );
    }

    #[test]
    fn the_id_comes_last_and_the_logs_wins() {
        let id = |offset| EventId::new(Epoch::new(10), offset);
        let event = Event::new("x").with_id(id(1));
        assert_eq!(text(&event), "data: x\nid: a-1\n\n");
        assert_eq!(&event.encode().finish(Some(id(2)))[..], b"data: x\nid: a-2\n\n");
    }

    #[test]
    fn what_was_encoded_elsewhere_is_taken_in_and_nothing_else() {
        let events = [
            Event::new("a\r\nb\r\0c\n"),
            Event::new("").with_comment("x\ny").with_retry(Duration::MAX),
            Event::new("{}").with_name(EventName::new("é ").unwrap()).with_retry(Duration::ZERO),
        ];
        for event in &events {
            let encoded = event.encode();
            let parsed = EncodedEvent::parse(encoded.as_bytes()).expect("it is one");
            assert_eq!(parsed.finish(None), encoded.finish(None));
        }
        for (bytes, error) in [
            (&b""[..], EncodedEventError::Line),
            (b"\n", EncodedEventError::Line),
            (b"data: x", EncodedEventError::Line),
            (b"data: x\n\n", EncodedEventError::Line),
            (b"data: x\n\ndata: y\n", EncodedEventError::Line),
            (b"data: x\rid: 1\n", EncodedEventError::Line),
            (b"data: x\nid: a-1\n", EncodedEventError::Line),
            (b"data:x\n", EncodedEventError::Line),
            (b": only a comment\n", EncodedEventError::Line),
            (b"event: a\nevent: b\ndata: x\n", EncodedEventError::Line),
            (b"data: x\nretry: 1\nretry: 1\n", EncodedEventError::Line),
            (b"data: x\nretry: -1\n", EncodedEventError::Line),
            (b"data: x\nretry: +5\n", EncodedEventError::Line),
            (b"data: x\nretry: \n", EncodedEventError::Line),
            (b"data: x\nretry: 18446744073709551616\n", EncodedEventError::Line),
            (b"retry: 1\ndata: x\n", EncodedEventError::Line),
            (b"data: x\nevent: a\n", EncodedEventError::Line),
            (b"event: a\n: c\ndata: x\n", EncodedEventError::Line),
            (b"data: x\n: c\ndata: y\n", EncodedEventError::Line),
            (b"event: sse-kit:close\ndata: x\n", EncodedEventError::Name),
            (b"event: \ndata: x\n", EncodedEventError::Name),
            (b"event: message\ndata: x\n", EncodedEventError::Name),
            (b"event: error\ndata: x\n", EncodedEventError::Name),
            (b"data: \xff\n", EncodedEventError::Encoding),
        ] {
            assert_eq!(EncodedEvent::parse(bytes).err(), Some(error), "{bytes:?}");
        }
    }

    #[test]
    fn an_event_is_encoded_in_one_allocation() {
        let event = Event::new("x\r\n".repeat(300))
            .with_name(EventName::new("n").unwrap())
            .with_comment("c")
            .with_retry(Duration::MAX);
        let id = EventId::new(Epoch::new(u64::MAX), u64::MAX);
        let encoding = allocation_counter::measure(|| drop(event.encode()));
        assert_eq!(encoding.count_total, 1);
        let room = RETRY_LINE + ID_LINE + 1;
        let without_id = Event::new("x\r\n".repeat(300)).with_comment("c").encode();
        assert!(without_id.bytes.capacity() <= without_id.len() + room, "nothing is wasted");

        // Finishing adds the counter by which the bytes are shared, and moves nothing.
        let encoded = event.encode();
        let start = encoded.bytes.as_ptr();
        let finished = encoded.finish(Some(id));
        assert_eq!(finished.as_ptr(), start);
    }
}
