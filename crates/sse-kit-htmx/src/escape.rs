//! Text for where HTML stands.

use std::fmt::{self, Write};

/// Writes `value` so that it is text in HTML, and one value within quotes.
///
/// `<` is escaped in attributes too, where the standard would let it stand: htmx looks for
/// `<hx-partial` in a message by a regular expression, before anything is parsed.
pub(crate) fn write_escaped(out: &mut String, value: impl fmt::Display) {
    // A string takes everything; an error is one of the value, which stands as far as it went.
    let _ = write!(Escaping(out), "{value}");
}

struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, byte) in text.bytes().enumerate() {
            let Some(escape) = escape_of(byte) else { continue };
            self.0.push_str(&text[written..at]);
            self.0.push_str(escape);
            written = at + 1;
        }
        self.0.push_str(&text[written..]);
        Ok(())
    }
}

fn escape_of(byte: u8) -> Option<&'static str> {
    Some(match byte {
        b'&' => "&amp;",
        b'<' => "&lt;",
        b'>' => "&gt;",
        b'"' => "&quot;",
        b'\'' => "&#39;",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_characters_are_escaped_and_no_other() {
        let mut out = String::new();
        write_escaped(&mut out, "<a b=\"c\" d='é'>&amp;</a>\n");
        assert_eq!(out, "&lt;a b=&quot;c&quot; d=&#39;é&#39;&gt;&amp;amp;&lt;/a&gt;\n");
    }
}
