//! HTML that is safe to put on a page.

use std::fmt;

use crate::escape::write_escaped;

/// HTML that is safe to put on a page.
///
/// Text becomes HTML by being escaped, which `From<&str>` does too. Markup is taken as it is only by
/// [`Html::trusted`], or from a template engine that escapes.
///
/// ```
/// use sse_kit_htmx::Html;
///
/// assert_eq!(Html::text("a < b").as_str(), "a &lt; b");
/// assert_eq!(Html::text(0).as_str(), "0");
/// assert_eq!(Html::from("<img>").as_str(), "&lt;img&gt;");
/// assert_eq!(Html::trusted("<br>").as_str(), "<br>");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Html(String);

impl Html {
    /// Escapes a value that can be displayed: a text, a number.
    pub fn text(value: impl fmt::Display) -> Self {
        let mut html = String::new();
        write_escaped(&mut html, value);
        Self(html)
    }

    /// Takes markup as it is.
    ///
    /// Texts of users must be escaped in it already: anybody who can write markup here can run
    /// scripts in every page that shows it.
    pub fn trusted(markup: impl Into<String>) -> Self {
        Self(markup.into())
    }

    /// Returns the HTML as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the HTML as text, without copying it.
    pub fn into_string(self) -> String {
        self.0
    }

    /// Returns `true` if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends more HTML.
    pub fn push(&mut self, more: &Self) {
        self.0.push_str(&more.0);
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Html {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Html> for String {
    fn from(html: Html) -> Self {
        html.0
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        let mut all = Self::default();
        parts.into_iter().for_each(|part| all.push(&part));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_once_and_markup_never() {
        let text = Html::from(String::from("<b>"));
        assert_eq!(text.as_str(), "&lt;b&gt;");
        assert_eq!(Html::trusted(text.to_string()), text);
        let both: Html = [text, Html::trusted("<br>")].into_iter().collect();
        assert_eq!(both.into_string(), "&lt;b&gt;<br>");
    }
}
