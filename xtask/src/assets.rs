//! The browser files (htmx) that examples serve: from npm, by a lock file with hashes.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::npm;
use crate::workspace::Workspace;

/// The examples that serve them and have an option `--assets DIR`.
const SERVED_BY: &[&str] = &["chat-axum", "jobs"];

/// Makes sure the files are there; returns the folder that has them.
pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.root().join("examples/assets");
    npm::install(&folder)?;
    Ok(folder.join("node_modules"))
}

/// Adds `--assets DIR` for an example that takes it. An example works without, from a CDN:
/// when the files cannot be had, that is said, and is no failure.
pub(crate) fn offer(workspace: &Workspace, example: &str, command: &mut Command) {
    if !SERVED_BY.contains(&example) {
        return;
    }
    match install(workspace) {
        Ok(folder) => {
            command.arg("--assets").arg(folder);
        }
        Err(error) => {
            eprintln!("note: {error:#}");
            eprintln!("note: going on without; pages take htmx from its CDN, with integrity");
        }
    }
}
