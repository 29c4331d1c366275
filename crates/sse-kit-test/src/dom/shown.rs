//! The content of a page, as lines that can be compared and read.

use std::fmt;

use dom_query::{NodeData, NodeRef};

/// Elements that a user does not see, or that say only how a page is loaded.
const UNSEEN: &[&str] =
    &["script", "style", "link", "meta", "noscript", "template", "title", "head"];

/// Attributes whose values differ from one load to the next.
const FLEETING: &[&str] = &["nonce", "integrity"];

/// Attributes that hold the URL of a stream, whose query has a cursor.
const CONNECTIONS: &[&str] =
    &["hx-sse:connect", "data-hx-sse:connect", "sse-connect", "data-sse-connect"];

/// The content of an element: one line for each element and text in it, indented by how deep it stands.
///
/// Attributes are in alphabetical order. Whitespace, comments, the query of a connection's URL, and what the
/// test leaves out make no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown(Vec<String>);

impl Shown {
    /// Reads the content of an element, except the nodes for which `is_left_out` returns `true`.
    pub(crate) fn within(element: NodeRef<'_>, is_left_out: &dyn Fn(&NodeRef<'_>) -> bool) -> Self {
        let mut lines = Vec::new();
        write_children(&mut lines, element, 0, is_left_out);
        Self(lines)
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn write_children(
    lines: &mut Vec<String>,
    parent: NodeRef<'_>,
    depth: usize,
    is_left_out: &dyn Fn(&NodeRef<'_>) -> bool,
) {
    let indent = "  ".repeat(depth);
    let mut text = String::new();
    for child in parent.children() {
        if child.is_element() {
            end_text(lines, &indent, &mut text);
            let name = child.node_name().unwrap_or_default();
            if !UNSEEN.contains(&&*name) && !is_left_out(&child) {
                lines.push(format!("{indent}<{name}{}>", attributes(&child)));
                write_children(lines, child, depth + 1, is_left_out);
            }
        } else if let Some(Some(content)) = child.query(|node| match &node.data {
            NodeData::Text { contents } => Some(contents.to_string()),
            _ => None,
        }) {
            text.push_str(&content); // two texts side by side are one to whoever reads them
        }
    }
    end_text(lines, &indent, &mut text);
}

fn end_text(lines: &mut Vec<String>, indent: &str, text: &mut String) {
    let words: Vec<_> = text.split_whitespace().collect();
    if !words.is_empty() {
        lines.push(format!("{indent}{}", words.join(" ")));
    }
    text.clear();
}

fn attributes(element: &NodeRef<'_>) -> String {
    let mut all: Vec<_> = element
        .attrs()
        .into_iter()
        .map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()))
        .filter(|(name, value)| {
            let is_empty_class = name == "class" && value.trim().is_empty();
            !is_empty_class && !FLEETING.contains(&&**name)
        })
        .map(|(name, value)| {
            let is_connection = CONNECTIONS.contains(&&*name);
            let value = if is_connection { without_query(value) } else { value };
            format!(" {name}={value:?}")
        })
        .collect();
    all.sort();
    all.concat()
}

/// Removes what differs from load to load: the cursor, and ids of the page's own.
fn without_query(mut url: String) -> String {
    url.truncate(url.find('?').unwrap_or(url.len()));
    url
}

/// The largest number of lines of a difference.
const MOST_LINES: usize = 40;

/// The number of lines around a difference.
const AROUND: usize = 2;

/// Describes where two differ: `-` before the lines of the one, `+` before those of the other.
pub(crate) fn difference(one: &Shown, other: &Shown) -> String {
    let (a, b) = (&one.0, &other.0);
    let same_start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let most = a.len().min(b.len()) - same_start;
    let same_end =
        a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let start = same_start.saturating_sub(AROUND);
    let mut lines: Vec<String> =
        a[start..same_start].iter().map(|line| format!("  {line}")).collect();
    lines.extend(a[same_start..a.len() - same_end].iter().map(|line| format!("- {line}")));
    lines.extend(b[same_start..b.len() - same_end].iter().map(|line| format!("+ {line}")));
    let end = a.len() - same_end;
    lines.extend(a[end..a.len().min(end + AROUND)].iter().map(|line| format!("  {line}")));
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(format!("  … {more} more lines"));
    }
    lines.join("\n")
}
