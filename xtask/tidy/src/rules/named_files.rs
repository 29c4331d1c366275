//! The files that the pages name exist, with their tests.

use super::Offence;
use super::sources::Source;

/// The pages with tables of files, written `queue.rs`, or of tests, written `hub.rs::a_test`.
const PAGES: [&str; 2] = ["docs/src/architecture.md", "docs/src/migration.md"];

/// The pages of decisions.
const DESIGN: &str = "docs/src/design/";

/// Finds names of files that are the end of no path, and of tests that are in no such file.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let pages = sources.iter().filter(|source| is_held(&source.path));
    pages.flat_map(|page| offences_of(page, sources)).collect()
}

fn is_held(path: &str) -> bool {
    PAGES.contains(&path) || path.starts_with(DESIGN)
}

fn offences_of(page: &Source, sources: &[Source]) -> Vec<Offence> {
    let mut offences = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2) {
            let (file, test) = name.split_once(".rs::").map_or((name.to_owned(), None), |it| {
                (format!("{}.rs", it.0), Some(format!("fn {}(", it.1)))
            });
            if is_file(&file) && !exists(&file, test.as_deref(), sources) {
                let what = format!("names `{name}`, which does not exist; write its new name");
                offences.push(Offence::at_line(&page.path, index + 1, what));
            }
        }
    }
    offences
}

/// Returns `true` if there is such a file, and if one of that name has the test.
fn exists(file: &str, test: Option<&str>, sources: &[Source]) -> bool {
    let end = format!("/{file}");
    let mut files = sources.iter().filter(|it| it.path == file || it.path.ends_with(&end));
    files.any(|source| test.is_none_or(|test| source.text.contains(test)))
}

fn is_file(name: &str) -> bool {
    let is_source = [".rs", ".js", ".lua"].iter().any(|end| name.ends_with(end));
    is_source && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_renamed_is_an_offence() {
        let page =
            "| hub | `a/src/hub.rs`, `queue.rs` |\n| old | `broadcaster.rs` and `Hub::new` |\n";
        let sources = [
            Source::new(PAGES[0], page),
            Source::new("docs/src/design/core.md", page),
            Source::new("docs/src/concepts.md", page),
            Source::new("crates/a/src/hub.rs", ""),
            Source::new("crates/a/src/queue.rs", ""),
            Source::new("x.js", ""),
        ];
        let what = "names `broadcaster.rs`, which does not exist; write its new name";
        let held = [PAGES[0], "docs/src/design/core.md"];
        assert_eq!(offences(&sources), held.map(|page| Offence::at_line(page, 2, what)));
    }

    #[test]
    fn a_test_that_was_renamed_is_an_offence() {
        let page = "| a | `hub.rs::it_sends` |\n| b | `hub.rs::it_waits`, `tabs.test.js` |\n";
        let sources = [
            Source::new(PAGES[1], page),
            Source::new("crates/a/src/hub.rs", "fn other() {}"),
            Source::new("crates/a/tests/hub.rs", "async fn it_sends() {}"),
            Source::new("tests/browser/tabs.test.js", ""),
        ];
        let what = "names `hub.rs::it_waits`, which does not exist; write its new name";
        assert_eq!(offences(&sources), [Offence::at_line(PAGES[1], 2, what)]);
    }
}
