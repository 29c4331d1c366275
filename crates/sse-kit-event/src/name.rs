//! The name of an event.

use std::sync::Arc;

use crate::control::{ControlName, RESERVED_PREFIX};
use crate::text::{TextError, TextErrorKind};

/// The name of an event, which a page listens for (`addEventListener(name, …)`, `sse-swap`).
///
/// A name has at most [`EventName::MAX_LEN`] bytes and no control characters (C0, DEL, C1). It does
/// not begin with `sse-kit:`, which is reserved for [control events](crate::control). Cloning is
/// cheap.
///
/// ```
/// use sse_kit_event::{EventName, TextError};
///
/// let name: EventName = "progress".parse()?;
/// assert_eq!(name.as_str(), "progress");
/// assert!("a\nb".parse::<EventName>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName(Arc<str>);

const WHAT: &str = "an event name";

impl EventName {
    /// The maximum length of a name, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`TextError`] if `name` breaks one of the rules above.
    pub fn new(name: &str) -> Result<Self, TextError> {
        if name.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if name.len() > Self::MAX_LEN {
            return Err(TextError::too_long(name, WHAT, Self::MAX_LEN));
        }
        if let Some(found) = name.chars().find(|c| c.is_control()) {
            return Err(TextError::character(name, WHAT, found));
        }
        if name.starts_with(RESERVED_PREFIX) {
            let rule = "names that begin with `sse-kit:` are reserved; choose another";
            return Err(TextError::new(name, WHAT, TextErrorKind::Reserved, rule));
        }
        Ok(Self(name.into()))
    }

    /// Returns the name of one of sse-kit's own events.
    pub fn control(name: ControlName) -> Self {
        Self(name.as_str().into())
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if this is the name of a [control event](crate::control).
    pub fn is_control(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }

    /// Returns `true` if this is `message`, the name that the standard gives to unnamed events.
    pub(crate) fn is_default(&self) -> bool {
        &*self.0 == "message"
    }
}

crate::text_type!(EventName);

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Option<TextErrorKind> {
        EventName::new(name).err().map(|error| error.kind())
    }

    #[test]
    fn control_characters_are_refused_and_never_stripped() {
        for c in (0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32) {
            assert_eq!(kind(&format!("a{c}b")), Some(TextErrorKind::Character), "{c:?}");
        }
    }

    #[test]
    fn limits_and_reserved_names() {
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind("sse-kit:gap"), Some(TextErrorKind::Reserved));
        assert!(EventName::new(&"x".repeat(256)).is_ok());
        assert_eq!(kind(&"x".repeat(257)), Some(TextErrorKind::TooLong));
        assert!(EventName::new("sse-kitten, größer ✓").is_ok());
    }
}
