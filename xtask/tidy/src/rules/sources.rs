//! The project's text files: what git would track, without asking git.

use std::cell::OnceCell;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The folders of builds and installations, and git's own: a folder, or in a worktree a file.
const NOT_OURS: &[&str] = &[".git", "artifacts", "book", "node_modules", "target"];

/// A text file of the project.
pub(crate) struct Source {
    /// From the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
    rust: OnceCell<syn::Result<syn::File>>,
}

impl Source {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), rust: OnceCell::new() }
    }

    /// Returns a Rust file parsed, which happens once for all rules.
    pub(crate) fn rust(&self) -> Result<&syn::File, &syn::Error> {
        self.rust.get_or_init(|| syn::parse_file(&self.text)).as_ref()
    }

    /// Returns the extension of the path.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Returns whether this is a Rust file that is not itself a test.
    pub(crate) fn is_library(&self) -> bool {
        let is_test = self.path.ends_with("/tests.rs") || self.path.contains("/tests/");
        self.extension() == "rs" && !is_test
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Reads all of them, in the order of their paths; a file that is not UTF-8 is no text.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    collect(root, "", &mut sources)?;
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

pub(crate) fn find<'a>(sources: &'a [Source], path: &str) -> Option<&'a Source> {
    sources.iter().find(|source| source.path == path)
}

/// Cuts the tests at a Rust file's foot: from its first `#[cfg(test)]` that is not indented.
pub(crate) fn without_tests(text: &str) -> &str {
    const TESTS: &str = "#[cfg(test)]\nmod ";
    match text.match_indices(TESTS).find(|(at, _)| *at == 0 || text[..*at].ends_with('\n')) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

fn collect(folder: &Path, prefix: &str, sources: &mut Vec<Source>) -> Result<()> {
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        // The kind of the entry itself: a link is followed nowhere.
        let kind = entry.file_type().with_context(failed)?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{path}/"), sources)?;
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                sources.push(Source::new(path, text));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_keeps_for_itself_is_not_ours_be_it_a_folder_or_a_worktrees_file() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |path: &str| fs::write(root.path().join(path), "x").expect("there is room");
        fs::create_dir(root.path().join("target")).expect("there is room");
        for path in [".git", ".gitignore", "a.rs", "target/b.rs"] {
            write(path);
        }
        let sources = read(root.path()).expect("it can be read");
        let paths: Vec<_> = sources.iter().map(|source| &*source.path).collect();
        assert_eq!(paths, [".gitignore", "a.rs"]);
    }
}
