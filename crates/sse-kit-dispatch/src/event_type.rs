//! What kind of thing an event tells.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The first segment of what sse-kit itself sends.
const RESERVED_SEGMENT: &str = "sse-kit";

/// What kind of thing an event tells: segments joined by `:`, such as `job:progress`.
///
/// The rules are those of a topic of sse-kit, so that every event type can be the topic that its
/// events are published to: at most [`EventType::MAX_LEN`] bytes; no segment is empty; no `*` (that
/// makes a [`Pattern`](crate::Pattern)), no control characters, and the first segment is not
/// `sse-kit`. All else stands for itself. Cloning is cheap.
///
/// ```
/// use sse_kit_dispatch::{EventType, EventTypeError};
///
/// let event_type: EventType = "job:17:progress".parse()?;
/// assert_eq!(event_type.segments().collect::<Vec<_>>(), ["job", "17", "progress"]);
/// assert_eq!("job:*".parse::<EventType>(), Err(EventTypeError::Wildcard));
/// # Ok::<(), EventTypeError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(Arc<str>);

impl EventType {
    /// The longest event type, in bytes; with its namespace, when it has one.
    pub const MAX_LEN: usize = 256;

    /// Checks `event_type`.
    ///
    /// # Errors
    ///
    /// [`EventTypeError`] says what is wrong with it.
    pub fn new(event_type: &str) -> Result<Self, EventTypeError> {
        check_segments(event_type)?;
        if event_type.contains('*') {
            return Err(EventTypeError::Wildcard);
        }
        Ok(Self(event_type.into()))
    }

    /// The event type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, of which there is at least one.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(':')
    }
}

/// What event types, namespaces and patterns have in common.
pub(crate) fn check_segments(text: &str) -> Result<(), EventTypeError> {
    if text.is_empty() {
        return Err(EventTypeError::Empty);
    }
    if text.len() > EventType::MAX_LEN {
        return Err(EventTypeError::TooLong { bytes: text.len() });
    }
    if let Some(found) = text.chars().find(|c| c.is_control()) {
        return Err(EventTypeError::Control { found });
    }
    if text.split(':').any(str::is_empty) {
        return Err(EventTypeError::EmptySegment);
    }
    if text.split(':').next() == Some(RESERVED_SEGMENT) {
        return Err(EventTypeError::Reserved);
    }
    Ok(())
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventType {
    type Err = EventTypeError;

    fn from_str(event_type: &str) -> Result<Self, Self::Err> {
        Self::new(event_type)
    }
}

impl TryFrom<&str> for EventType {
    type Error = EventTypeError;

    fn try_from(event_type: &str) -> Result<Self, Self::Error> {
        Self::new(event_type)
    }
}

impl TryFrom<String> for EventType {
    type Error = EventTypeError;

    fn try_from(event_type: String) -> Result<Self, Self::Error> {
        Self::new(&event_type)
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.as_str().to_owned()
    }
}

impl Borrow<str> for EventType {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is no event type and no namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventTypeError {
    /// It has no characters.
    #[error("it is empty; it has at least one segment")]
    Empty,
    /// It is longer than [`EventType::MAX_LEN`].
    #[error("it has at most {max} bytes, not {bytes}", max = EventType::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a control character.
    #[error("it has no control characters, but this one has {found:?}")]
    Control {
        /// The first of them.
        found: char,
    },
    /// Two `:` stand together, or one at an end.
    #[error("no segment of it is empty: no `:` at an end, no two of them together")]
    EmptySegment,
    /// It holds `*`, which only patterns may.
    #[error("it has no `*`; only patterns have")]
    Wildcard,
    /// Its first segment is `sse-kit`.
    #[error("those whose first segment is `sse-kit` are reserved")]
    Reserved,
}

impl From<Infallible> for EventTypeError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_its_error() {
        let too_long = "t".repeat(257);
        for (text, error) in [
            ("", EventTypeError::Empty),
            (&too_long, EventTypeError::TooLong { bytes: 257 }),
            ("a\r\nb", EventTypeError::Control { found: '\r' }),
            (":", EventTypeError::EmptySegment),
            ("a:", EventTypeError::EmptySegment),
            (":a", EventTypeError::EmptySegment),
            ("a::b", EventTypeError::EmptySegment),
            ("a:*", EventTypeError::Wildcard),
            ("sse-kit:all", EventTypeError::Reserved),
            ("sse-kit", EventTypeError::Reserved),
        ] {
            assert_eq!(EventType::new(text), Err(error), "{text}");
        }
        for text in ["sse-kitten", "a", "/users/17?x=[1]{2}", "räume:küche ✓"] {
            assert!(EventType::new(text).is_ok(), "{text}");
        }
    }
}
