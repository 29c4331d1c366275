//! `cargo xtask run`: one example by its name.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};
use crate::{assets, process};

/// Run an example by its name
///
/// The examples are the packages under `examples/`. Each takes `--listen ADDR`, prints
/// the address it listens on, logs to stderr and stops politely on Ctrl-C; `-- --help` lists
/// the rest. Examples with pages are given the browser files from npm.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask run hub
  cargo xtask run hub -- --listen 127.0.0.1:9000 --history 1000
  cargo xtask run --release hub               as fast as it gets
  cargo xtask run jobs -- --help              the example's own options")]
pub(crate) struct Run {
    /// The example: a package under examples/
    example: String,

    /// Build it optimised
    #[arg(long)]
    release: bool,

    /// Options for the example
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let example = workspace.example(&self.example)?;
        let profile = if self.release { Profile::Release } else { Profile::Debug };
        launch(&workspace, example, profile, &self.args)
    }
}

/// How an example is built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds an example and becomes it, so that a signal sent to us is sent to the example.
pub(crate) fn launch(
    workspace: &Workspace,
    example: &str,
    profile: Profile,
    args: &[OsString],
) -> Result<()> {
    let mut command = cargo("run");
    command.args(["--package", example, "--bin", example]);
    if let Profile::Release = profile {
        command.arg("--release");
    }
    command.arg("--");
    if !args.iter().any(|arg| arg == "--assets") {
        assets::offer(workspace, example, &mut command);
    }
    command.args(args);
    process::become_program(&mut command)
}
