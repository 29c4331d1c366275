//! A CSS selector.

use sse_kit_event::{TextError, TextErrorKind, text_type};

use crate::text::Text;

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
/// use sse_kit_htmx::Selector;
///
/// let selector: Selector = "#jobs > .running, [data-job='17']".parse()?;
/// assert!("next .row".parse::<Selector>().is_err());
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Selector(Text);

const WHAT: &str = "a selector for htmx";

/// Words that htmx 2 and 4 read as something else than CSS.
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
    /// [`TextError`] when it is empty or too long, or htmx would not read it as CSS.
    pub fn new(selector: &str) -> Result<Self, TextError> {
        let selector = selector.trim();
        if selector.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if selector.len() > Self::MAX_LEN {
            return Err(TextError::too_long(selector, WHAT, Self::MAX_LEN));
        }
        // htmx takes `<` for the beginning of a `<…/>` of its own.
        if let Some(found) = selector.chars().find(|c| c.is_control() || *c == '<') {
            return Err(TextError::character(selector, WHAT, found));
        }
        if has_comma_in_quotes(selector) {
            let rule = "htmx takes it apart at the comma in quotes; write `\\00002c` for that";
            return Err(TextError::new(selector, WHAT, TextErrorKind::Form, rule));
        }
        let first_words = selector.split(',').map(|part| part.split_whitespace().next());
        if let Some(word) = first_words.flatten().find(|word| WORDS.contains(word)) {
            let rule = format!("`{word}` is relative to an element, and an update to none");
            return Err(TextError::new(selector, WHAT, TextErrorKind::Unsafe, rule));
        }
        Ok(Self(selector.into()))
    }

    /// Takes the selector of an id.
    pub(crate) fn escaped(selector: &str) -> Self {
        Self(selector.into())
    }

    /// Returns the selector as text.
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

text_type!(Selector);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_htmx_would_misread_is_refused() {
        let kind = |text: &str| Selector::new(text).map_err(|error| error.kind()).err();
        assert_eq!(kind(" \n"), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"x".repeat(2049)), Some(TextErrorKind::TooLong));
        assert_eq!(kind("a\0b"), Some(TextErrorKind::Character));
        assert_eq!(kind("<a/>"), Some(TextErrorKind::Character));
        assert_eq!(kind("[a=\"b, c\"]"), Some(TextErrorKind::Form));
        assert_eq!(kind("[a='\\', b']"), Some(TextErrorKind::Form));
        for text in ["this", "closest tr", "#a, next .b", "#a,window"] {
            assert_eq!(kind(text), Some(TextErrorKind::Unsafe), "{text}");
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
