//! The tag that a piece of HTML begins with.

/// The start tag that a piece of HTML begins with, whitespace and comments aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstTag<'a> {
    /// The name as it is written.
    pub(crate) name: &'a str,
    /// The place at which the name ends, in bytes.
    pub(crate) name_end: usize,
}

impl<'a> FirstTag<'a> {
    /// Finds it; `None` where text or an end tag comes first, or nothing but comments.
    pub(crate) fn find(html: &'a str) -> Option<Self> {
        let rest = skip_comments(html);
        let name = rest.strip_prefix('<').filter(|name| name.starts_with(is_letter))?;
        let end = name.find(|c| is_space(c) || matches!(c, '/' | '>')).unwrap_or(name.len());
        Some(Self { name: &name[..end], name_end: html.len() - name.len() + end })
    }

    /// Compares the name with that of an element: case makes no difference.
    pub(crate) fn is(&self, element: &str) -> bool {
        self.name.eq_ignore_ascii_case(element)
    }
}

/// Skips whitespace, comments, and what a browser takes for comments: `<!doctype>`, `<?xml?>`, `</ >`.
fn skip_comments(html: &str) -> &str {
    let mut rest = html.trim_start_matches(is_space);
    loop {
        let after = if let Some(body) = rest.strip_prefix("<!--") {
            comment_end(body)
        } else if rest.starts_with("<!")
            || rest.starts_with("<?")
            || rest
                .strip_prefix("</")
                .is_some_and(|end| !end.is_empty() && !end.starts_with(is_letter))
        {
            rest.find('>').map_or("", |end| &rest[end + 1..])
        } else {
            return rest;
        };
        rest = after.trim_start_matches(is_space);
    }
}

/// Returns what comes after a comment that began before `body`. `<!-->` and `<!--->` are comments.
fn comment_end(body: &str) -> &str {
    if let Some(after) = body.strip_prefix('>').or_else(|| body.strip_prefix("->")) {
        return after;
    }
    let ends = ["-->", "--!>"].into_iter().filter_map(|end| Some(body.find(end)? + end.len()));
    ends.min().map_or("", |end| &body[end..])
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_is_what_is_seen_first() {
        let first = |html| FirstTag::find(html).map(|tag| (tag.name, tag.name_end));
        assert_eq!(first(" <!-- a --> <tr>"), Some(("tr", 15)));
        assert_eq!(first("<!--><?a?></ b>\n<X-y\nid=1>"), Some(("X-y", 20)));
        assert_eq!(first("<!--a--!><br/>"), Some(("br", 12)));
        for html in ["a <tr>", "</p><tr>", "", "<", "</", "< tr>", "<!-- <tr>", "&#32;<tr>"] {
            assert_eq!(first(html), None, "{html}");
        }
    }
}
