//! The name of an event.

use std::fmt;
use std::str::FromStr;

use crate::control::{ControlName, RESERVED_PREFIX};
use crate::text::{Text, first_control, starts_with};

/// The name of an event, which a page listens for (`addEventListener(name, …)`, `sse-swap`).
///
/// A name has at most [`EventName::MAX_LEN`] bytes and no control characters (C0, DEL, C1). It does
/// not begin with `sse-kit:`, which is reserved for [control events](crate::control). Cloning is
/// cheap.
///
/// ```
/// use sse_kit_event::{EventName, EventNameError};
///
/// const PROGRESS: EventName = EventName::from_static("progress");
///
/// let name: EventName = "progress".parse()?;
/// assert_eq!(name, PROGRESS);
/// assert_eq!("a\nb".parse::<EventName>(), Err(EventNameError::Control { found: '\n' }));
/// # Ok::<(), EventNameError>(())
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct EventName(Text);

impl EventName {
    /// The maximum length of a name, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a name.
    ///
    /// # Errors
    ///
    /// [`EventNameError`] if `name` breaks one of the rules above.
    pub fn new(name: &str) -> Result<Self, EventNameError> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// Creates a name from a literal. In a `const` it is validated at compile time:
    ///
    /// ```compile_fail,E0080
    /// # use sse_kit_event::EventName;
    /// const GAP: EventName = EventName::from_static("sse-kit:gap");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside of a `const` if `name` is not a name. [`EventName::new`] returns an error
    /// instead.
    pub const fn from_static(name: &'static str) -> Self {
        assert!(
            check(name).is_ok(),
            "not an event name: it has 1 to 256 bytes, no control characters, and does not begin \
             with `sse-kit:`"
        );
        Self(Text::Static(name))
    }

    /// Returns the name of one of sse-kit's own events.
    pub fn control(name: ControlName) -> Self {
        Self(Text::Static(name.as_str()))
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

/// Checks the rules of a name.
const fn check(name: &str) -> Result<(), EventNameError> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(EventNameError::Empty);
    }
    if bytes.len() > EventName::MAX_LEN {
        return Err(EventNameError::TooLong { bytes: bytes.len() });
    }
    if let Some(found) = first_control(bytes) {
        return Err(EventNameError::Control { found });
    }
    if starts_with(bytes, RESERVED_PREFIX.as_bytes()) {
        return Err(EventNameError::Reserved);
    }
    Ok(())
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

/// The reason why a text is not an event name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventNameError {
    /// The text is empty. An unnamed event has no [`EventName`] at all.
    #[error("the event name is empty; leave the name off for an unnamed event")]
    Empty,
    /// The text is longer than [`EventName::MAX_LEN`].
    #[error("the event name has {bytes} bytes; at most {max} are allowed", max = EventName::MAX_LEN)]
    TooLong {
        /// The length of the text, in bytes.
        bytes: usize,
    },
    /// The text contains a control character, which could end the field on the wire.
    #[error("the event name contains the control character {found:?}; remove it")]
    Control {
        /// The first control character.
        found: char,
    },
    /// The text begins with `sse-kit:`.
    #[error("the event name begins with `{RESERVED_PREFIX}`, which is reserved; choose another")]
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
    #[test]
    fn a_literal_is_the_name_that_is_parsed() {
        use std::collections::{BTreeSet, HashSet};

        const LITERAL: EventName = EventName::from_static("größer ✓");
        let parsed: EventName = "größer ✓".parse().unwrap();
        assert_eq!(LITERAL, parsed);
        assert!(HashSet::from([LITERAL]).contains(&parsed));
        assert!(BTreeSet::from([LITERAL]).contains(&parsed));
        assert_eq!(format!("{LITERAL:?}"), format!("{parsed:?}"));
    }
}
