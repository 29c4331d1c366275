//! `cargo xtask pictures`: takes the screenshots of the guides.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{browser, process, tools};

/// Take the screenshots of the guides
///
/// Starts the examples, brings their pages and the inspector into each state, and writes what Chromium shows to
/// `docs/src/examples`, `docs/src/inspector`, `docs/src/jobs`, `docs/src/monitoring` and `docs/src/tabs`. Look at
/// them before you commit them.
#[derive(Debug, clap::Args)]
pub(crate) struct Pictures {}

impl Pictures {
    #[expect(clippy::unused_self, reason = "every verb is called alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let mut command = Command::new(tools::NODE.find_or_install()?);
        browser::equip(&workspace, command.arg("pictures.js"))?;
        command.env("SSE_KIT_IMG2WEBP", tools::IMG2WEBP.find_or_install()?);
        process::run(&mut command)
    }
}
