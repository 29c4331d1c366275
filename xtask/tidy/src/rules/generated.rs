//! The parts of the book that are made from the code are up to date.

use anyhow::Result;

use super::Offence;
use super::sources::{Source, find};
use crate::book;

/// Finds files that differ from what `cargo xtask book` would write, and diagrams that it no longer draws.
pub(super) fn offences(sources: &[Source]) -> Result<Vec<Offence>> {
    Ok(compare(&book::pages(sources)?, sources))
}

fn compare(pages: &[book::Page], sources: &[Source]) -> Vec<Offence> {
    let is_stale =
        |page: &&book::Page| find(sources, &page.path).map(|file| &file.text) != Some(&page.text);
    let stale = pages.iter().filter(is_stale);
    let stale =
        stale.map(|page| Offence::in_file(&page.path, "is out of date; run `cargo xtask book`"));
    let is_left = |path: &&String| {
        path.starts_with("docs/src/diagrams/") && !pages.iter().any(|page| page.path == **path)
    };
    let left = sources.iter().map(|source| &source.path).filter(is_left);
    stale.chain(left.map(|path| Offence::in_file(path, "is drawn no more; delete it"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_and_left_files_are_offences() {
        let page = |path: &str| book::Page { path: path.to_owned(), text: "new".to_owned() };
        let pages = ["a.md", "b.md", "docs/src/diagrams/c.svg"].map(page);
        let sources = [
            Source::new("a.md", "new"),
            Source::new("b.md", "old"),
            Source::new("docs/src/diagrams/d.svg", "old"),
        ];
        let files: Vec<_> = compare(&pages, &sources).into_iter().map(|it| it.file).collect();
        assert_eq!(files, ["b.md", "docs/src/diagrams/c.svg", "docs/src/diagrams/d.svg"]);
    }
}
