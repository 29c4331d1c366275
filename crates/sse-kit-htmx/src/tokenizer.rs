//! What a piece of HTML consists of, as far as finding its root needs to know.

use std::ops::Range;

/// A token of the [HTML standard's tokenizer][spec], without what is in it.
///
/// [spec]: https://html.spec.whatwg.org/multipage/parsing.html#tokenization
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Text {
        is_blank: bool,
    },
    /// A comment, and what browsers take for one: `<!doctype>`, `<?xml?>`, `</>`.
    Comment,
    Start {
        name: &'a str,
        /// In bytes from the beginning.
        name_end: usize,
        is_self_closing: bool,
    },
    End {
        name: &'a str,
    },
    /// The text ends within a tag, or within an element that holds only text.
    Cut,
}

/// Elements in which `<` is text.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"];

pub(crate) struct Tokenizer<'a> {
    html: &'a str,
    at: usize,
    /// The element of [`RAW`] whose text comes next.
    raw: Option<&'a str>,
}

impl<'a> Tokenizer<'a> {
    pub(crate) fn new(html: &'a str) -> Self {
        Self { html, at: 0, raw: None }
    }

    fn rest(&self) -> &'a str {
        &self.html[self.at..]
    }

    /// Moves behind the first of `end`, or to the end.
    fn skip_past(&mut self, end: &str) {
        self.at =
            self.rest().find(end).map_or(self.html.len(), |found| self.at + found + end.len());
    }

    fn text(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = (1..rest.len())
            .find(|&at| rest.is_char_boundary(at) && opens_markup(&rest[at..]))
            .unwrap_or(rest.len());
        self.at += end;
        Token::Text { is_blank: rest[..end].bytes().all(is_space) }
    }

    fn comment(&mut self) -> Token<'a> {
        let rest = self.rest();
        if let Some(body) = rest.strip_prefix("<!--") {
            // `<!-->` and `<!--->` are comments already.
            if body.starts_with('>') || body.starts_with("->") {
                self.skip_past(">");
            } else {
                let ends = ["-->", "--!>"];
                let end = ends.iter().filter_map(|end| Some(body.find(end)? + end.len())).min();
                self.at = end.map_or(self.html.len(), |end| self.at + "<!--".len() + end);
            }
        } else {
            self.skip_past(">");
        }
        Token::Comment
    }

    fn tag(&mut self, before_name: usize) -> Token<'a> {
        let start = self.at + before_name;
        let bytes = self.html.as_bytes();
        let ends_name = |&byte: &u8| is_space(byte) || matches!(byte, b'/' | b'>');
        let name_end = bytes[start..].iter().position(ends_name).map_or(bytes.len(), |n| start + n);
        let name = &self.html[start..name_end];
        let Some((end, is_self_closing)) = end_of_tag(bytes, name_end) else {
            self.at = self.html.len();
            return Token::Cut;
        };
        self.at = end;
        if before_name > 1 {
            return Token::End { name };
        }
        self.raw = RAW.iter().any(|raw| name.eq_ignore_ascii_case(raw)).then_some(name);
        Token::Start { name, name_end, is_self_closing }
    }

    /// The text of an element of [`RAW`], up to its end tag.
    fn raw_text(&mut self, name: &str) -> Token<'a> {
        let bytes = self.rest().as_bytes();
        let ends_here = |at: &usize| {
            bytes[*at..].starts_with(b"</")
                && bytes
                    .get(at + 2..at + 2 + name.len())
                    .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
                && bytes
                    .get(at + 2 + name.len())
                    .is_some_and(|&byte| is_space(byte) || matches!(byte, b'/' | b'>'))
        };
        let Some(end) = (0..bytes.len()).find(ends_here) else {
            self.at = self.html.len();
            return Token::Cut;
        };
        self.at += end;
        Token::Text { is_blank: bytes[..end].iter().all(|&byte| is_space(byte)) }
    }
}

impl<'a> Iterator for Tokenizer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(name) = self.raw.take() {
            return Some(self.raw_text(name));
        }
        let rest = self.rest();
        let mut chars = rest.chars();
        Some(match (chars.next()?, chars.next(), chars.next()) {
            ('<', Some(c), _) if c.is_ascii_alphabetic() => self.tag(1),
            ('<', Some('/'), Some(c)) if c.is_ascii_alphabetic() => self.tag(2),
            _ if opens_markup(rest) => self.comment(),
            _ => self.text(),
        })
    }
}

/// Whether markup begins here; a `<` on its own is text.
fn opens_markup(rest: &str) -> bool {
    let mut chars = rest.chars();
    match (chars.next(), chars.next()) {
        (Some('<'), Some('!' | '?')) => true,
        (Some('<'), Some('/')) => chars.next().is_some(),
        (Some('<'), Some(c)) => c.is_ascii_alphabetic(),
        _ => false,
    }
}

/// The attributes of a start tag whose name ended at `name_end`, with their values as they are
/// written.
pub(crate) fn attributes_of(html: &str, name_end: usize) -> impl Iterator<Item = (&str, &str)> {
    let mut at = name_end;
    std::iter::from_fn(move || {
        loop {
            match next_part(html.as_bytes(), at)? {
                Part::Between { end } => at = end,
                Part::Attribute { name, value, end } => {
                    at = end;
                    return Some((&html[name], &html[value]));
                }
                Part::End { .. } => return None,
            }
        }
    })
}

/// Where a tag ends whose name ended at `at`, and whether it ends with `/>`.
fn end_of_tag(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    loop {
        match next_part(bytes, at)? {
            Part::Between { end } | Part::Attribute { end, .. } => at = end,
            Part::End { end, is_self_closing } => return Some((end, is_self_closing)),
        }
    }
}

/// A part of a tag, behind its name; all places are in bytes.
enum Part {
    Between { end: usize },
    Attribute { name: Range<usize>, value: Range<usize>, end: usize },
    End { end: usize, is_self_closing: bool },
}

fn next_part(bytes: &[u8], at: usize) -> Option<Part> {
    Some(match bytes.get(at)? {
        b'>' => Part::End { end: at + 1, is_self_closing: false },
        b'/' if bytes.get(at + 1) == Some(&b'>') => {
            Part::End { end: at + 2, is_self_closing: true }
        }
        b'/' => Part::Between { end: at + 1 },
        byte if is_space(*byte) => Part::Between { end: at + 1 },
        _ => attribute(bytes, at)?,
    })
}

fn attribute(bytes: &[u8], start: usize) -> Option<Part> {
    let skip = |from: usize, until: &dyn Fn(u8) -> bool| {
        bytes.get(from..)?.iter().position(|&byte| until(byte)).map(|n| from + n)
    };
    // A name may begin with `=`, and has at least that one character then.
    let name_end = skip(start + 1, &|byte| is_space(byte) || matches!(byte, b'/' | b'>' | b'='))?;
    let name = start..name_end;
    let equals = skip(name_end, &|byte| !is_space(byte))?;
    if bytes[equals] != b'=' {
        return Some(Part::Attribute { name, value: name_end..name_end, end: equals });
    }
    let first = skip(equals + 1, &|byte| !is_space(byte))?;
    let quote = bytes[first];
    if matches!(quote, b'"' | b'\'') {
        let end = skip(first + 1, &|byte| byte == quote)?;
        return Some(Part::Attribute { name, value: first + 1..end, end: end + 1 });
    }
    let end = skip(first, &|byte| is_space(byte) || byte == b'>')?;
    Some(Part::Attribute { name, value: first..end, end })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')
}
