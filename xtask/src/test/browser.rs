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
    runner
        .env("SSE_KIT_FIREFOX", tools::FIREFOX.find_or_install()?)
        .env("SSE_KIT_REDIS_SERVER", tools::REDIS.find_or_install()?);
    node::run_counted(workspace, "browser", &mut runner, args)
}
