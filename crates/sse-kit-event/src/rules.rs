//! The rules that texts have in common, for a `const fn` too.

use crate::text::{TextError, TextErrorKind};

/// A rule that a text breaks. It has no text of its own, so that a `const fn` can return it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokenRule {
    Empty,
    /// The text has more than this number of bytes.
    TooLong(usize),
    Control(char),
    EmptySegment,
    Wildcard,
    /// The text is reserved, by the rule that this describes.
    Reserved(&'static str),
}

impl BrokenRule {
    /// Returns the error for `text`, which is not `what` by this rule.
    pub(crate) fn error(self, text: &str, what: &'static str) -> TextError {
        let (kind, rule) = match self {
            Self::Empty => return TextError::empty(what),
            Self::TooLong(max) => return TextError::too_long(text, what, max),
            Self::Control(found) => return TextError::character(text, what, found),
            Self::EmptySegment => {
                (TextErrorKind::Form, "a segment is empty; remove `:` at an end and `::`")
            }
            Self::Wildcard => {
                (TextErrorKind::Character, "it contains `*`; only subscriptions may use patterns")
            }
            Self::Reserved(rule) => (TextErrorKind::Reserved, rule),
        };
        TextError::new(text, what, kind, rule)
    }
}

/// Returns the first control character of UTF-8: U+0000 to U+001F, U+007F to U+009F. It has no
/// iterator, because a `const fn` cannot use one.
pub(crate) const fn first_control(text: &[u8]) -> Option<char> {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            byte @ (..=0x1f | 0x7f) => return Some(byte as char),
            // The lead byte of U+0080 to U+00BF; the next byte is the code point.
            0xc2 if text[at + 1] < 0xa0 => return Some(text[at + 1] as char),
            _ => at += 1,
        }
    }
    None
}

/// Returns `true` if `text` begins with `prefix`.
pub(crate) const fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    if text.len() < prefix.len() {
        return false;
    }
    let mut at = 0;
    while at < prefix.len() {
        if text[at] != prefix[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_those_of_unicode() {
        for c in ('\0'..='\u{7ff}').chain(['\u{2028}', '\u{feff}', '😀']) {
            let found = first_control(format!("é{c}x").as_bytes());
            assert_eq!(found, c.is_control().then_some(c), "{c:?}");
        }
    }
}
