//! Keys for conflation: a newer event replaces an older one with the same key.

use std::fmt;
use std::str::FromStr;

use crate::text::Text;

/// The subject of an event, for conflation: an event that waits for a slow client may be replaced
/// by a newer event with the same key on the same topic.
///
/// A key never reaches the wire. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Event, EventKey};
///
/// const PEOPLE: EventKey = EventKey::from_static("people");
///
/// let event = Event::new("40 %").with_key("job-17".parse::<EventKey>()?);
/// # Ok::<(), sse_kit_event::EventKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventKey(Text);

impl EventKey {
    /// The maximum length of a key, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// [`EventKeyError`] if `key` is empty or longer than [`EventKey::MAX_LEN`].
    pub fn new(key: &str) -> Result<Self, EventKeyError> {
        check(key)?;
        Ok(Self(key.into()))
    }

    /// Creates a key from a literal. In a `const` it is validated at compile time.
    ///
    /// # Panics
    ///
    /// Panics outside of a `const` if `key` is not a key. [`EventKey::new`] returns an error instead.
    pub const fn from_static(key: &'static str) -> Self {
        assert!(check(key).is_ok(), "not an event key: it has 1 to 256 bytes");
        Self(Text::Static(key))
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks the rules of a key.
const fn check(key: &str) -> Result<(), EventKeyError> {
    match key.len() {
        0 => Err(EventKeyError::Empty),
        bytes if bytes > EventKey::MAX_LEN => Err(EventKeyError::TooLong { bytes }),
        _ => Ok(()),
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventKey {
    type Err = EventKeyError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::new(key)
    }
}

impl TryFrom<String> for EventKey {
    type Error = EventKeyError;

    fn try_from(key: String) -> Result<Self, Self::Error> {
        Self::new(&key)
    }
}

impl From<EventKey> for String {
    fn from(key: EventKey) -> Self {
        key.as_str().to_owned()
    }
}

/// The reason why a text is not an event key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventKeyError {
    /// The text is empty.
    #[error("the event key is empty; leave the key off for an event that replaces no other")]
    Empty,
    /// The text is longer than [`EventKey::MAX_LEN`].
    #[error("the event key has {bytes} bytes; at most {max} are allowed", max = EventKey::MAX_LEN)]
    TooLong {
        /// The length of the text, in bytes.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(EventKey::new(""), Err(EventKeyError::Empty));
        assert!(EventKey::new(&"k".repeat(256)).is_ok());
        assert_eq!(EventKey::new(&"k".repeat(257)), Err(EventKeyError::TooLong { bytes: 257 }));
    }
}
