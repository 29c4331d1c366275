//! The element that a piece of HTML consists of.

use crate::tokenizer::{Token, Tokenizer};

/// The one element that a piece of HTML consists of, whitespace and comments aside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RootElement<'a> {
    /// The tag's name as it is written.
    pub(crate) name: &'a str,
    /// Where the tag's name ends, in bytes.
    pub(crate) name_end: usize,
}

/// Elements that have no content and no end tag.
pub(crate) const VOID: &[&str] = &[
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];

/// Elements that a message of htmx cannot have at its top.
const DOCUMENT: &[&str] = &["html", "head", "body"];

impl<'a> RootElement<'a> {
    /// Finds it, and that there is nothing beside it.
    ///
    /// End tags that HTML lets one leave off have to be there for the element itself, and may be
    /// missing within it.
    pub(crate) fn parse(html: &'a str) -> Result<Self, RootError> {
        let mut root = None;
        let mut open: Vec<&str> = Vec::new();
        for token in Tokenizer::new(html) {
            match token {
                Token::Text { is_blank: false } if open.is_empty() => {
                    return Err(RootError::TextBeside);
                }
                Token::Comment | Token::Text { .. } => {}
                Token::Start { name, name_end, is_self_closing } => {
                    if open.is_empty() && root.replace(Self { name, name_end }).is_some() {
                        return Err(RootError::Several);
                    }
                    if open.is_empty() && is_one_of(name, DOCUMENT) {
                        return Err(RootError::Document);
                    }
                    let is_foreign = is_one_of(name, &["svg", "math"])
                        || open.iter().any(|name| is_one_of(name, &["svg", "math"]));
                    let is_closed = is_one_of(name, VOID) || (is_foreign && is_self_closing);
                    if !is_closed {
                        open.push(name);
                    }
                }
                Token::End { .. } if open.is_empty() => return Err(RootError::StrayEndTag),
                Token::End { name } => {
                    if let Some(at) = open.iter().rposition(|o| o.eq_ignore_ascii_case(name)) {
                        open.truncate(at);
                    }
                }
                Token::Cut => return Err(RootError::Unclosed),
            }
        }
        if open.is_empty() { root.ok_or(RootError::NoElement) } else { Err(RootError::Unclosed) }
    }
}

/// The name of the element that a piece of HTML begins with, whitespace and comments aside.
pub(crate) fn first_element(html: &str) -> Option<&str> {
    let is_shown =
        |token: &Token<'_>| !matches!(token, Token::Comment | Token::Text { is_blank: true });
    match Tokenizer::new(html).find(is_shown)? {
        Token::Start { name, .. } => Some(name),
        _ => None,
    }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Why a piece of HTML is not one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// There is none in it.
    #[error("there is no element in it")]
    NoElement,
    /// There is more than one.
    #[error("there is more than one element in it")]
    Several,
    /// There is text beside the element.
    #[error("there is text beside the element")]
    TextBeside,
    /// The element is not closed by an end tag of its own.
    #[error("the element has no end tag")]
    Unclosed,
    /// There is an end tag beside the element. Of some of these a browser makes another element.
    #[error("there is an end tag too many")]
    StrayEndTag,
    /// It is `<html>`, `<head>` or `<body>`.
    #[error("the element is the document's own")]
    Document,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_element_is_found() {
        let root = |html| RootElement::parse(html).map(|root| (root.name, root.name_end));
        assert_eq!(root("<li>a</li>"), Ok(("li", 3)));
        assert_eq!(root(" <!-- <p> -->\n<X-y\nid=1>a<br>b</x-Y> <!-- -->\n"), Ok(("X-y", 18)));
        assert_eq!(root("<input value=\"</p><p>\">"), Ok(("input", 6)));
        assert_eq!(root("<tr><td>a<td>b</tr>"), Ok(("tr", 3)));
        assert_eq!(root("<ul><li>a<li>b</ul>"), Ok(("ul", 3)));
        assert_eq!(root("<div/>a</div>"), Ok(("div", 4)));
        assert_eq!(root("<svg><path d='M0'/><g/></svg>"), Ok(("svg", 4)));
        assert_eq!(root("<svg/>"), Ok(("svg", 4)));
        assert_eq!(root("<div><script>'</div><p>'</script></div>"), Ok(("div", 4)));
        assert_eq!(root("<p></b></p>"), Ok(("p", 2)));
        assert_eq!(root("<a title='x'href=/y/>z</a>"), Ok(("a", 2)));
    }

    #[test]
    fn everything_else_says_what_it_is() {
        assert_eq!(RootElement::parse(""), Err(RootError::NoElement));
        assert_eq!(RootElement::parse(" <!-- <p></p> --> "), Err(RootError::NoElement));
        assert_eq!(RootElement::parse("a"), Err(RootError::TextBeside));
        assert_eq!(RootElement::parse("1 < 2"), Err(RootError::TextBeside));
        assert_eq!(RootElement::parse("<p></p>a"), Err(RootError::TextBeside));
        assert_eq!(RootElement::parse("&nbsp;<p></p>"), Err(RootError::TextBeside));
        assert_eq!(RootElement::parse("<p></p><p></p>"), Err(RootError::Several));
        assert_eq!(RootElement::parse("<br><br>"), Err(RootError::Several));
        assert_eq!(RootElement::parse("<i></i></p>"), Err(RootError::StrayEndTag));
        assert_eq!(RootElement::parse("<p>a<p>b"), Err(RootError::Unclosed));
        assert_eq!(RootElement::parse("<div a=\"></div>"), Err(RootError::Unclosed));
        assert_eq!(RootElement::parse("<div><script></div>"), Err(RootError::Unclosed));
        assert_eq!(RootElement::parse("<Body></body>"), Err(RootError::Document));
    }

    proptest::proptest! {
        #![proptest_config(sse_kit_test_support::cases(256))]

        #[test]
        fn whatever_is_given_the_root_is_in_it(html in "(<|>|/|'|\"|=|-|!|é| |a|td|script|[a-c]){0,40}") {
            if let Ok(root) = RootElement::parse(&html) {
                proptest::prop_assert!(html[..root.name_end].ends_with(root.name));
            }
            first_element(&html);
        }
    }

    #[test]
    fn the_first_element_is_what_is_seen_first() {
        assert_eq!(first_element(" <!-- a --> <tr>"), Some("tr"));
        assert_eq!(first_element("a <tr>"), None);
        assert_eq!(first_element("</p><tr>"), None);
        assert_eq!(first_element(""), None);
    }
}
