//! `cargo xtask bench --check`: does it take more instructions than before, or grow with something
//! that should not matter?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::callgrind::Callgrind;
use super::{growth, hub_count};
use crate::process;

/// By how much the number of instructions may grow.
const LIMIT: &str = "--callgrind-limits=ir=5%";

/// Counts the instructions at a revision and then here, and fails when they have become more, or when
/// one operation takes more than its class allows.
///
/// Both are counted on this machine, by this compiler: a number that was written down before would
/// be that of another.
pub(super) fn run(revision: &str) -> Result<()> {
    let callgrind = Callgrind::install()?;
    let workspace = callgrind.workspace();
    let folder = workspace.target_dir().join("before");
    let checkout = Checkout::of(revision, workspace.root(), folder)?;
    // All of them, whatever the first says: each takes minutes.
    let outcomes = [
        growth::check(&callgrind),
        count_functions(&callgrind, revision, &checkout.folder),
        hub_count::check(&callgrind, &checkout.folder),
    ];
    let faults = outcomes.into_iter().filter_map(Result::err).map(|error| format!("{error:#}"));
    let faults: Vec<_> = faults.collect();
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// Compares the microbenchmarks with those of a checkout.
fn count_functions(callgrind: &Callgrind, revision: &str, before: &Path) -> Result<()> {
    let count = |folder: &Path, arguments: &[&str]| {
        process::run(callgrind.bench("instructions", folder).args(arguments))
    };
    count(before, &["--save-baseline=before"])
        .with_context(|| format!("cannot count at {revision}"))?;
    count(callgrind.workspace().root(), &["--baseline=before", LIMIT])
        .with_context(|| format!("it takes more instructions than at {revision}"))
}

/// A revision in a folder of its own, which is removed when this is dropped.
struct Checkout {
    folder: PathBuf,
    repository: PathBuf,
}

impl Checkout {
    fn of(revision: &str, repository: &Path, folder: PathBuf) -> Result<Self> {
        let checkout = Self { folder, repository: repository.to_owned() };
        checkout.remove()?; // it may be left from a run that was broken off
        let mut add = checkout.git(&["worktree", "add", "--quiet", "--force", "--detach"]);
        process::run(add.arg(&checkout.folder).arg(revision))?;
        Ok(checkout)
    }

    fn remove(&self) -> Result<()> {
        if self.folder.exists() {
            let mut remove = self.git(&["worktree", "remove", "--force"]);
            process::run(remove.arg(&self.folder))?;
        }
        Ok(())
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.repository).args(arguments);
        git
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("note: cannot remove {}: {error:#}", self.folder.display());
        }
    }
}
