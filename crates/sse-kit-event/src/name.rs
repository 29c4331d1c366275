//! The name of an event.

use crate::control::{ControlName, RESERVED_PREFIX};
use crate::rules::{BrokenRule, first_control, starts_with};
use crate::shared_text::Text;
use crate::text::TextError;

/// The name of an event, which a page listens for (`addEventListener(name, …)`, `sse-swap`).
///
/// A name has at most [`EventName::MAX_LEN`] bytes and no control characters (C0, DEL, C1). It does
/// not begin with `sse-kit:`, which is reserved for [control events](crate::control). It is neither
/// `open` nor `error`: browsers dispatch events with these names about the connection itself, and
/// htmx would take an event `error` for a lost connection. Cloning is cheap.
///
/// ```
/// use sse_kit_event::{EventName, TextError};
///
/// const PROGRESS: EventName = EventName::from_static("progress");
///
/// let name: EventName = "progress".parse()?;
/// assert_eq!(name, PROGRESS);
/// assert!("a\nb".parse::<EventName>().is_err());
/// # Ok::<(), TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventName(Text);

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
        check(name).map_err(|rule| rule.error(name, WHAT))?;
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
            "not an event name: it has 1 to 256 bytes, no control characters, does not begin with \
             `sse-kit:`, and is neither `open` nor `error`"
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

crate::text_type!(EventName);

/// Checks the rules of a name.
const fn check(name: &str) -> Result<(), BrokenRule> {
    let bytes = name.as_bytes();
    if bytes.is_empty() {
        return Err(BrokenRule::Empty);
    }
    if bytes.len() > EventName::MAX_LEN {
        return Err(BrokenRule::TooLong(EventName::MAX_LEN));
    }
    if let Some(found) = first_control(bytes) {
        return Err(BrokenRule::Control(found));
    }
    if starts_with(bytes, RESERVED_PREFIX.as_bytes()) {
        let rule = "names that begin with `sse-kit:` are reserved; choose another";
        return Err(BrokenRule::Reserved(rule));
    }
    if matches!(bytes, b"open" | b"error") {
        let rule =
            "browsers dispatch `open` and `error` about the connection itself; choose another";
        return Err(BrokenRule::Reserved(rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::TextErrorKind;

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

    /// An `EventSource` dispatches events of these names itself: a page could not tell them apart.
    #[test]
    fn names_of_the_browser_are_reserved() {
        for name in ["open", "error"] {
            assert_eq!(kind(name), Some(TextErrorKind::Reserved), "{name}");
        }
        for name in ["opened", "Error", "errors", "message", "close"] {
            assert_eq!(kind(name), None, "{name}");
        }
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
