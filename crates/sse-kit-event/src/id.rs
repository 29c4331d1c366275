//! The id of an event: a position in a log.

use std::fmt;
use std::str::FromStr;

use crate::random::{RandomError, random_bytes};
use crate::text::{TextError, TextErrorKind};

/// The identity of one incarnation of a log: a random number, chosen when the log is created.
///
/// Offsets are comparable only within one epoch. The text form is lower-case hexadecimal.
///
/// ```
/// use sse_kit_event::Epoch;
///
/// assert_eq!(Epoch::new(0xc0ffee).to_string(), "c0ffee");
/// assert_ne!(Epoch::random()?, Epoch::random()?);
/// # Ok::<(), sse_kit_event::RandomError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Creates the epoch with this number. A log chooses its number at random: see
    /// [`Epoch::random`].
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Creates a random epoch, for a new log.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the operating system provides no random number.
    pub fn random() -> Result<Self, RandomError> {
        random_bytes().map(|bytes| Self(u64::from_ne_bytes(bytes)))
    }

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; HEX_DIGITS];
        let digits = hexadecimal(self.0, &mut bytes);
        f.pad(str::from_utf8(&bytes[..digits]).unwrap_or_default())
    }
}

/// The id of an event, and the cursor of a connection: `<epoch>-<offset>` on the wire.
///
/// The log assigns offsets: they start at 1 and strictly increase over all topics. As a cursor, an
/// id means "everything up to and including this event has been seen"; offset 0 is the position
/// before the first event.
///
/// The text form contains only `[0-9a-f-]`, so a cross-origin reconnect needs no CORS preflight
/// ([Fetch standard, CORS-unsafe request-header byte][fetch]). Parsing is strict: each id has
/// exactly one spelling.
///
/// ```
/// use sse_kit_event::{Epoch, EventId};
///
/// let id: EventId = "c0ffee-42".parse()?;
/// assert_eq!(id, EventId::new(Epoch::new(0xc0ffee), 42));
/// assert_eq!(id.to_string(), "c0ffee-42");
/// assert!("c0ffee-042".parse::<EventId>().is_err());
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
///
/// [fetch]: https://fetch.spec.whatwg.org/#cors-unsafe-request-header-byte
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct EventId {
    epoch: Epoch,
    offset: u64,
}

impl EventId {
    /// The length limit for parsing, in bytes; a longer text is rejected unread.
    pub const MAX_LEN: usize = 128;

    /// Creates the id of the event at `offset` in the log incarnation `epoch`.
    pub const fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }

    /// Returns the incarnation of the log.
    pub const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// Returns the position in the log.
    pub const fn offset(self) -> u64 {
        self.offset
    }
}

/// The number of hexadecimal digits of `u64::MAX`.
const HEX_DIGITS: usize = 16;
const DECIMAL_DIGITS: usize = 20;

/// The text of an id, on the stack, because every event and every receipt needs one.
pub(crate) struct IdText {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl IdText {
    pub(crate) const MAX_LEN: usize = HEX_DIGITS + 1 + DECIMAL_DIGITS;

    pub(crate) fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl EventId {
    pub(crate) fn text(self) -> IdText {
        let mut bytes = [0; IdText::MAX_LEN];
        let epoch = hexadecimal(self.epoch.0, &mut bytes);
        bytes[epoch] = b'-';
        let (mut offset, begin) = (itoa::Buffer::new(), epoch + 1);
        let offset = offset.format(self.offset).as_bytes();
        let len = begin + offset.len();
        bytes[begin..len].copy_from_slice(offset);
        IdText { bytes, len }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text().as_str())
    }
}

impl serde::Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text().as_str())
    }
}

/// Writes `number` in lower case without leading zeros, at the beginning of `bytes`. Returns the number of
/// digits.
fn hexadecimal(mut number: u64, bytes: &mut [u8]) -> usize {
    let digits = number.checked_ilog2().map_or(1, |log| log as usize / 4 + 1);
    for digit in bytes[..digits].iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
    digits
}

impl FromStr for EventId {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_LEN {
            return Err(TextError::too_long(text, WHAT, Self::MAX_LEN));
        }
        let numbers = text.split_once('-').and_then(|(epoch, offset)| {
            Some(Self { epoch: Epoch(canonical(epoch, 16)?), offset: canonical(offset, 10)? })
        });
        numbers.ok_or_else(|| {
            let rule = "write `<epoch>-<offset>`, the epoch in lower-case hexadecimal and the \
                        offset in decimal";
            TextError::new(text, WHAT, TextErrorKind::Form, rule)
        })
    }
}

const WHAT: &str = "an event id";

/// Parses a number in its only accepted spelling: no sign, no leading zero, no upper case.
fn canonical(digits: &str, radix: u32) -> Option<u64> {
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit() || (radix == 16 && b.is_ascii_lowercase()));
    if !plain || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

impl TryFrom<String> for EventId {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.text().as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_survive_the_way_there_and_back() {
        for (epoch, offset) in [(0, 0), (u64::MAX, u64::MAX), (1, u64::MAX), (0xabc, 7)] {
            let id = EventId::new(Epoch::new(epoch), offset);
            assert_eq!(id.to_string(), format!("{epoch:x}-{offset}"));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.epoch().to_string(), format!("{epoch:x}"));
        }
    }

    #[test]
    fn hostile_text_is_an_error() {
        let huge = format!("1-{}", "9".repeat(127));
        let kind = |text: &str| text.parse::<EventId>().err().map(|error| error.kind());
        assert_eq!(kind(&huge), Some(TextErrorKind::TooLong));
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-1-1",
            "+1-1",
            "1-+1",
            "1--1",
            "01-1",
            "1-01",
            "A-1",
            "g-1",
            "1-a",
            " 1-1",
            "1-1 ",
            "1-1\n",
            "1-1\0",
            "1_1",
            "١-1",
            "1-18446744073709551616",
            "10000000000000000-1",
            "../../etc/passwd",
            "1-1\r\nretry: 0",
        ] {
            assert_eq!(kind(text), Some(TextErrorKind::Form), "{text:?}");
        }
    }
}
