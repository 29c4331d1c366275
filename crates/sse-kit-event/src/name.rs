//! The name of an event.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::control::{ControlName, RESERVED_PREFIX};

/// The name of an event: what a page listens for (`addEventListener(name, …)`, `sse-swap`).
///
/// At most [`EventName::MAX_LEN`] bytes, without control characters (C0, DEL, C1), and not
/// beginning with `sse-kit:`, which is reserved for [control events](crate::control). Cloning is
/// cheap.
///
/// ```
/// use sse_kit_event::{EventName, EventNameError};
///
/// let name: EventName = "progress".parse()?;
/// assert_eq!(name.as_str(), "progress");
/// assert_eq!("a\nb".parse::<EventName>(), Err(EventNameError::Control { found: '\n' }));
/// # Ok::<(), EventNameError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct EventName(Arc<str>);

impl EventName {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`EventNameError`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, EventNameError> {
        if name.is_empty() {
            return Err(EventNameError::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(EventNameError::TooLong { bytes: name.len() });
        }
        if let Some(found) = name.chars().find(|c| c.is_control()) {
            return Err(EventNameError::Control { found });
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(EventNameError::Reserved);
        }
        Ok(Self(name.into()))
    }

    /// The name of one of sse-kit's own events.
    pub fn control(name: ControlName) -> Self {
        Self(name.as_str().into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the name of a [control event](crate::control).
    pub fn is_control(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }

    /// Whether this is `message`, the name that the standard gives to events without one.
    pub(crate) fn is_default(&self) -> bool {
        &*self.0 == "message"
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EventName {
    type Err = EventNameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<String> for EventName {
    type Error = EventNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<EventName> for String {
    fn from(name: EventName) -> Self {
        name.as_str().to_owned()
    }
}

/// Why a text is no event name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventNameError {
    /// It has no characters. An event without a name simply has none given.
    #[error("an event name is not empty; leave the name off for an unnamed event")]
    Empty,
    /// It is longer than [`EventName::MAX_LEN`].
    #[error("an event name has at most {max} bytes, not {bytes}", max = EventName::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a control character, which could end the field it stands in.
    #[error("an event name has no control characters, but this one has {found:?}")]
    Control {
        /// The first of them.
        found: char,
    },
    /// It begins with `sse-kit:`.
    #[error("event names that begin with `{RESERVED_PREFIX}` are reserved")]
    Reserved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_refused_and_never_stripped() {
        for c in (0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32) {
            assert_eq!(
                EventName::new(&format!("a{c}b")),
                Err(EventNameError::Control { found: c })
            );
        }
    }

    #[test]
    fn limits_and_reserved_names() {
        assert_eq!(EventName::new(""), Err(EventNameError::Empty));
        assert_eq!(EventName::new("sse-kit:gap"), Err(EventNameError::Reserved));
        assert!(EventName::new(&"x".repeat(256)).is_ok());
        assert_eq!(EventName::new(&"x".repeat(257)), Err(EventNameError::TooLong { bytes: 257 }));
        assert!(EventName::new("sse-kitten, größer ✓").is_ok());
    }
}
