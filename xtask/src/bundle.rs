//! `cargo xtask bundle`: the scripts that are served, from their modules.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{browser, npm, process, tools};

/// Bundle and minify the scripts of the crates
///
/// Writes `dist/*.js` of each crate that has scripts, from the modules in `scripts/`, with the
/// esbuild of tests/browser. The result is committed, so that a build of the crates needs no node.
/// `cargo xtask test scripts` fails when it is out of date.
#[derive(Debug, clap::Args)]
pub(crate) struct Bundle {}

impl Bundle {
    #[expect(clippy::unused_self, reason = "every verb is called alike")]
    pub(crate) fn run(&self) -> Result<()> {
        let folder = browser::folder(&Workspace::load()?);
        npm::install(&folder)?;
        let node = tools::NODE.find_or_install()?;
        process::run(Command::new(node).arg("bundle.js").current_dir(folder))
    }
}
