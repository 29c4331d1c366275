//! The files that the architecture page names exist.

use super::Offence;
use super::sources::{Source, find};

/// The page with tables of files.
const PAGE: &str = "docs/src/architecture.md";

/// Finds names of files that are the end of no path.
pub(super) fn offences(sources: &[Source]) -> Vec<Offence> {
    let Some(page) = find(sources, PAGE) else { return Vec::new() };
    let mut offences = Vec::new();
    for (index, line) in page.text.lines().enumerate() {
        for name in line.split('`').skip(1).step_by(2).filter(|name| is_file(name)) {
            let end = format!("/{name}");
            if !sources.iter().any(|source| source.path == name || source.path.ends_with(&end)) {
                let what = format!("names `{name}`, which does not exist; write its new name");
                offences.push(Offence::at_line(PAGE, index + 1, what));
            }
        }
    }
    offences
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
            Source::new(PAGE, page),
            Source::new("crates/a/src/hub.rs", ""),
            Source::new("crates/a/src/queue.rs", ""),
            Source::new("x.js", ""),
        ];
        let what = "names `broadcaster.rs`, which does not exist; write its new name";
        assert_eq!(offences(&sources), [Offence::at_line(PAGE, 2, what)]);
    }
}
