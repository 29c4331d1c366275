//! The verbs that are programs of their own, so that no other verb has to build them.

use std::ffi::OsString;

use anyhow::Result;

use crate::process;
use crate::workspace::cargo;

/// The options of such a verb, its `--help` among them.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of the program
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl Options {
    /// Builds the program of a package and runs it.
    pub(crate) fn run(&self, package: &str, verb: Option<&str>) -> Result<()> {
        let mut program = cargo("run");
        program.args(["--package", package, "--"]).args(verb).args(&self.args);
        process::run(&mut program)
    }
}
