//! The name of an element.

use sse_kit_event::{TextError, TextErrorKind, text_type};

use crate::text::Text;

/// The name of an element, such as `div`.
///
/// At most [`Tag::MAX_LEN`] bytes: a letter, then letters, digits and hyphens. Elements whose content
/// is no HTML (`script`, `style`, `iframe` and their like) are refused, as text cannot be escaped in
/// them.
///
/// ```
/// use sse_kit_htmx::{Tag, TextErrorKind};
///
/// let tag: Tag = "job-card".parse()?;
/// let error = Tag::new("script").expect_err("text cannot be escaped in it");
/// assert_eq!(error.kind(), TextErrorKind::Unsafe);
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Text);

const WHAT: &str = "the name of an element";

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
    pub const DIV: Self = Self(Text::Static("div"));
    /// `span`.
    pub const SPAN: Self = Self(Text::Static("span"));

    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`TextError`] when it is no such name, or that of an element in which text cannot be escaped.
    pub fn new(name: &str) -> Result<Self, TextError> {
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && name.len() <= Self::MAX_LEN;
        if !is_name {
            let rule = "it is not a letter and then letters, digits and hyphens, 64 at most";
            return Err(TextError::new(name, WHAT, TextErrorKind::Form, rule));
        }
        if RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)) {
            let rule = "text cannot be escaped in this element";
            return Err(TextError::new(name, WHAT, TextErrorKind::Unsafe, rule));
        }
        Ok(Self(name.into()))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the element has no content and no end tag, as `input`.
    pub fn is_void(&self) -> bool {
        VOID.iter().any(|void| self.0.eq_ignore_ascii_case(void))
    }
}

text_type!(Tag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_elements() {
        let kind = |name: &str| Tag::new(name).map_err(|error| error.kind()).err();
        for name in ["", "1a", "-a", "a b", "a>", "a/", "ä", &"a".repeat(65)] {
            assert_eq!(kind(name), Some(TextErrorKind::Form), "{name}");
        }
        for name in ["script", "STYLE", "iframe"] {
            assert_eq!(kind(name), Some(TextErrorKind::Unsafe));
        }
        for name in ["p", "H1", "my-job"] {
            assert!(!Tag::new(name).unwrap().is_void());
        }
        assert!(Tag::new("Input").unwrap().is_void());
    }
}
