//! `cargo xtask bench --check`: does it take more instructions than it did?

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

/// Must be that of the crate in Cargo.toml.
const RUNNER: &str = "gungraun-runner@0.20.0";

/// By how much the number of instructions may grow.
const LIMIT: &str = "--callgrind-limits=ir=5%";

/// Counts the instructions at a revision and then here, and fails when they have become more.
///
/// Both are counted on this machine, by this compiler: a number that was written down before would
/// be that of another.
pub(super) fn run(revision: &str) -> Result<()> {
    tools::VALGRIND.find_or_install()?;
    let workspace = Workspace::load()?;
    let target = workspace.target_dir();
    let runner = install_runner(&target.join("tools"))?;
    let checkout = Checkout::of(revision, workspace.root(), target.join("before"))?;
    let counts = target.join("instructions");
    // Each builds in a folder of its own: cargo takes two checkouts of a package for one.
    let count = |folder: &Path, arguments: &[&str]| {
        let mut command = cargo("bench");
        command.args(["--package", "microbench", "--bench", "instructions", "--"]);
        command.arg("--callgrind-metrics=ir").args(arguments).current_dir(folder);
        command.env("GUNGRAUN_HOME", &counts).env("GUNGRAUN_RUNNER", &runner);
        command.env("CARGO_TARGET_DIR", folder.join("target"));
        process::run(&mut command)
    };
    count(&checkout.folder, &["--save-baseline=before"])
        .with_context(|| format!("cannot count at {revision}"))?;
    count(workspace.root(), &["--baseline=before", LIMIT])
        .with_context(|| format!("it takes more instructions than at {revision}"))
}

fn install_runner(root: &Path) -> Result<PathBuf> {
    let mut command = cargo("install");
    process::run(command.args(["--quiet", "--locked", "--root"]).arg(root).arg(RUNNER))?;
    Ok(root.join("bin/gungraun-runner"))
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
