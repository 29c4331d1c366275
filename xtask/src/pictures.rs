//! `cargo xtask pictures`: the pictures of the guides, taken anew.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{assets, examples, npm, process, tools};

/// Take the pictures of the guides anew
///
/// Starts the job board, brings its page into each state, and writes what Chromium shows to
/// `docs/src/monitoring` and `docs/src/tabs`. Look at them before you commit them.
#[derive(Debug, clap::Args)]
pub(crate) struct Pictures {}

impl Pictures {
    #[expect(clippy::unused_self, reason = "every verb is called alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let folder = workspace.root().join("tests/browser");
        npm::install(&folder)?;
        let assets = assets::install(&workspace)?;
        process::run(&mut examples::build(&workspace))?;
        let mut command = Command::new(tools::NODE.find_or_install()?);
        command
            .arg("pictures.js")
            .current_dir(folder)
            .env("SSE_KIT_ASSETS", assets)
            .env("SSE_KIT_BIN_DIR", workspace.target_dir().join("debug"))
            .env("SSE_KIT_CHROMIUM", tools::CHROMIUM.find_or_install()?);
        process::run(&mut command)
    }
}
