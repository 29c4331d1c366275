//! The needs of programs that drive a browser: those of `tests/browser`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};
use crate::{assets, npm, process, tools};

/// Returns the folder of these programs.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("tests/browser")
}

/// The programs of crates that print what scripts are tested with: cargo's examples, not ours.
const PRINTERS: [&str; 2] = ["markup", "corpus"];

/// Builds and installs all that such a program needs, and has a command run there and find it.
pub(crate) fn equip(workspace: &Workspace, command: &mut Command) -> Result<()> {
    let folder = folder(workspace);
    npm::install(&folder)?;
    let assets = assets::install(workspace)?;
    process::run(&mut build(workspace))?;
    let chromium = tools::CHROMIUM.find_or_install()?;
    // Chromium itself does all that its shell does, at five times the cost of a page.
    let shell = tools::CHROMIUM_SHELL.find_or_install().unwrap_or_else(|error| {
        eprintln!("{error:#}; Chromium itself takes its place, and is slower");
        chromium.clone()
    });
    command
        .current_dir(folder)
        .env("SSE_KIT_ASSETS", assets)
        .env("SSE_KIT_BIN_DIR", workspace.target_dir().join("debug"))
        .env("SSE_KIT_CHROMIUM", chromium)
        .env("SSE_KIT_CHROMIUM_SHELL", shell);
    Ok(())
}

/// Builds our programs, and what prints for the scripts. With all features of the whole workspace, as the
/// Rust tests are built, so that after them next to nothing is left to compile.
fn build(workspace: &Workspace) -> Command {
    let mut command = cargo("build");
    command.args(["--workspace", "--all-features"]);
    command.args(workspace.programs().into_iter().flat_map(|program| ["--bin", program.name]));
    command.args(PRINTERS.iter().flat_map(|printer| ["--example", printer]));
    command
}
