//! Keys that make a publish safe to retry.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The identity of one publish: the log accepts only the first event with a given key and answers
/// the others with the id of the first. A publisher that received no answer can therefore retry.
///
/// A key has at most [`IdempotencyKey::MAX_LEN`] bytes of visible ASCII; a UUID is a good choice.
/// The log remembers a key for a limited time, usually two minutes. A key never reaches the wire.
/// Cloning is cheap.
///
/// ```
/// use sse_kit_event::{Event, IdempotencyKey};
///
/// let event = Event::new("paid").with_idempotency_key("order-17-paid".parse::<IdempotencyKey>()?);
/// # Ok::<(), sse_kit_event::IdempotencyKeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// The maximum length of a key, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// [`IdempotencyKeyError`] if `key` breaks one of the rules above.
    pub fn new(key: &str) -> Result<Self, IdempotencyKeyError> {
        if key.is_empty() || key.len() > Self::MAX_LEN {
            return Err(IdempotencyKeyError::Length { bytes: key.len() });
        }
        match key.chars().find(|c| !c.is_ascii_graphic()) {
            Some(found) => Err(IdempotencyKeyError::Character { found }),
            None => Ok(Self(key.into())),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IdempotencyKey {
    type Err = IdempotencyKeyError;

    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::new(key)
    }
}

/// The reason why a text is not an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyKeyError {
    /// The text is empty or longer than [`IdempotencyKey::MAX_LEN`].
    #[error("the idempotency key has {bytes} bytes; 1 to {max} are allowed", max = IdempotencyKey::MAX_LEN)]
    Length {
        /// The length of the text, in bytes.
        bytes: usize,
    },
    /// The text contains a character that is not visible ASCII.
    #[error("the idempotency key contains {found:?}; use only visible ASCII")]
    Character {
        /// The first such character.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let length = |bytes| Err(IdempotencyKeyError::Length { bytes });
        assert_eq!(IdempotencyKey::new(""), length(0));
        assert!(IdempotencyKey::new(&"k".repeat(128)).is_ok());
        assert_eq!(IdempotencyKey::new(&"k".repeat(129)), length(129));
        for (key, found) in [("a b", ' '), ("a\n", '\n'), ("ä", 'ä')] {
            assert_eq!(IdempotencyKey::new(key), Err(IdempotencyKeyError::Character { found }));
        }
    }
}
