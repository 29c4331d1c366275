//! Decodes `text/event-stream`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

/// The UTF-8 of U+FEFF, the byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A decoder of `text/event-stream` that follows the [HTML standard, section 9.2.6][spec] exactly
/// and takes input in pieces of any size.
///
/// Push the bytes that the network delivers, then pop until the decoder returns `None`. Use one
/// decoder per response and a new one for the next response. An event that is unfinished when the
/// response ends is discarded, so there is nothing to call at the end.
///
/// Memory is bounded even if the server is hostile, provided that the caller pops everything before
/// it pushes more: no line and no event's data may be longer than the limit, by default
/// [`Decoder::DEFAULT_LIMIT`]. The time is linear in the number of bytes, however they are cut.
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
    /// `true` until the first line ends: a byte order mark may still follow.
    first_line: bool,
    /// `true` if the last byte was CR: an LF that follows belongs to the same line end.
    after_cr: bool,
    /// The beginning of a line that has not ended yet.
    line: Vec<u8>,
    /// The standard's event type buffer.
    name: String,
    /// The standard's data buffer: the lines of the data, each followed by LF.
    data: String,
    /// The last event id that the unfinished event sets, if any.
    id: Option<String>,
    ready: VecDeque<Ready>,
    /// The standard's last event ID string, after the items popped so far.
    last_event_id: String,
}

/// An item of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decoded {
    /// An event.
    Message(Message),
    /// A comment line, without its colon and one space after that.
    ///
    /// The decoder returns it when its line ends, so before the event that it stands in.
    Comment(String),
    /// The delay that the client must wait before it reconnects, from now on.
    ///
    /// The decoder returns it when its line ends, so before the event that it stands in.
    Retry(Duration),
}

/// An event as a client receives it: the standard's `MessageEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The name (the standard's type); `message` if the server sent none.
    pub name: String,
    /// The data. Lines are separated by LF; the last one has no LF.
    pub data: String,
    /// The last event id on the stream, from this event or an earlier one; empty if there was none.
    pub last_event_id: String,
}

impl Decoder {
    /// The limit of [`Decoder::new`]: 16 MiB.
    pub const DEFAULT_LIMIT: usize = 16 << 20;

    /// Creates a decoder with the limit [`Decoder::DEFAULT_LIMIT`].
    pub fn new() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }

    /// Creates a decoder that rejects lines and event data longer than `max_event_bytes`.
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

    /// Decodes the next bytes of the stream, which may be cut anywhere.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] if a line or an event's data is longer than the limit; every later
    /// push fails as well. Items decoded before that can still be popped.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.failed {
            return Err(self.too_large());
        }
        let pushed = self.read(bytes);
        self.failed = pushed.is_err();
        pushed
    }

    /// Returns the next complete item, or `None` if the decoder needs more bytes.
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

    /// Returns the last event id after the items popped so far; a client sends it when it
    /// reconnects. Empty if there was none.
    ///
    /// An event's id counts once the event is complete, even if it has no data and is not a
    /// message.
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

    /// Processes the line that ends with `tail`.
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

    /// Processes a line of undecoded bytes.
    ///
    /// The standard decodes the stream before it splits it into lines and fields. Decoding only the
    /// values gives the same result: they are cut at ASCII characters, and no ASCII byte is part of
    /// another character, not even of an invalid one.
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

    /// Ends the current event, as a blank line does.
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

/// The reason why a stream cannot be decoded further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A line or an event's data is longer than the limit of the decoder.
    #[error(
        "a line or an event's data has more than {limit} bytes; raise the limit if the server is trusted"
    )]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
}

/// An item to be popped.
///
/// A change of the last event id is an item of its own. If every waiting message held a copy, a
/// server could multiply one long id by the number of events that fit in a chunk.
#[derive(Clone, Debug)]
enum Ready {
    Message { name: String, data: String },
    Comment(String),
    Retry(Duration),
    LastEventId(String),
}

/// Decodes a value and replaces invalid UTF-8 with U+FFFD, as the [Encoding standard][spec]
/// requires.
///
/// [spec]: https://encoding.spec.whatwg.org/#utf-8-decoder
fn decode(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value)
}

/// Parses the value of a `retry` field; `None` unless it consists of digits.
///
/// The standard does not say what an empty value means; it is not a number, so the field is
/// ignored. A value above `u64::MAX` saturates.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    let digits = str::from_utf8(value).ok()?;
    let millis = || Duration::from_millis(digits.parse().unwrap_or(u64::MAX));
    is_whole_number(digits).then(millis)
}

/// Returns `true` if a text has digits, and nothing else. `u64::from_str` accepts a sign too.
pub(crate) fn is_whole_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
