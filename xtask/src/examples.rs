//! `cargo xtask examples`: builds the hub and all of them.

use anyhow::Result;

use crate::process;
use crate::workspace::{Workspace, cargo};

/// Build the hub and all examples
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask examples
  cargo xtask examples --release

The programs are then in target/debug or target/release; `cargo xtask run` starts one.")]
pub(crate) struct Examples {
    /// Build them optimised
    #[arg(long)]
    release: bool,
}

impl Examples {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let mut command = cargo("build");
        command.args(packages(&workspace));
        if self.release {
            command.arg("--release");
        }
        process::run(&mut command)?;
        let names = workspace.programs().into_iter().map(|program| program.name);
        println!("built {}", names.collect::<Vec<_>>().join(", "));
        Ok(())
    }
}

/// Cargo's flags that choose the packages of all programs.
pub(crate) fn packages(workspace: &Workspace) -> impl Iterator<Item = &str> {
    workspace.programs().into_iter().flat_map(|program| ["--package", program.package])
}
