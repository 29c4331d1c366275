//! As much of Markdown as it takes to follow links, and to do without them.

use std::collections::HashMap;

/// A link to something: `[text](target)`, `[label]: target`, `href="target"`, `src="target"`.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    /// Counts from 1.
    pub(super) line: usize,
    pub(super) target: String,
}

/// The links of a page, but not those in code.
pub(super) fn links(page: &str) -> Vec<Link> {
    prose(page)
        .flat_map(|(line, text)| {
            let text = without_code(text);
            let targets = inline_targets(&text)
                .into_iter()
                .chain(reference_target(&text))
                .chain(attribute_targets(&text, "href=\""))
                .chain(attribute_targets(&text, "src=\""));
            targets.map(|target| Link { line, target }).collect::<Vec<_>>()
        })
        .collect()
}

/// What a link's `#anchor` can name in a page: headings, `{#anchor}` and `id="anchor"`.
/// The same heading twice is told apart by a number, as GitHub and mdBook do.
pub(super) fn anchors(page: &str) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let mut anchors = Vec::new();
    for (_, line) in prose(page) {
        anchors.extend(attribute_targets(line, "id=\""));
        let Some(heading) = heading(line) else {
            continue;
        };
        if let Some((_, rest)) = heading.split_once("{#")
            && let Some((anchor, _)) = rest.split_once('}')
        {
            anchors.push(anchor.to_owned());
            continue;
        }
        let slug = slug(heading);
        let times = seen.entry(slug.clone()).or_default();
        anchors.push(if *times == 0 { slug } else { format!("{slug}-{times}") });
        *times += 1;
    }
    anchors
}

/// The lines outside of fenced code, with their numbers.
fn prose(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence: Option<&str> = None;
    page.lines().enumerate().filter_map(move |(index, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, None) => return Some((index + 1, line)),
            (None, Some(_)) => fence = mark,
            (Some(open), Some(close)) if open == close => fence = None,
            (Some(_), _) => {}
        }
        None
    })
}

/// The line with its code spans blanked.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // After an odd number of marks the last part is no code: nothing closes it.
    let last = parts.len() - 1;
    let is_code = |index: usize| index % 2 == 1 && index != last;
    let kept = parts.iter().enumerate();
    kept.map(|(index, part)| if is_code(index) { "" } else { part }).collect()
}

fn inline_targets(line: &str) -> Vec<String> {
    line.match_indices("](").map(|(at, mark)| target_at(&line[at + mark.len()..])).collect()
}

/// Returns the target of a link, without its title.
fn target_at(rest: &str) -> String {
    if let Some(rest) = rest.strip_prefix('<') {
        return rest.split('>').next().unwrap_or(rest).to_owned();
    }
    let mut depth = 0;
    let end = rest.find(|c: char| {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return true,
            ')' => depth -= 1,
            _ => return c.is_whitespace(),
        }
        false
    });
    rest[..end.unwrap_or(rest.len())].to_owned()
}

fn reference_target(line: &str) -> Option<String> {
    let (label, target) = line.trim_start().strip_prefix('[')?.split_once("]: ")?;
    // A footnote is text, not a target.
    (!label.starts_with('^')).then(|| target_at(target.trim_start()))
}

fn attribute_targets(line: &str, attribute: &str) -> Vec<String> {
    line.split(attribute)
        .skip(1)
        .filter_map(|rest| rest.split_once('"').map(|(target, _)| target.to_owned()))
        .collect()
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with(' ')).then(|| text.trim().trim_end_matches(" #"))
}

fn slug(heading: &str) -> String {
    let mut text = heading.to_owned();
    // Of a link in a heading only its text counts.
    while let Some(at) = text.find("](") {
        let end = text[at..].find(')').map_or(text.len(), |end| at + end + 1);
        text.replace_range(at..end, "");
    }
    text.to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Removes the targets of links: `[text](target)`, `[text][label]` and `[text]` become `text`. Code stays as it is.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let is_code = plain.matches('`').count() % 2 == 1;
        let Some((label, after)) = link.split_once(']').filter(|_| !is_code) else {
            plain.push('[');
            rest = link;
            continue;
        };
        plain.push_str(label);
        let target = [('(', ')'), ('[', ']')].into_iter().find_map(|(open, close)| {
            after.strip_prefix(open).and_then(|target| target.split_once(close))
        });
        rest = target.map_or(after, |(_, after)| after);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(page: &str) -> Vec<String> {
        links(page).into_iter().map(|link| link.target).collect()
    }

    #[test]
    fn links_of_all_kinds_are_found() {
        let page = "See [one](a.md), ![two](b(1).svg \"title\") and [three](<c d.md>).\n\
                    [four]: e.md#here\n\
                    <a href=\"f.md\"><img src=\"g.svg\"></a>\n";
        assert_eq!(targets(page), ["a.md", "b(1).svg", "c d.md", "e.md#here", "f.md", "g.svg"]);
        assert_eq!(links(page)[3].line, 2);
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
