//! `cargo xtask bench`: builds and runs the benchmarks, which are a package of their own.

use std::ffi::OsString;

use anyhow::Result;

use crate::process;
use crate::workspace::cargo;

/// Measure the fan-out, the dispatcher and instruction counts: `cargo xtask bench --help`
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Bench {
    /// Options of the benchmarks
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        let mut bench = cargo("run");
        process::run(bench.args(["--quiet", "--package", "bench", "--"]).args(&self.args))
    }
}
