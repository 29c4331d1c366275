//! `cargo xtask book`: the parts of the book that are made from the code, and its diagrams.

mod diagrams;
mod errors;
mod limits;
mod llms;
mod sketch;

use std::fs;

use anyhow::{Context, Result};

use crate::rules::sources::{self, Source};
use crate::workspace::Workspace;

/// Write the parts of the book that are made from the code
///
/// The table of limits and the error catalogue in `docs/src`, the diagrams in `docs/src/diagrams`, and
/// `docs/src/llms.txt`. `cargo xtask tidy` fails when one of them is out of date.
#[derive(Debug, clap::Args)]
pub(crate) struct Book {}

impl Book {
    #[expect(clippy::unused_self, reason = "every verb is called alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        for Page { path, text } in pages(&sources::read(workspace.root())?)? {
            let path = workspace.root().join(path);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// A file of the book as it should be.
#[derive(Debug)]
pub(crate) struct Page {
    /// From the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Returns all files that are made, or that have a part that is.
pub(crate) fn pages(sources: &[Source]) -> Result<Vec<Page>> {
    let mut pages = vec![
        filled(sources, "docs/src/limits.md", limits::parts(sources)?)?,
        filled(sources, "docs/src/errors.md", vec![("errors", errors::catalogue(sources)?)])?,
        filled(sources, "docs/src/control-events.md", errors::reasons(sources)?)?,
        Page { path: "docs/src/llms.txt".to_owned(), text: llms::index(sources)? },
    ];
    pages.extend(diagrams::all(sources)?);
    Ok(pages)
}

/// Puts each part between its marks: `<!-- NAME: cargo xtask book -->` and `<!-- end -->`.
fn filled(sources: &[Source], path: &str, parts: Vec<(impl AsRef<str>, String)>) -> Result<Page> {
    let page = sources::find(sources, path).with_context(|| format!("{path} is missing"))?;
    let mut text = page.text.clone();
    for (name, part) in parts {
        let name = name.as_ref();
        text = fill(&text, name, &part)
            .with_context(|| format!("{path} has no marks around the part `{name}`"))?;
    }
    Ok(Page { path: path.to_owned(), text })
}

fn fill(page: &str, name: &str, part: &str) -> Option<String> {
    let mark = format!("<!-- {name}: cargo xtask book -->\n");
    let (before, rest) = page.split_once(&mark)?;
    let (_, after) = rest.split_once("<!-- end -->")?;
    Some(format!("{before}{mark}\n{}\n\n<!-- end -->{after}", part.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_put_between_its_marks() {
        let page = "a\n<!-- b: cargo xtask book -->\nold\n<!-- end -->\nc\n";
        let filled = fill(page, "b", "new\n").expect("there are marks");
        assert_eq!(filled, "a\n<!-- b: cargo xtask book -->\n\nnew\n\n<!-- end -->\nc\n");
        assert_eq!(fill(&filled, "b", "new").as_ref(), Some(&filled));
        assert_eq!(fill(page, "other", "new"), None);
    }
}
