//! Keys for conflation: a newer event replaces an older one with the same key.

use crate::rules::BrokenRule;
use crate::shared_text::Text;
use crate::text::TextError;

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
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventKey(Text);

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
        check(key).map_err(|rule| rule.error(key, WHAT))?;
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

crate::text_type!(EventKey);

/// Checks the rules of a key.
const fn check(key: &str) -> Result<(), BrokenRule> {
    match key.len() {
        0 => Err(BrokenRule::Empty),
        bytes if bytes > EventKey::MAX_LEN => Err(BrokenRule::TooLong(EventKey::MAX_LEN)),
        _ => Ok(()),
    }
}

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
