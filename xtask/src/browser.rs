//! What programs that drive a browser need: those of `tests/browser`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{assets, examples, npm, process, tools};

/// Returns the folder of these programs.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("tests/browser")
}

/// Builds and installs all that such a program needs, and has a command run there and find it.
pub(crate) fn equip(workspace: &Workspace, command: &mut Command) -> Result<()> {
    let folder = folder(workspace);
    npm::install(&folder)?;
    let assets = assets::install(workspace)?;
    process::run(&mut examples::build(workspace))?;
    command
        .current_dir(folder)
        .env("SSE_KIT_ASSETS", assets)
        .env("SSE_KIT_BIN_DIR", workspace.target_dir().join("debug"))
        .env("SSE_KIT_CHROMIUM", tools::CHROMIUM.find_or_install()?);
    Ok(())
}
