//! Links, anchors and code of a page, as pulldown-cmark reads them.

use std::collections::HashMap;

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd,
};

/// A link to something: `[text](target)`, `[label]: target`, `href="target"`, `src="target"`, `srcset="target"`.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    /// Counts from 1.
    pub(super) line: usize,
    pub(super) target: String,
}

/// A fenced block of code.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The line of its first fence, from 1.
    pub(super) line: usize,
    /// The language, and whatever else follows the fence.
    pub(super) info: String,
    /// The HTML before it, if nothing else is between.
    pub(super) before: String,
    pub(super) text: String,
}

/// Returns the links of a page, but not those in code.
pub(super) fn links(page: &str) -> Vec<Link> {
    let parser = parser(page);
    let defined = parser.reference_definitions().iter();
    let defined: Vec<_> = defined.map(|(_, it)| (it.span.start, it.dest.to_string())).collect();
    let named = parser.into_offset_iter().flat_map(|(event, range)| {
        targets(&event).into_iter().map(move |target| (range.start, target))
    });
    let mut links: Vec<_> = named.chain(defined).collect();
    links.sort();
    let links = links.into_iter();
    links.map(|(at, target)| Link { line: line_of(page, at), target }).collect()
}

/// Returns what a link's `#anchor` can name in a page: headings, `{#anchor}` and `id="anchor"`.
/// A number distinguishes equal headings, as GitHub and mdBook do.
pub(super) fn anchors(page: &str) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let mut anchors = Vec::new();
    let mut heading: Option<String> = None;
    for event in parser(page) {
        match event {
            Event::Start(Tag::Heading { id: Some(id), .. }) => anchors.push(id.to_string()),
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::End(TagEnd::Heading(_)) => {
                let Some(slug) = heading.take().map(|heading| slug(&heading)) else { continue };
                let times = seen.entry(slug.clone()).or_default();
                anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
                *times += 1;
            }
            Event::Html(html) | Event::InlineHtml(html) => anchors.extend(attribute(&html, "id")),
            _ => {}
        }
    }
    anchors
}

/// Returns the fenced blocks of a page.
pub(super) fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = String::new();
    for (event, range) in parser(page).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = Some(Block {
                    line: line_of(page, range.start),
                    info: info.to_string(),
                    before: std::mem::take(&mut before),
                    text: String::new(),
                });
            }
            Event::Text(text) => match &mut open {
                Some(block) => block.text.push_str(&text),
                None => before.clear(),
            },
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            Event::Html(html) => html.trim().clone_into(&mut before),
            Event::End(TagEnd::HtmlBlock) => {}
            _ => before.clear(),
        }
    }
    blocks
}

/// Removes the targets of links: `[text](target)`, `[text][label]` and `[text]` become `text`. All else stays as it is.
pub(crate) fn plain(text: &str) -> String {
    // A page does not define the labels of rustdoc's links.
    let any = |_: BrokenLink<'_>| Some((CowStr::Borrowed(""), CowStr::Borrowed("")));
    let parser = Parser::new_with_broken_link_callback(text, Options::empty(), Some(any));
    let mut plain = String::new();
    let (mut kept, mut label) = (0, 0);
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Start(Tag::Link { .. }) => {
                plain.push_str(&text[kept..range.start]);
                kept = range.start + 1;
            }
            Event::End(TagEnd::Link) => {
                plain.push_str(&text[kept..label]);
                kept = range.end;
            }
            _ => label = range.end,
        }
    }
    plain.push_str(&text[kept..]);
    plain
}

fn parser(page: &str) -> Parser<'_> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
    Parser::new_ext(page, options | Options::ENABLE_HEADING_ATTRIBUTES)
}

/// Returns the line of a place in a text, from 1.
fn line_of(page: &str, at: usize) -> usize {
    page[..at].matches('\n').count() + 1
}

/// Returns the targets that a part of a page names itself; those of labels are where the labels are defined.
fn targets(event: &Event<'_>) -> Vec<String> {
    match event {
        Event::Start(
            Tag::Link { link_type: LinkType::Inline, dest_url, .. }
            | Tag::Image { link_type: LinkType::Inline, dest_url, .. },
        ) => vec![dest_url.to_string()],
        Event::Html(html) | Event::InlineHtml(html) => {
            ["href", "src", "srcset"].iter().flat_map(|name| attribute(html, name)).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the values of an attribute in HTML.
fn attribute(html: &str, name: &str) -> Vec<String> {
    let begin = format!(" {name}=\"");
    let values = html.split(&begin).skip(1);
    values.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().flat_map(char::to_lowercase);
    kept.filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(page: &str) -> Vec<String> {
        links(page).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_of_all_kinds_are_found() {
        let page = "See [one](a.md), ![two](b(1).svg \"title\") and [three](<c d.md>).\n\n\
                    [four]: e.md#here\n\
                    <a href=\"f.md\"><img src=\"g.svg\"></a>\n";
        assert_eq!(targets(page), ["a.md", "b(1).svg", "c d.md", "e.md#here", "f.md", "g.svg"]);
        assert_eq!(links(page)[3].line, 3);
        assert_eq!(
            targets("<source srcset=\"a.svg\">\n\n|[b](b.md)|\n|-|\n|[c]|\n\n[c]: c.md"),
            ["a.svg", "b.md", "c.md"]
        );
    }

    #[test]
    fn code_has_no_links() {
        let page = "`[a](no.md)` [b](yes.md)\n```rust\n[c](no.md)\n~~~\n```\n[d](yes.md)\n";
        assert_eq!(targets(page), ["yes.md", "yes.md"]);
        assert_eq!(targets("a lone ` and [e](yes.md)"), ["yes.md"]);
        assert!(targets("[^1]: a footnote").is_empty());
    }

    #[test]
    fn plain_text_has_no_targets_and_all_code() {
        assert_eq!(plain("[a](b.md), [`C`][d] and [`E`] of [f"), "a, `C` and `E` of [f");
        assert_eq!(plain("takes `&[u8]` or `x[0](1)`"), "takes `&[u8]` or `x[0](1)`");
    }

    #[test]
    fn anchors_are_those_of_headings() {
        let page = "# What it's for\n## `Topic` and [patterns](x.md)\n## Why?\n### Why?\n\
                    ## Own {#mine}\n<a id=\"spot\"></a>\n```\n# no\n```\n#no\n";
        assert_eq!(
            anchors(page),
            ["what-its-for", "topic-and-patterns", "why", "why-1", "mine", "spot"]
        );
    }
}
