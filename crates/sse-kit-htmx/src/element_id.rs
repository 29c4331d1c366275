//! The id of an element.

use std::fmt::Write;

use sse_kit_event::{TextError, text_type};

use crate::selector::Selector;
use crate::text::{Text, is_plain};

/// The id of an element in a page.
///
/// At most [`ElementId::MAX_LEN`] bytes, without whitespace, which an id of HTML cannot have, and
/// without control characters. Cloning is cheap.
///
/// ```
/// use sse_kit_htmx::{ElementId, TextErrorKind};
///
/// const COUNT: ElementId = ElementId::from_static("count");
/// assert_eq!(COUNT.selector().as_str(), "#count");
///
/// let id: ElementId = format!("job-{}", 17).parse()?;
/// let error = ElementId::new("job 17").expect_err("it has a blank");
/// assert_eq!(error.kind(), TextErrorKind::Character);
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementId(Text);

const WHAT: &str = "the id of an element";

impl ElementId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `id`.
    ///
    /// # Errors
    ///
    /// [`TextError`] when it is empty or too long, or has whitespace or control characters.
    pub fn new(id: &str) -> Result<Self, TextError> {
        if id.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if id.len() > Self::MAX_LEN {
            return Err(TextError::too_long(id, WHAT, Self::MAX_LEN));
        }
        match id.chars().find(|c| c.is_whitespace() || c.is_control()) {
            Some(found) => Err(TextError::character(id, WHAT, found)),
            None => Ok(Self(id.into())),
        }
    }

    /// Takes an id from the source of the program. In a `const` it is checked when that is compiled.
    ///
    /// # Panics
    ///
    /// Outside of a `const`, when it is empty or too long, or has other characters than those of
    /// ASCII that are seen.
    pub const fn from_static(id: &'static str) -> Self {
        assert!(is_plain(id, Self::MAX_LEN), "not an id: 1 to 256 characters of ASCII, no blanks");
        Self(Text::Static(id))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the selector of this one element: `#` and the id, escaped for CSS.
    pub fn selector(&self) -> Selector {
        let mut css = String::with_capacity(self.0.len() + 1);
        css.push('#');
        for (at, c) in self.0.char_indices() {
            push_escaped(&mut css, at, c);
        }
        Selector::escaped(&css)
    }
}

text_type!(ElementId);

/// Escapes a character by six digits, which need no blank behind them. So no selector of an id has a
/// blank, a comma or a colon, at which htmx would take it apart.
fn push_escaped(css: &mut String, at: usize, c: char) {
    let is_plain = match c {
        'a'..='z' | 'A'..='Z' | '_' => true,
        '0'..='9' | '-' => at > 0,
        c => !c.is_ascii(),
    };
    if is_plain {
        css.push(c);
    } else {
        let _ = write!(css, "\\{:06x}", u32::from(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_kit_event::TextErrorKind;

    #[test]
    fn limits() {
        let kind = |id: &str| ElementId::new(id).map_err(|error| error.kind()).err();
        assert_eq!(kind(""), Some(TextErrorKind::Empty));
        assert_eq!(kind(&"x".repeat(256)), None);
        assert_eq!(kind(&"x".repeat(257)), Some(TextErrorKind::TooLong));
        for found in [' ', '\t', '\n', '\r', '\u{c}', '\u{a0}', '\u{2028}', '\0'] {
            assert_eq!(kind(&format!("a{found}")), Some(TextErrorKind::Character));
        }
    }

    #[test]
    fn selectors_are_escaped_for_css() {
        let selector = |id: &str| ElementId::new(id).unwrap().selector().as_str().to_owned();
        assert_eq!(selector("job-17_ü"), "#job-17_ü");
        assert_eq!(selector("17"), "#\\0000317");
        assert_eq!(selector("-1"), "#\\00002d1");
        assert_eq!(selector("a:b,c.d\\"), "#a\\00003ab\\00002cc\\00002ed\\00005c");
    }
}
