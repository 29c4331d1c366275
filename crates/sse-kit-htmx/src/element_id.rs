//! The id of an element.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use crate::selector::Selector;

/// The id of an element in a page.
///
/// At most [`ElementId::MAX_LEN`] bytes, without whitespace, which an id of HTML cannot have, and
/// without control characters. Cloning is cheap.
///
/// ```
/// use sse_kit_htmx::{ElementId, ElementIdError};
///
/// let id: ElementId = "job-17".parse()?;
/// assert_eq!(id.selector().as_str(), "#job-17");
/// assert!(matches!("job 17".parse::<ElementId>(), Err(ElementIdError::Whitespace { .. })));
/// # Ok::<(), ElementIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ElementId(Arc<str>);

impl ElementId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Checks `id`.
    ///
    /// # Errors
    ///
    /// [`ElementIdError`] says what is wrong with it.
    pub fn new(id: &str) -> Result<Self, ElementIdError> {
        if id.is_empty() {
            return Err(ElementIdError::Empty);
        }
        if id.len() > Self::MAX_LEN {
            return Err(ElementIdError::TooLong { bytes: id.len() });
        }
        for found in id.chars() {
            if found.is_whitespace() {
                return Err(ElementIdError::Whitespace { found });
            }
            if found.is_control() {
                return Err(ElementIdError::Control { found });
            }
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The selector of this one element: `#` and the id, escaped for CSS.
    pub fn selector(&self) -> Selector {
        let mut css = String::with_capacity(self.0.len() + 1);
        css.push('#');
        for (at, c) in self.0.char_indices() {
            push_escaped(&mut css, at, c);
        }
        Selector::escaped(css)
    }
}

/// Six digits need no space behind them. So no selector of an id has a space, a comma or a colon,
/// at which htmx would take it apart.
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

impl fmt::Display for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ElementId {
    type Err = ElementIdError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        Self::new(id)
    }
}

impl TryFrom<String> for ElementId {
    type Error = ElementIdError;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id)
    }
}

/// Why a text is no id of an element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElementIdError {
    /// It has no characters.
    #[error("an element's id is not empty")]
    Empty,
    /// It is longer than [`ElementId::MAX_LEN`].
    #[error("an element's id has at most {max} bytes, not {bytes}", max = ElementId::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// It holds whitespace.
    #[error("an element's id has no whitespace, but this one has {found:?}")]
    Whitespace {
        /// The first of it.
        found: char,
    },
    /// It holds a control character.
    #[error("an element's id has no control characters, but this one has {found:?}")]
    Control {
        /// The first of them.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!(ElementId::new(""), Err(ElementIdError::Empty));
        assert!(ElementId::new(&"x".repeat(256)).is_ok());
        assert_eq!(ElementId::new(&"x".repeat(257)), Err(ElementIdError::TooLong { bytes: 257 }));
        for found in [' ', '\t', '\n', '\r', '\u{c}', '\u{a0}', '\u{2028}'] {
            assert_eq!(
                ElementId::new(&format!("a{found}")),
                Err(ElementIdError::Whitespace { found })
            );
        }
        assert_eq!(ElementId::new("a\0"), Err(ElementIdError::Control { found: '\0' }));
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
