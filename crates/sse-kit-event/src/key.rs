//! Keys for conflation: a newer event replaces an older one with the same key.

use std::sync::Arc;

use crate::text::TextError;

/// The subject of an event, for conflation: an event that waits for a slow client may be replaced
/// by a newer event with the same key on the same topic.
///
/// A key never reaches the wire. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Event, EventKey};
///
/// let event = Event::new("40 %").with_key("job-17".parse::<EventKey>()?);
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventKey(Arc<str>);

const WHAT: &str = "an event key";

impl EventKey {
    /// The maximum length of a key, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `key` is empty or longer than [`EventKey::MAX_LEN`].
    pub fn new(key: &str) -> Result<Self, TextError> {
        match key.len() {
            0 => Err(TextError::empty(WHAT)),
            bytes if bytes > Self::MAX_LEN => Err(TextError::too_long(key, WHAT, Self::MAX_LEN)),
            _ => Ok(Self(key.into())),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::text_type!(EventKey);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextErrorKind;

    #[test]
    fn limits() {
        let kind = |key: &str| EventKey::new(key).err().map(|error| error.kind());
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert!(EventKey::new(&"k".repeat(256)).is_ok());
        assert_eq!(kind(&"k".repeat(257)), Some(TextErrorKind::TooLong));
    }
}
