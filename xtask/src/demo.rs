//! `cargo xtask demo`: the main job, with a sensible folder.

mod cluster;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::run::{Profile, launch};
use crate::workspace::Workspace;

/// Run the main job: a job board that hashes files while every open page watches
///
/// Starts the example `jobs` in release. Open the address it prints in two tabs, start a job
/// in one and see both move; a second address has the inspector, which shows what the hub does. htmx comes from npm when npm is there, else from its CDN.
/// Ctrl-C says goodbye to every page and stops. Events and jobs are kept in target/xtask/demo:
/// start the demo again, and the pages that are still open go on.
///
/// With --cluster it is three job boards on one Redis, behind a small round-robin: each
/// change shows on all, and any of them may be killed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask demo
  cargo xtask demo --listen 0.0.0.0:9000      for a phone on the same network
  cargo xtask demo --folder ~/Pictures        more to hash
  cargo xtask demo --cluster                  three nodes, one of which may be killed
  cargo xtask demo -- --heartbeat 5           what follows -- goes to the example")]
pub(crate) struct Demo {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: String,

    /// The folder that the form proposes [default: the workspace's crates]
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,

    /// Several nodes; Redis is installed from Debian's packages when it is missing and we are root
    #[arg(long)]
    cluster: bool,

    /// More options for the example
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Demo {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let program = workspace.program("jobs")?;
        let folder = match &self.folder {
            Some(folder) => std::path::absolute(folder).context("--folder is no path")?,
            None => workspace.root().join("crates"),
        };
        let mut args: Vec<OsString> = vec!["--folder".into(), folder.into()];
        args.extend_from_slice(&self.args);
        if self.cluster {
            return cluster::run(&workspace, &self.listen, &args);
        }
        args.extend(["--listen".into(), (&self.listen).into()]);
        args.push("--inspector".into());
        if !self.args.iter().any(|arg| arg == "--store" || arg == "--redis") {
            args.extend(["--store".into(), workspace.target_dir().join("xtask/demo").into()]);
        }
        launch(&workspace, program, Profile::Release, &args)
    }
}
