//! `cargo xtask tidy`: the house rules that no compiler knows. Each rule is a pure function
//! in a file of its own, from what it looks at to the offences it finds.

mod api;
mod bounds;
mod foreign;
mod generated;
mod items;
pub(crate) mod libraries;
mod links;
mod manifests;
pub(crate) mod markdown;
mod msrv;
mod named_files;
mod prose;
mod published;
mod quoted;
mod report;
mod seeds;
mod shown;
mod sizes;
pub(crate) mod sources;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::rules::published::Candidate;
use crate::rules::sources::Source;
use crate::workspace::Workspace;

/// Files that every clone must have.
const REQUIRED: &[&str] =
    &["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// Check the house rules that no compiler knows
///
/// Who may name the facade, lengths of files, what packages inherit from the workspace, what crates.io and docs.rs
/// need of a crate, dependencies that require a newer Rust than we promise, licences, links in the docs, tests with a bound on time or random inputs without the seed,
/// words that must not be there, types of others in public signatures, public types that cannot grow or that no test asserts to be `Send` and `Sync`, types that no example shows, doc comments and messages that are no plain English. Prints one line
/// per offence and fails when there are any.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask tidy
  cargo xtask tidy --report    the figures of every crate, as a Markdown table

An offence reads `file:line: what is wrong and what to do`. Each rule is a file in xtask/tidy/src/rules,
where its exceptions are. Which crate may name which is in deny.toml, for `cargo xtask ci`.")]
pub(crate) struct Tidy {
    /// Print the figures of every crate instead: sizes, docs, first words, errors
    #[arg(long)]
    report: bool,
}

impl Tidy {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        if self.report {
            print!("{}", report::table(&sources::read(workspace.root())?)?);
            return Ok(());
        }
        check(&workspace)?;
        println!("no offences");
        Ok(())
    }
}

/// Fails with one line per offence when there are any.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let sources = sources::read(workspace.root())?;
    let mut offences = missing(REQUIRED, &sources);
    for package in workspace.packages() {
        let folder = workspace.folder(package);
        let manifest = sources::find(&sources, &format!("{folder}/Cargo.toml"));
        offences.extend(manifest.map(manifests::inheritance).into_iter().flatten());
        offences.extend(manifests::arrows(package, &folder, sources::find(&sources, "deny.toml")));
    }
    offences.extend(published::offences(workspace.root(), &candidates(workspace, &sources)));
    offences.extend(msrv::offences(&workspace.rust_version()?, &workspace.locked_packages()?));
    for source in &sources {
        offences.extend(bounds::offences(source));
        offences.extend(foreign::offences(source));
        offences.extend(seeds::offences(source));
        offences.extend(sizes::offences(source));
        offences.extend(words::offences(source));
    }
    offences.extend(links::offences(&sources, |path| workspace.root().join(path).exists()));
    offences.extend(links::summary_offences(&sources));
    offences.extend(named_files::offences(&sources));
    offences.extend(generated::offences(&sources)?);
    offences.extend(quoted::offences(&sources));
    offences.extend(prose::offences(&sources));
    offences.extend(shown::offences(&sources));
    offences.extend(api::offences(&sources));
    report_all(&offences)
}

fn candidates<'a>(workspace: &'a Workspace, sources: &'a [Source]) -> Vec<Candidate<'a>> {
    let candidate = |package| {
        let folder = workspace.folder(package);
        let lib = sources::find(sources, &format!("{folder}/src/lib.rs"));
        Candidate { package, folder, lib }
    };
    workspace.packages().iter().map(candidate).collect()
}

fn missing(required: &[&str], sources: &[Source]) -> Vec<Offence> {
    required
        .iter()
        .filter(|path| sources::find(sources, path).is_none())
        .map(|path| Offence::in_file(path, "is missing"))
        .collect()
}

fn report_all(offences: &[Offence]) -> Result<()> {
    if offences.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = offences.iter().map(Offence::to_string).collect();
    let count = match offences.len() {
        1 => "1 offence".to_owned(),
        count => format!("{count} offences"),
    };
    bail!("{count} against the house rules\n{}", lines.join("\n"))
}

/// One breach of a rule, and where.
#[derive(Debug, PartialEq)]
struct Offence {
    file: String,
    line: Option<usize>,
    what: String,
}

impl Offence {
    fn in_file(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, what: what.into() }
    }

    /// Lines count from 1.
    fn at_line(file: &str, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_licence_is_an_offence() {
        let sources = [Source::new("LICENSE-MIT", "MIT License")];
        let offences = missing(&["LICENSE-MIT", "LICENSE-APACHE"], &sources);
        assert_eq!(offences, [Offence::in_file("LICENSE-APACHE", "is missing")]);
    }

    #[test]
    fn offences_are_reported_a_line_each() {
        assert!(report_all(&[]).is_ok());
        let offences =
            [Offence::in_file("a.rs", "is too long"), Offence::at_line("b.md", 3, "leads nowhere")];
        let text = report_all(&offences).expect_err("two offences").to_string();
        assert_eq!(
            text,
            "2 offences against the house rules\na.rs: is too long\nb.md:3: leads nowhere"
        );
    }
}
