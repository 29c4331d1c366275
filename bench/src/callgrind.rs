//! Counting instructions with valgrind.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

/// Must be that of the crate in Cargo.toml.
const RUNNER: &str = "gungraun-runner@0.20.0";

/// Valgrind, and what runs it.
#[derive(Debug)]
pub(super) struct Callgrind {
    workspace: Workspace,
    runner: PathBuf,
}

impl Callgrind {
    /// Finds valgrind and its runner, or installs them.
    pub(super) fn install() -> Result<Self> {
        tools::VALGRIND.find_or_install()?;
        let workspace = Workspace::load()?;
        let root = workspace.target_dir().join("tools");
        let mut command = cargo("install");
        process::run(command.args(["--quiet", "--locked", "--root"]).arg(&root).arg(RUNNER))?;
        Ok(Self { workspace, runner: root.join("bin/gungraun-runner") })
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Returns the command that counts the instructions of a benchmark of the checkout in this
    /// folder.
    pub(super) fn bench(&self, name: &str, folder: &Path) -> Command {
        let mut command = cargo("bench");
        command.args(["--package", "microbench", "--bench", name, "--"]);
        command.arg("--callgrind-metrics=ir").current_dir(folder);
        command.env("GUNGRAUN_HOME", self.workspace.target_dir().join("instructions"));
        command.env("GUNGRAUN_RUNNER", &self.runner);
        // Each builds in a folder of its own: cargo takes two checkouts of a package for one.
        command.env("CARGO_TARGET_DIR", folder.join("target"));
        command
    }
}
