//! `cargo xtask run`: a program by its name.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::{Program, Workspace, cargo};
use crate::{assets, process};

/// Run the hub or an example by its name
///
/// The programs are those of the packages under `crates/` and `examples/`. Each takes `--listen ADDR`, prints
/// the address it listens on, logs to stderr and stops politely on Ctrl-C; `-- --help` lists
/// the rest. Programs with pages are given the browser files from npm.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask run hub
  cargo xtask run hub -- --listen 127.0.0.1:9000 --history 1000
  cargo xtask run --release hub               as fast as it gets
  cargo xtask run jobs -- --help              the program's own options")]
pub(crate) struct Run {
    /// The program
    program: String,

    /// Build it optimised
    #[arg(long)]
    release: bool,

    /// Options for the program
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let program = workspace.program(&self.program)?;
        let profile = if self.release { Profile::Release } else { Profile::Debug };
        launch(&workspace, program, profile, &self.args)
    }
}

/// How a program is built.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds a program and becomes it, so that a signal sent to us is sent to the program.
pub(crate) fn launch(
    workspace: &Workspace,
    program: Program<'_>,
    profile: Profile,
    args: &[OsString],
) -> Result<()> {
    let mut command = cargo("run");
    command.args(["--package", program.package, "--bin", program.name]);
    if let Profile::Release = profile {
        command.arg("--release");
    }
    command.arg("--");
    if !args.iter().any(|arg| arg == "--assets") {
        assets::offer(workspace, program.name, &mut command);
    }
    command.args(args);
    process::become_program(&mut command)
}
