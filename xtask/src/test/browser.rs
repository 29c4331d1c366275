//! The browser tests of `tests/browser`, by node's own test runner.

use std::ffi::OsString;

use anyhow::Result;

use super::{Tally, heading, node};
use crate::workspace::Workspace;
use crate::{browser, tools};

pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<Tally> {
    heading("browser: node --test");
    let mut runner = node::test_runner(&node::find()?);
    browser::equip(workspace, &mut runner)?;
    for tool in [tools::FIREFOX, tools::REDIS] {
        runner.env(tool.variable, tool.find_or_install()?);
    }
    node::run_counted(workspace, "browser", &mut runner, args)
}
