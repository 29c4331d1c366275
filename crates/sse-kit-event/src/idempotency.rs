//! Keys that make a publish safe to retry.

use std::sync::Arc;

use crate::text::{TextError, TextErrorKind};

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
/// # Ok::<(), sse_kit_event::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Arc<str>);

const WHAT: &str = "an idempotency key";

impl IdempotencyKey {
    /// The maximum length of a key, in bytes.
    pub const MAX_LEN: usize = 128;

    /// Parses a key.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `key` breaks one of the rules above.
    pub fn new(key: &str) -> Result<Self, TextError> {
        if key.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if key.len() > Self::MAX_LEN {
            return Err(TextError::too_long(key, WHAT, Self::MAX_LEN));
        }
        match key.chars().find(|c| !c.is_ascii_graphic()) {
            Some(found) => {
                let rule = format!("it contains {found:?}; use only visible ASCII");
                Err(TextError::new(key, WHAT, TextErrorKind::Character, rule))
            }
            None => Ok(Self(key.into())),
        }
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::text_type!(IdempotencyKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        let kind = |key: &str| IdempotencyKey::new(key).err().map(|error| error.kind());
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"k".repeat(128)), None);
        assert_eq!(kind(&"k".repeat(129)), Some(TextErrorKind::TooLong));
        for key in ["a b", "a\n", "ä"] {
            assert_eq!(kind(key), Some(TextErrorKind::Character), "{key}");
        }
    }
}
