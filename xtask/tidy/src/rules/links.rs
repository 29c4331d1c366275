//! Links in the docs lead somewhere, and the book's table of contents is complete.

use super::Offence;
use super::markdown::{anchors, links};
use super::sources::{Source, find};

/// Pages outside of `docs/` whose links are checked.
const PAGES: &[&str] = &["README.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// The book's pages, and their table of contents.
const BOOK: &str = "docs/src/";
const SUMMARY: &str = "docs/src/SUMMARY.md";

/// Finds relative links to files that do not exist, or to headings that are not there.
pub(super) fn offences(sources: &[Source], exists: impl Fn(&str) -> bool) -> Vec<Offence> {
    let mut offences = Vec::new();
    for page in sources.iter().filter(|source| is_page(&source.path)) {
        for link in links(&page.text) {
            if let Err(what) = follow(sources, &exists, page, &link.target) {
                offences.push(Offence::at_line(&page.path, link.line, what));
            }
        }
    }
    offences
}

/// Finds pages of the book that its table of contents does not name.
pub(super) fn summary_offences(sources: &[Source]) -> Vec<Offence> {
    let Some(summary) = find(sources, SUMMARY) else {
        return vec![Offence::in_file(SUMMARY, "is missing")];
    };
    let named: Vec<Option<String>> =
        links(&summary.text).iter().map(|link| resolve(SUMMARY, &link.target)).collect();
    sources
        .iter()
        .map(|source| &source.path)
        .filter(|path| path.starts_with(BOOK) && is_markdown(path) && *path != SUMMARY)
        .filter(|path| !named.contains(&Some((*path).clone())))
        .map(|path| Offence::in_file(path, format!("is not in {SUMMARY}")))
        .collect()
}

fn is_page(path: &str) -> bool {
    PAGES.contains(&path) || (path.starts_with("docs/") && is_markdown(path))
}

fn is_markdown(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, extension)| extension == "md")
}

/// Follows a link of a page; an error names the missing target.
fn follow(
    sources: &[Source],
    exists: &impl Fn(&str) -> bool,
    page: &Source,
    target: &str,
) -> Result<(), String> {
    if is_elsewhere(target) {
        return Ok(());
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() {
        page.path.clone()
    } else {
        resolve(&page.path, path).ok_or_else(|| format!("link leaves the project: {target}"))?
    };
    if page.path.starts_with(BOOK) && !path.starts_with(BOOK) {
        return Err(format!("link that leaves the book; name the file as code: {target}"));
    }
    if !exists(&path) {
        return Err(format!("link to a file that does not exist: {target}"));
    }
    let has_anchor = |file: &Source| anchors(&file.text).iter().any(|found| found == anchor);
    if !anchor.is_empty() && is_markdown(&path) && !find(sources, &path).is_some_and(has_anchor) {
        return Err(format!("link to a heading that does not exist: {target}"));
    }
    Ok(())
}

/// Returns whether a target begins with a scheme, such as `https:` or `mailto:`.
fn is_elsewhere(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// The path, from the root, that a page's relative link means; none outside of the root.
pub(super) fn resolve(page: &str, link: &str) -> Option<String> {
    if link.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(text: &str) -> Vec<String> {
        let sources =
            [Source::new("docs/src/a.md", text), Source::new("docs/src/b.md", "# A heading\n")];
        let exists = |path: &str| find(&sources, path).is_some() || path == "docs/src/picture.svg";
        offences(&sources, exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_well() {
        let page = "# Top\n[b](b.md#a-heading) [up](./picture.svg) [here](#top)\n\
                    [web](https://example.com/no.md) [mail](mailto:a@example.com)\n";
        assert_eq!(whats(page), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_are_offences() {
        let page = "[gone](c.md)\n[no](b.md#other) [nor](#this)\n[out](../../../x.md) [abs](/b.md)\n[up](../../y.md)\n";
        assert_eq!(
            whats(page),
            [
                "docs/src/a.md:1: link to a file that does not exist: c.md",
                "docs/src/a.md:2: link to a heading that does not exist: b.md#other",
                "docs/src/a.md:2: link to a heading that does not exist: #this",
                "docs/src/a.md:3: link leaves the project: ../../../x.md",
                "docs/src/a.md:3: link leaves the project: /b.md",
                "docs/src/a.md:4: link that leaves the book; name the file as code: ../../y.md",
            ]
        );
    }

    #[test]
    fn other_pages_are_not_looked_at() {
        let sources = [Source::new("crates/x/README.md", "[gone](c.md)")];
        assert!(offences(&sources, |_| false).is_empty());
    }

    #[test]
    fn a_page_that_the_summary_forgets_is_an_offence() {
        let sources = [
            Source::new("docs/src/SUMMARY.md", "- [A](a.md)\n- [B](guides/b.md)\n"),
            Source::new("docs/src/a.md", ""),
            Source::new("docs/src/c.md", ""),
            Source::new("docs/src/guides/b.md", ""),
        ];
        let offences = summary_offences(&sources);
        assert_eq!(offences, [Offence::in_file("docs/src/c.md", "is not in docs/src/SUMMARY.md")]);
        assert_eq!(summary_offences(&sources[1..]).len(), 1);
    }
}
