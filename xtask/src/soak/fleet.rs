//! `cargo xtask soak fleet`: builds and runs the fleet, which is a package of the benchmarks.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

/// Hold 100,000 streams with several hubs, and restart them: `cargo xtask soak fleet --help`
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Fleet {
    /// Options of the fleet
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl Fleet {
    pub(crate) fn run(&self) -> Result<()> {
        let programs = Workspace::load()?.target_dir().join("release");
        let mut build = cargo("build");
        process::run(build.args(["--release", "--package", "fleet", "--package", "sse-hub"]))?;
        let mut fleet = Command::new(programs.join("fleet"));
        fleet.arg("--hub").arg(programs.join("hub"));
        fleet.arg("--redis-server").arg(tools::REDIS.find_or_install()?);
        process::run(fleet.args(&self.args))
    }
}
