//! From the bytes of `text/event-stream` to events.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// The UTF-8 of U+FEFF, the byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads `text/event-stream` by the letter of the [HTML standard, section 9.2.6][spec], from pieces
/// of any size.
///
/// Push what the network gives, then pop until there is nothing left. One decoder reads one
/// response: the next response begins with a new one. An event that is unfinished when the response
/// ends is not an event, so there is nothing to call at the end.
///
/// Memory stays bounded even if the server is hostile, as long as what is decoded is popped before
/// more is pushed: no line and no event's data may be longer than the limit, by default
/// [`Decoder::DEFAULT_LIMIT`]. The time is linear in the bytes pushed, however they are cut.
///
/// ```
/// use sse_kit_event::{Decoded, Decoder};
///
/// let mut decoder = Decoder::new();
/// let mut notes = Vec::new();
/// for chunk in [": hi\nevent: note\nid: 7\nda", "ta: two\r\ndata: lines\r\n\r", "\nid: 8\n"] {
///     decoder.push(chunk.as_bytes())?;
///     while let Some(decoded) = decoder.pop() {
///         match decoded {
///             Decoded::Message(message) if message.name == "note" => notes.push(message.data),
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(notes, ["two\nlines"]);
/// assert_eq!(decoder.last_event_id(), "7"); // what has the id 8 was cut off
/// # Ok::<(), sse_kit_event::DecodeError>(())
/// ```
///
/// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
#[derive(Clone, Debug)]
pub struct Decoder {
    limit: usize,
    failed: bool,
    /// Whether no line has ended yet, so that a byte order mark may come.
    first_line: bool,
    /// Whether the last byte was CR, so that an LF would belong to the same line end.
    after_cr: bool,
    /// The beginning of a line whose end is yet to come.
    line: Vec<u8>,
    /// The standard's event type buffer.
    name: String,
    /// The standard's data buffer: every line of the data, each with an LF behind it.
    data: String,
    /// What the unfinished event sets the last event id to, if it does.
    id: Option<String>,
    ready: VecDeque<Ready>,
    /// The standard's last event ID string, as of what has been popped.
    last_event_id: String,
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decoded {
    /// An event.
    Message(Message),
    /// A comment line, without its colon and one blank behind that.
    ///
    /// It is given when its line ends, so before the event among whose fields it stands.
    Comment(String),
    /// How long the client is to wait before it reconnects, from now on.
    ///
    /// It is given when its line ends, so before the event among whose fields it stands.
    Retry(Duration),
}

/// An event as a client sees it: the standard's `MessageEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name (the standard's type): `message` when the server gave it none.
    pub name: String,
    /// Its data, whose lines end in LF; the last one has no end.
    pub data: String,
    /// The last event id on the stream, be it from this event or an earlier one; empty when there
    /// has been none.
    pub last_event_id: String,
}

impl Decoder {
    /// The limit of [`Decoder::new`]: 16 MiB.
    pub const DEFAULT_LIMIT: usize = 16 << 20;

    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// A decoder that takes no line and no event's data longer than `max_event_bytes`.
    pub fn with_limit(max_event_bytes: usize) -> Self {
        Self {
            limit: max_event_bytes,
            failed: false,
            first_line: true,
            after_cr: false,
            line: Vec::new(),
            name: String::new(),
            data: String::new(),
            id: None,
            ready: VecDeque::new(),
            last_event_id: String::new(),
        }
    }

