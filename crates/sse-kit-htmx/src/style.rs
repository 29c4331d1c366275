//! Declarations of style, and how more of them are added.

/// Joins declarations, so that the old ones cannot take in the new ones.
pub(crate) fn joined(old: &str, new: &str) -> String {
    let old = old.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let separator = if old.is_empty() { "" } else { "; " };
    format!("{}{separator}{new}", closed(old))
}

/// Closes comments, texts, URLs and brackets that declarations leave open, by the [tokenizer of the
/// standard](https://www.w3.org/TR/css-syntax-3/#tokenization).
fn closed(style: &str) -> String {
    let mut style = style.replace("\r\n", "\n");
    // An escape at the end would escape the text that is added.
    if style.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1 {
        style.pop();
    }
    let mut open = Vec::new();
    let mut rest = &*style;
    let end = loop {
        let Some(c) = rest.chars().next() else { break None };
        let after = if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").map(|end| &comment[end + 2..]).ok_or("*/")
        } else if let Some(after) = rest.strip_prefix("<!--") {
            Ok(after)
        } else if let Some(text) = rest.strip_prefix('"') {
            after_text(text, '"').ok_or("\"")
        } else if let Some(text) = rest.strip_prefix('\'') {
            after_text(text, '\'').ok_or("'")
        } else if let Some(after) = rest.strip_prefix(['#', '@']) {
            Ok(name(after).1)
        } else if is_in_name(rest) {
            let (name, after) = name(rest);
            match after.strip_prefix('(') {
                Some(url) if name.eq_ignore_ascii_case("url") && !is_quoted(url) => {
                    after_url(url).ok_or(")")
                }
                _ => Ok(after),
            }
        } else {
            match c {
                '(' => open.push(')'),
                '[' => open.push(']'),
                '{' => open.push('}'),
                c if open.last() == Some(&c) => drop(open.pop()),
                _ => {}
            }
            Ok(&rest[c.len_utf8()..])
        };
        match after {
            Ok(after) => rest = after,
            Err(end) => break Some(end),
        }
    };
    let mut all = style.clone();
    all.extend(end);
    all.extend(open.into_iter().rev());
    all
}

/// Returns what comes after a text, which ends at its quote, or at a line's end.
fn after_text(text: &str, quote: char) -> Option<&str> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote => return Some(&text[at + 1..]),
            c if is_newline(c) => return Some(&text[at..]),
            _ => {}
        }
    }
    None
}

/// Returns what comes after a URL without quotes.
fn after_url(url: &str) -> Option<&str> {
    let mut chars = url.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            ')' => return Some(&url[at + 1..]),
            _ => {}
        }
    }
    None
}

/// Returns the name that a text begins with, without its escapes, and what comes after it.
fn name(text: &str) -> (String, &str) {
    let (mut name, mut rest) = (String::new(), text);
    while is_in_name(rest) {
        let mut chars = rest.chars();
        match chars.next() {
            Some('\\') => {
                let (c, after) = escape(chars.as_str());
                name.push(c);
                rest = after;
            }
            Some(c) => {
                name.push(c);
                rest = chars.as_str();
            }
            None => break,
        }
    }
    (name, rest)
}

/// Returns `true` if a name begins here, or goes on.
fn is_in_name(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('\\') => chars.next().is_some_and(|c| !is_newline(c)),
        Some(c) => c.is_ascii_alphanumeric() || !c.is_ascii() || matches!(c, '-' | '_' | '\0'),
        None => false,
    }
}

/// Reads an escape behind its `\`: up to six digits and a blank, or any other character.
fn escape(text: &str) -> (char, &str) {
    let digits = text.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    if digits == 0 {
        let mut chars = text.chars();
        return (chars.next().unwrap_or_default(), chars.as_str());
    }
    let (digits, rest) = text.split_at(digits);
    let code = u32::from_str_radix(digits, 16).unwrap_or_default();
    let is_blank = |c: char| is_newline(c) || matches!(c, ' ' | '\t');
    (char::from_u32(code).unwrap_or_default(), rest.strip_prefix(is_blank).unwrap_or(rest))
}

fn is_quoted(text: &str) -> bool {
    let is_blank = |c: char| is_newline(c) || matches!(c, ' ' | '\t');
    text.trim_start_matches(is_blank).starts_with(['"', '\''])
}

fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0c')
}

#[cfg(test)]
mod tests {
    use cssparser::{Parser, Token};

    use super::*;

    /// The declarations of a style attribute, each as its tokens.
    fn declarations(style: &str) -> Vec<Vec<String>> {
        let mut parser = Parser::new(style);
        let mut all = vec![Vec::new()];
        while let Ok(token) = parser.next() {
            match token {
                Token::Semicolon => all.push(Vec::new()),
                token => all.last_mut().expect("there is one").push(format!("{token:?}")),
            }
        }
        all
    }

    fn assert_added(old: &str) {
        let all = joined(old, "display: none");
        assert_eq!(declarations(&all).last(), declarations("display: none").last(), "{all}");
    }

    #[test]
    fn what_is_left_open_is_closed() {
        for old in [
            "color: red",
            "a: b /*",
            "a: b /* *",
            "a: url(",
            "a: url( x",
            "a: \"b",
            "a: 'b\\",
            "a: (",
            "a: [({",
            "a: b\\",
            "a: )",
            "a: }",
            "a: url('",
            "a: URL(\"x",
            "a: u\\72l(x",
            "a: 'b\n c",
            "/",
            "a: /*/",
        ] {
            assert_added(old);
        }
    }

    proptest::proptest! {
        #![proptest_config(sse_kit_test_support::cases(1024))]

        #[test]
        fn whatever_the_old_ones_are_the_new_ones_hold(
            old in "([a-c:;/*\"'()\\[\\]{}\\\\ \n!@#<>-]|url\\(|/\\*|\\*/|\\\\72|\\\\75rl\\(|<!--|\r\n|1){0,12}",
        ) {
            assert_added(&old);
        }
    }
}
