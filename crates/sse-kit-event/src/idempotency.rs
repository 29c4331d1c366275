//! The key by which a publish that is tried again is known again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Names one publish, whoever makes it and however often: of all events with the same key only the first
/// is taken, and the others are given its id. So a publisher that has no answer can try again.
///
/// At most [`IdempotencyKey::MAX_LEN`] bytes of visible ASCII, such as a UUID. For how long a key is known
/// is the log's to say: two minutes as a rule. It never reaches the wire. Cloning is cheap.
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
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Checks `key`.
    ///
    /// # Errors
    ///
    /// [`IdempotencyKeyError`] says what is wrong with it.
    pub fn new(key: &str) -> Result<Self, IdempotencyKeyError> {
        if key.is_empty() || key.len() > Self::MAX_LEN {
            return Err(IdempotencyKeyError::Length { bytes: key.len() });
        }
        match key.chars().find(|c| !c.is_ascii_graphic()) {
            Some(found) => Err(IdempotencyKeyError::Character { found }),
            None => Ok(Self(key.into())),
        }
    }

    /// The key as text.
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

/// Why a text is no idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdempotencyKeyError {
    /// It is empty or longer than [`IdempotencyKey::MAX_LEN`].
    #[error("an idempotency key has 1 to {max} bytes, not {bytes}", max = IdempotencyKey::MAX_LEN)]
    Length {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds another character than those of visible ASCII.
    #[error("an idempotency key is visible ASCII, but this one has {found:?}")]
    Character {
        /// The first of them.
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
