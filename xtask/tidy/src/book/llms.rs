//! `llms.txt`: an index of the book for language models, by <https://llmstxt.org>.

use anyhow::{Context, Result};

use crate::rules::markdown::plain;
use crate::rules::sources::{self, Source};

const HEAD: &str = "\
# sse-kit

> Live web pages from Rust, without a JavaScript framework: the server renders HTML, and each change goes to \
every page that shows it, over Server-Sent Events and htmx. A library for axum, hyper and other servers that \
speak `http`, and a standalone hub.

Apps depend on the crate `sse-kit` alone and enable its features. The counter in the README is a whole \
program to begin from. Take topics from the session, never from the query alone.

";

/// Returns a line for each page of the book, in its order, with the first sentence of the page.
pub(super) fn index(sources: &[Source]) -> Result<String> {
    let summary = sources::find(sources, "docs/src/SUMMARY.md").context("there is no summary")?;
    let mut index = HEAD.to_owned();
    for line in summary.text.lines() {
        if let Some(part) = line.strip_prefix("# ").filter(|part| *part != "Summary") {
            index.extend(["\n## ", part, "\n\n"]);
        }
        let link = line.trim_start().trim_start_matches("- ");
        let Some((title, path)) = link
            .strip_prefix('[')
            .and_then(|link| link.split_once("]("))
            .and_then(|(title, path)| Some((title, path.strip_suffix(')')?)))
        else {
            continue;
        };
        let page = sources::find(sources, &format!("docs/src/{path}"));
        let page = page.with_context(|| format!("the summary names {path}, which is missing"))?;
        let html = path.replace(".md", ".html");
        index.extend(["- [", title, "](", &html, "): ", &first_sentence(&page.text), "\n"]);
    }
    Ok(index)
}

/// Returns the first sentence of the first paragraph, on one line and without links.
fn first_sentence(page: &str) -> String {
    let paragraph = page
        .split("\n\n")
        .map(str::trim)
        .find(|block| block.starts_with(|c: char| c.is_alphanumeric() || "`[".contains(c)))
        .unwrap_or_default();
    let paragraph = plain(&paragraph.replace('\n', " "));
    let end = paragraph
        .match_indices(['.', ':', '?', '!'])
        .map(|(at, _)| at)
        .find(|at| paragraph[at + 1..].is_empty() || paragraph[at + 1..].starts_with(' '));
    let sentence = end.map_or(paragraph.as_str(), |at| &paragraph[..at]);
    format!("{}.", sentence.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_line_with_its_first_sentence() {
        let sources = [
            Source::new(
                "docs/src/SUMMARY.md",
                "# Summary\n\n[A](a.md)\n\n# Guides\n\n- [B](b.md)\n",
            ),
            Source::new("docs/src/a.md", "# A\n\nIs for [all](b.md)\nof it. More.\n"),
            Source::new("docs/src/b.md", "# B\n\n![](x.svg)\n\nDo v1.2 first: then wait.\n"),
        ];
        let index = index(&sources).expect("the pages are there");
        let lines =
            "- [A](a.html): Is for all of it.\n\n## Guides\n\n- [B](b.html): Do v1.2 first.\n";
        assert!(index.ends_with(lines), "{index}");
    }
}
