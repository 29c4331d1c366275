//! The name of an element.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The name of an element, such as `div`.
///
/// At most [`Tag::MAX_LEN`] bytes: a letter, then letters, digits and hyphens. Elements whose content
/// is no HTML (`script`, `style`, `iframe` and their like) are refused, as text cannot be escaped in
/// them.
///
/// ```
/// use sse_kit_htmx::{Tag, TagError};
///
/// let tag: Tag = "job-card".parse()?;
/// assert_eq!("script".parse::<Tag>(), Err(TagError::Raw));
/// # Ok::<(), TagError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Cow<'static, str>);

/// Elements in which `&lt;` is not `<`.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "xmp"];

/// Elements that have no content and no end tag.
const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

impl Tag {
    /// The longest name, in bytes.
    pub const MAX_LEN: usize = 64;
    /// `div`.
    pub const DIV: Self = Self(Cow::Borrowed("div"));
    /// `span`.
    pub const SPAN: Self = Self(Cow::Borrowed("span"));

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`TagError`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, TagError> {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && name.len() <= Self::MAX_LEN;
        if !is_name {
            return Err(TagError::Malformed);
        }
        if RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            return Err(TagError::Raw);
        }
        Ok(Self(Cow::Owned(name.to_owned())))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the element has no content and no end tag, as `input`.
    pub fn is_void(&self) -> bool {
        VOID.iter().any(|void| self.0.eq_ignore_ascii_case(void))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

/// Why a text is no name of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TagError {
    /// It is empty or too long, or has something else than letters, digits and hyphens.
    #[error(
        "an element's name is a letter, then letters, digits and hyphens; {max} bytes at most",
        max = Tag::MAX_LEN
    )]
    Malformed,
    /// The element's content is no HTML.
    #[error("text cannot be escaped in this element")]
    Raw,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_elements() {
        for name in ["", "1a", "-a", "a b", "a>", "a/", "ä", &"a".repeat(65)] {
            assert_eq!(Tag::new(name), Err(TagError::Malformed), "{name}");
        }
        for name in ["script", "STYLE", "iframe"] {
            assert_eq!(Tag::new(name), Err(TagError::Raw));
        }
        for name in ["p", "H1", "my-job"] {
            assert!(!Tag::new(name).unwrap().is_void());
        }
        assert!(Tag::new("Input").unwrap().is_void());
    }
}
