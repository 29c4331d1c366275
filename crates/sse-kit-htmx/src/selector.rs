//! A CSS selector.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A CSS selector, as `document.querySelectorAll` takes it.
///
/// At most [`Selector::MAX_LEN`] bytes, without control characters. htmx takes selectors apart
/// before CSS sees them, and htmx 2 does so at every comma; what would not survive that, and htmx's
/// own words (`closest`, `next`, `this` …), which are relative to an element, are refused. Whether
/// it is good CSS only the browser knows. Cloning is cheap.
///
/// For one element [`ElementId`](crate::ElementId) is the better choice.
///
/// ```
/// use sse_kit_htmx::{Selector, SelectorError};
///
/// let selector: Selector = "#jobs > .running, [data-job='17']".parse()?;
/// assert!(matches!("next .row".parse::<Selector>(), Err(SelectorError::Relative { .. })));
/// # Ok::<(), SelectorError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Arc<str>);

/// What htmx 2 and 4 read as something else than CSS.
const WORDS: &[&str] = &[
    "closest",
    "document",
    "find",
    "findAll",
    "global",
    "host",
    "next",
    "nextElementSibling",
    "previous",
    "previousElementSibling",
    "root",
    "this",
    "window",
];

impl Selector {
    /// The longest selector, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Checks `selector`.
    ///
    /// # Errors
    ///
    /// [`SelectorError`] says what is wrong with it.
    pub fn new(selector: &str) -> Result<Self, SelectorError> {
        let selector = selector.trim();
        if selector.is_empty() {
            return Err(SelectorError::Empty);
        }
        if selector.len() > Self::MAX_LEN {
            return Err(SelectorError::TooLong { bytes: selector.len() });
        }
        if let Some(found) = selector.chars().find(|c| c.is_control()) {
            return Err(SelectorError::Control { found });
        }
        if selector.contains('<') {
            return Err(SelectorError::Chevron);
        }
        if has_comma_in_quotes(selector) {
            return Err(SelectorError::QuotedComma);
        }
        let first_words = selector.split(',').map(|part| part.split_whitespace().next());
        if let Some(&word) =
            first_words.flatten().find_map(|word| WORDS.iter().find(|w| **w == word))
        {
            return Err(SelectorError::Relative { word });
        }
        Ok(Self(selector.into()))
    }

    /// One that was made from an id.
    pub(crate) fn escaped(selector: String) -> Self {
        Self(selector.into())
    }

    /// The selector as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// htmx 2 trims what stands between commas, also within quotes.
fn has_comma_in_quotes(selector: &str) -> bool {
    let mut open = None;
    let mut chars = selector.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (_, '\\') => drop(chars.next()),
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), _) if quote == c => open = None,
            (Some(_), ',') => return true,
            _ => {}
        }
    }
    false
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(selector: &str) -> Result<Self, Self::Err> {
        Self::new(selector)
    }
}

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorError {
    /// It has no characters but whitespace.
    #[error("a selector is not empty")]
    Empty,
    /// It is longer than [`Selector::MAX_LEN`].
    #[error("a selector has at most {max} bytes, not {bytes}", max = Selector::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds a control character.
    #[error("a selector has no control characters, but this one has {found:?}")]
    Control {
        /// The first of them.
        found: char,
    },
    /// It holds `<`, which htmx takes for the beginning of a `<…/>` of its own.
    #[error("a selector has no `<`")]
    Chevron,
    /// It holds a comma in quotes, where htmx would take it apart.
    #[error("a selector has no comma in quotes; write `\\00002c` for it")]
    QuotedComma,
    /// It begins with a word of htmx's own, which is relative to an element.
    #[error("an update is relative to no element, so its selector cannot begin with `{word}`")]
    Relative {
        /// Which word.
        word: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_htmx_would_misread_is_refused() {
        let new = Selector::new;
        assert_eq!(new(" \n"), Err(SelectorError::Empty));
        assert_eq!(new(&"x".repeat(2049)), Err(SelectorError::TooLong { bytes: 2049 }));
        assert_eq!(new("a\0b"), Err(SelectorError::Control { found: '\0' }));
        assert_eq!(new("<a/>"), Err(SelectorError::Chevron));
        assert_eq!(new("[a=\"b, c\"]"), Err(SelectorError::QuotedComma));
        assert_eq!(new("[a='\\', b']"), Err(SelectorError::QuotedComma));
        for text in ["this", "closest tr", "#a, next .b", "#a,window"] {
            assert!(matches!(new(text), Err(SelectorError::Relative { .. })), "{text}");
        }
    }

    #[test]
    fn css_is_left_alone() {
        for text in ["#a", "body", "tr.next > td", "#a, .b:is(.c, .d)", "[a='\\00002c']", "find-me"]
        {
            assert_eq!(Selector::new(text).unwrap().as_str(), text);
        }
        assert_eq!(Selector::new(" #a ").unwrap().as_str(), "#a");
    }
}
