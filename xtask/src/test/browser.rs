//! The browser tests of `tests/browser`, by node's own test runner.

use std::ffi::OsString;

use anyhow::Result;

use super::{Tally, heading, node};
use crate::workspace::{Workspace, cargo};
use crate::{assets, examples, npm, process, tools};

pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<Tally> {
    heading("browser: node --test");
    let folder = workspace.root().join("tests/browser");
    let node = node::find()?;
    let chromium = tools::CHROMIUM.find_or_install()?;
    let firefox = tools::FIREFOX.find_or_install()?;
    let redis = tools::REDIS.find_or_install()?;
    npm::install(&folder)?;
    let assets = assets::install(workspace)?;
    process::run(&mut examples::build(workspace))?;
    process::run(cargo("build").args(["--package", "sse-kit-htmx", "--example", "markup"]))?;

    let mut runner = node::test_runner(&node);
    runner
        .current_dir(&folder)
        .env("SSE_KIT_ASSETS", assets)
        .env("SSE_KIT_BIN_DIR", workspace.target_dir().join("debug"))
        .env("SSE_KIT_CHROMIUM", chromium)
        .env("SSE_KIT_FIREFOX", firefox)
        .env("SSE_KIT_REDIS_SERVER", redis);
    node::run_counted(workspace, "browser", &mut runner, args)
}
