//! The key by which a newer event replaces an older one.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Says what an event is about, so that a newer event with the same key on the same topic may
/// stand in for an older one that a slow client has not been sent yet (conflation).
///
/// A key never reaches the wire. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Event, EventKey};
///
/// let event = Event::new("40 %").with_key("job-17".parse::<EventKey>()?);
/// # Ok::<(), sse_kit_event::EventKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventKey(Arc<str>);

impl EventKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `key`.
    ///
    /// # Errors
    ///
    /// [`EventKeyError`] when it is empty or longer than [`EventKey::MAX_LEN`].
    pub fn new(key: &str) -> Result<Self, EventKeyError> {
        match key.len() {
            0 => Err(EventKeyError::Empty),
            bytes if bytes > Self::MAX_LEN => Err(EventKeyError::TooLong { bytes }),
            _ => Ok(Self(key.into())),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
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

/// Why a text is no event key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventKeyError {
    /// It has no characters.
    #[error("an event key is not empty; leave the key off for an event that replaces none")]
    Empty,
    /// It is longer than [`EventKey::MAX_LEN`].
    #[error("an event key has at most {max} bytes, not {bytes}", max = EventKey::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
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