    /// Takes the next bytes of the stream, cut anywhere.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] when a line or an event's data is longer than the limit, and for
    /// every push after that. What came before can still be popped.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.failed {
            return Err(self.too_large());
        }
        let pushed = self.read(bytes);
        self.failed = pushed.is_err();
        pushed
    }

    /// The next thing that has been read completely; `None` when more bytes are needed.
    pub fn pop(&mut self) -> Option<Decoded> {
        while let Some(ready) = self.ready.pop_front() {
            return Some(match ready {
                Ready::Message { name, data } => Decoded::Message(Message {
                    name,
                    data,
                    last_event_id: self.last_event_id.clone(),
                }),
                Ready::Comment(text) => Decoded::Comment(text),
                Ready::Retry(delay) => Decoded::Retry(delay),
                Ready::LastEventId(id) => {
                    self.last_event_id = id;
                    continue;
                }
            });
        }
        None
    }

    /// The last event id as of what has been popped, which a client sends when it reconnects;
    /// empty when there has been none.
    ///
    /// An event's id counts once the event is complete, even if it has no data and is no message.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    fn read(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let Some(last) = bytes.last() else {
            return Ok(());
        };
        let mut rest = bytes;
        if self.after_cr {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        self.after_cr = *last == b'\r';
        while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
            self.end_line(&rest[..end])?;
            rest = rest[end..].strip_prefix(b"\r\n").unwrap_or(&rest[end + 1..]);
        }
        if self.line.len() + rest.len() > self.limit {
            return Err(self.too_large());
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }

    /// Reads the line that ends with `tail`.
    fn end_line(&mut self, tail: &[u8]) -> Result<(), DecodeError> {
        if self.line.is_empty() {
            return self.read_line(tail); // usual, and copies nothing
        }
        let mut line = mem::take(&mut self.line);
        line.extend_from_slice(tail);
        let read = self.read_line(&line);
        line.clear();
        self.line = line;
        read
    }

    /// Reads a line whose bytes have not been decoded.
    ///
    /// The standard decodes the stream before it looks for lines and fields. Here only the values
    /// are decoded, which comes to the same: they are cut off at ASCII, and no ASCII byte is part
    /// of another character, not even of a broken one.
    fn read_line(&mut self, mut line: &[u8]) -> Result<(), DecodeError> {
        if line.len() > self.limit {
            return Err(self.too_large());
        }
        if mem::take(&mut self.first_line) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        if line.is_empty() {
            self.dispatch();
            return Ok(());
        }
        let colon = memchr::memchr(b':', line);
        let name = &line[..colon.unwrap_or(line.len())];
        let value = colon.map_or(&b""[..], |colon| &line[colon + 1..]);
        self.read_field(name, value.strip_prefix(b" ").unwrap_or(value))
    }

    fn read_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), DecodeError> {
        match name {
            b"" => self.ready.push_back(Ready::Comment(decode(value).into_owned())),
            b"data" => return self.read_data(&decode(value)),
            b"event" => self.name = decode(value).into_owned(),
            b"id" if !value.contains(&0) => self.id = Some(decode(value).into_owned()),
            b"retry" => self.ready.extend(milliseconds(value).map(Ready::Retry)),
            _ => {}
        }
        Ok(())
    }

    fn read_data(&mut self, line: &str) -> Result<(), DecodeError> {
        if self.data.len() + line.len() > self.limit {
            return Err(self.too_large());
        }
        self.data.push_str(line);
        self.data.push('\n');
        Ok(())
    }

    /// What a blank line does.
    fn dispatch(&mut self) {
        self.ready.extend(self.id.take().map(Ready::LastEventId));
        let mut name = mem::take(&mut self.name);
        let mut data = mem::take(&mut self.data);
        if data.pop().is_none() {
            return; // there was no data field, not even an empty one: that would have left its LF
        }
        if name.is_empty() {
            "message".clone_into(&mut name);
        }
        self.ready.push_back(Ready::Message { name, data });
    }

    fn too_large(&self) -> DecodeError {
        DecodeError::TooLarge { limit: self.limit }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a stream cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line or an event's data is longer than the decoder's limit.
    #[error("a line or an event's data has more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// What waits to be popped.
///
/// A change of the last event id is queued by itself: a copy in every message that waits would let
/// a server multiply one long id by as many events as fit in a chunk.
#[derive(Clone, Debug)]
enum Ready {
    Message { name: String, data: String },
    Comment(String),
    Retry(Duration),
    LastEventId(String),
}

/// Decodes a value, with U+FFFD for what is no UTF-8, as the [Encoding standard][spec] has it.
///
/// [spec]: https://encoding.spec.whatwg.org/#utf-8-decoder
fn decode(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// What a `retry` field says: none unless it is of digits only.
///
/// The standard does not say what no digit at all means; they are no number, so the field is
/// ignored. More than fits is as much as fits.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    let digits = str::from_utf8(value).ok()?;
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
