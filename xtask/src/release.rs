//! `cargo xtask release --dry-run`: all that is true before the crates are published.

mod changelog;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::progress::{Reported, heading};
use crate::workspace::{Workspace, cargo, is_published};
use crate::{process, tools};

/// The version of cargo-semver-checks that is installed when it is missing.
const SEMVER_CHECKS: &str = "0.51.0";

/// Check that the crates could be published now
///
/// Packages every crate, builds each from its package as a user would get it, compares their interfaces with the
/// last tag (cargo-semver-checks), checks licences, sources and advisories of dependencies (cargo-deny), and
/// prints the changelog's entry. Commit everything first: a package has the committed files. A tool
/// that is missing is installed into the target folder, in a version that is known to work. What cannot be
/// checked is a failure, and the last lines name it. CONTRIBUTING.md says how to publish.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask release --dry-run
  cargo xtask release --dry-run --offline    without a network; advisories are named as not checked")]
pub(crate) struct Release {
    /// Check, and publish nothing; there is no other way to run this
    #[arg(long, required = true)]
    dry_run: bool,

    /// Use no network: what needs one is not checked, and the last line says so
    #[arg(long)]
    offline: bool,
}

impl Release {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!(self.dry_run, "publishing is done by hand, as CONTRIBUTING.md says");
        let workspace = Workspace::load()?;
        ensure_clean()?;
        let version = version(&workspace)?;
        let mut outcome = Outcome::default();
        outcome.take("packages", self.package(&workspace));
        match last_tag() {
            Some(tag) => outcome.take("interfaces", self.compare(&workspace, &tag)),
            None => outcome.unchecked.push("interfaces, as there is no tag `v…` to compare with"),
        }
        outcome.take("dependencies", self.deny(&["bans", "licenses", "sources"]));
        if self.offline {
            outcome.unchecked.push("advisories of dependencies, as they need a network");
        } else {
            outcome.take("advisories", self.deny(&["advisories"]));
        }
        outcome.take("changelog", print_entry(&workspace, &version));
        outcome.report(&version)
    }

    /// Packages all crates, and builds each from its package.
    fn package(&self, workspace: &Workspace) -> Result<()> {
        heading("release: packages, each built from its own files");
        let mut command = cargo("package");
        command.args(["--workspace", "--locked", "--all-features"]);
        let kept = workspace.packages().iter().filter(|it| !is_published(it));
        command.args(kept.flat_map(|package| ["--exclude", package.name.as_str()]));
        self.run_cargo(&mut command)
    }

    /// Compares the public API with the last tag.
    fn compare(&self, workspace: &Workspace, tag: &str) -> Result<()> {
        heading(&format!("release: the public API, compared with {tag}"));
        let mut command = self.semver_checks(workspace)?;
        command.args(["--workspace", "--all-features", "--baseline-rev", tag]);
        process::run(&mut command)
    }

    fn deny(&self, what: &[&str]) -> Result<()> {
        heading(&format!("release: dependencies: {}", what.join(", ")));
        let mut command = Command::new(tools::CARGO_DENY.find_or_install()?);
        if self.offline {
            command.arg("--offline");
        }
        // Of a crate that stands there twice, its name is enough.
        process::run(command.args(["--all-features", "check", "--hide-inclusion-graph"]).args(what))
    }

    /// Returns cargo-semver-checks: that of `PATH`, or else of the target folder, where it is installed if need be.
    fn semver_checks(&self, workspace: &Workspace) -> Result<Command> {
        let folder = workspace.target_dir().join("xtask/tools");
        let path = with_folder(folder.join("bin"))?;
        let found = cargo("semver-checks").env("PATH", &path).arg("--version").output();
        if !found.is_ok_and(|found| found.status.success()) {
            eprintln!("cargo-semver-checks is missing; installing it, which takes some minutes");
            let mut install = cargo("install");
            install.args(["cargo-semver-checks", "--version", SEMVER_CHECKS, "--locked", "--root"]);
            self.run_cargo(install.arg(&folder)).context("cargo-semver-checks is missing")?;
        }
        let mut command = cargo("semver-checks");
        command.env("PATH", path);
        Ok(command)
    }

    fn run_cargo(&self, command: &mut Command) -> Result<()> {
        if self.offline {
            command.arg("--offline");
        }
        process::run(command)
    }
}

/// The results of the checks.
#[derive(Debug, Default)]
struct Outcome {
    failed: Vec<String>,
    unchecked: Vec<&'static str>,
}

impl Outcome {
    fn take(&mut self, what: &str, result: Result<()>) {
        if let Err(error) = result {
            self.failed.push(format!("{what}: {error:#}"));
        }
    }

    fn report(&self, version: &str) -> Result<()> {
        println!();
        for what in &self.unchecked {
            println!("NOT CHECKED: {what}");
        }
        for failure in &self.failed {
            println!("FAILED: {failure}");
        }
        if !self.failed.is_empty() {
            return Err(Reported.into());
        }
        println!("{version} can be published; nothing has been");
        Ok(())
    }
}

/// Fails if a file is not committed: nobody else could make a package of it.
fn ensure_clean() -> Result<()> {
    let status = process::output(Command::new("git").args(["status", "--porcelain"]))?;
    ensure!(status.is_empty(), "commit these first, or remove them:\n{}", status.trim_end());
    Ok(())
}

/// Returns the version, which all crates share.
fn version(workspace: &Workspace) -> Result<String> {
    let mut published = workspace.packages().iter().filter(|it| is_published(it));
    let first = published.next().context("no package is published")?;
    if let Some(other) = published.find(|other| other.version != first.version) {
        let (one, two) = (&first.version, &other.version);
        bail!("{} is {one} and {} is {two}; they have one version", first.name, other.name);
    }
    Ok(first.version.to_string())
}

fn last_tag() -> Option<String> {
    let mut command = Command::new("git");
    command.args(["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]);
    process::first_line(&mut command).ok()
}

fn print_entry(workspace: &Workspace, version: &str) -> Result<()> {
    heading("release: the changelog's entry");
    let path = workspace.root().join("CHANGELOG.md");
    let changelog = fs::read_to_string(&path).context("cannot read CHANGELOG.md")?;
    let entry = changelog::entry(&changelog, version).with_context(|| {
        format!("CHANGELOG.md has nothing under `## [{version}]`, nor under `## [Unreleased]`")
    })?;
    println!("{entry}");
    Ok(())
}

/// Returns `PATH` with a folder more, at its end.
fn with_folder(folder: PathBuf) -> Result<std::ffi::OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([folder]);
    env::join_paths(folders).context("the target folder cannot be in PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_all_and_what_was_left_out_does_not() {
        let mut outcome = Outcome { unchecked: vec!["advisories"], ..Outcome::default() };
        outcome.take("packages", Ok(()));
        assert!(outcome.report("0.1.0").is_ok());
        outcome.take("packages", Err(anyhow::anyhow!("no")));
        assert!(outcome.report("0.1.0").is_err());
    }
}
