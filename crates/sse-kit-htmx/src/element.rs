//! An element with attributes and content.

use std::fmt;

use sse_kit_event::TextError;

use crate::attribute_name::AttributeName;
use crate::attributes::Attributes;
use crate::connect::Connect;
use crate::dialect::Dialect;
use crate::element_id::ElementId;
use crate::error::MarkupError;
use crate::fragment::{Fragment, RenderError};
use crate::html::Html;
use crate::tag::Tag;

/// An element with attributes and content, for apps without a template engine, and for functions
/// that make elements which get a connection later.
///
/// ```
/// use sse_kit_htmx::{Connect, Dialect, Element, Html, Tag};
///
/// fn clock() -> Element {
///     Element::new(Tag::SPAN).class("clock").child("12:00 & later")
/// }
///
/// let connect = Connect::new("/clock".parse()?);
/// assert_eq!(
///     clock().sse(&connect, Dialect::V2)?.to_string(),
///     "<span class=\"clock\" hx-ext=\"sse\" sse-connect=\"/clock\" sse-swap=\"message\" \
///      sse-close=\"sse-kit:close\">12:00 &amp; later</span>",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    tag: Tag,
    attributes: Attributes,
    content: Html,
}

impl Element {
    /// Makes an element without attributes and content.
    pub fn new(tag: Tag) -> Self {
        Self { tag, attributes: Attributes::new(), content: Html::default() }
    }

    /// Sets its id.
    pub fn id(self, id: &ElementId) -> Self {
        self.known("id", id.as_str())
    }

    /// Adds classes.
    pub fn class(self, classes: impl Into<String>) -> Self {
        self.known("class", classes)
    }

    /// Adds declarations of style.
    pub fn style(self, declarations: impl Into<String>) -> Self {
        self.known("style", declarations)
    }

    /// Hides it by `display: none;`, beside what style it has. A content security policy may forbid
    /// that: then the attribute `hidden` does the same.
    pub fn hidden(self) -> Self {
        self.style("display: none;")
    }

    /// Sets an attribute.
    ///
    /// # Errors
    ///
    /// [`TextError`], as [`Attributes::with`].
    pub fn attribute(
        self,
        name: impl TryInto<AttributeName, Error: Into<TextError>>,
        value: impl Into<String>,
    ) -> Result<Self, TextError> {
        Ok(Self { attributes: self.attributes.with(name, value)?, ..self })
    }

    /// Sets several attributes, and joins those that are lists.
    pub fn attributes(mut self, attributes: Attributes) -> Self {
        self.attributes = self.attributes.merge(attributes);
        self
    }

    /// Adds content after its content; text is escaped. Elements that have no content, such as
    /// `input`, leave it out.
    pub fn child(mut self, child: impl Into<Html>) -> Self {
        self.content.push(&child.into());
        self
    }

    /// Makes the element hold a connection. Its attributes are treated as [`Connect::others`] are.
    ///
    /// # Errors
    ///
    /// [`MarkupError`], as [`Connect::attributes`].
    pub fn sse(self, connect: &Connect, dialect: Dialect) -> Result<Self, MarkupError> {
        let connect = connect.clone().under(self.attributes);
        Ok(Self { attributes: connect.attributes(dialect)?, ..self })
    }

    fn known(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.known(name, value);
        self
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}{}>", self.tag, self.attributes)?;
        if self.tag.is_void() {
            return Ok(());
        }
        // Where a tag is followed by a line feed, these elements lose it.
        let eats_line_feed = ["pre", "textarea", "listing"]
            .iter()
            .any(|name| self.tag.as_str().eq_ignore_ascii_case(name));
        if eats_line_feed && self.content.as_str().starts_with('\n') {
            f.write_str("\n")?;
        }
        write!(f, "{}</{}>", self.content, self.tag)
    }
}

impl From<Element> for Html {
    fn from(element: Element) -> Self {
        Self::trusted(element.to_string())
    }
}

impl Fragment for Element {
    fn to_html(&self) -> Result<Html, RenderError> {
        Ok(self.clone().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_void_ones_are_empty() {
        let input = Element::new("input".parse().unwrap()).child("lost");
        let label = Element::new("label".parse().unwrap()).child("<a>").child(input);
        assert_eq!(label.to_string(), "<label>&lt;a&gt;<input></label>");
    }

    #[test]
    fn a_first_line_feed_survives() {
        let pre = Element::new("pre".parse().unwrap()).child("\na");
        assert_eq!(pre.to_string(), "<pre>\n\na</pre>");
    }
}
