//! `cargo xtask soak`: what a server endures, in full.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::progress::heading;
use crate::tools;
use crate::workspace::{Workspace, cargo};
use crate::{assets, examples, npm, process};

/// Descriptors that the largest test needs, in the hub and in its clients each.
#[cfg(unix)]
const FILES: u64 = 12_000;

/// How often the browser's tabs are walked through.
const WALKS: &str = "500";

/// Packages and their tests that have a full size.
const TESTS: [(&str, &str); 4] = [
    ("hub", "endurance"),
    ("hub", "endurance_own_lane"),
    ("hub", "cluster"),
    ("sse-kit-serve", "http2"),
];

/// Run the endurance tests in full size, and print their figures
///
/// `cargo xtask test` runs the same tests at a size that takes seconds. Here it is: shutdown with
/// 10,000 streams, and with 500 that never read among them; 10,000 connections that come and go and
/// 5,000 resets in the middle of a frame; 200 of 2,000 clients stuck; slowloris by 1,000; 100,000
/// streams of HTTP/2 that are reset at once; and three hubs on one Redis of which, under 300
/// clients and 10,000 messages, 20 are killed and 10 restarted, and Redis too; and 500 random walks
/// through the tabs of a browser. All but the last in release, one after another. Facts are
/// asserted; times and memory are printed, for comparison on one machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask soak
  cargo xtask soak -- goodbye           those with `goodbye` in their name
  cargo xtask soak -- nodes             those of several hubs

Environment, for the tests:
  SSE_KIT_SOAK  set, when they are to run in full")]
pub(crate) struct Soak {
    /// More for the test programs
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Soak {
    pub(crate) fn run(&self) -> Result<()> {
        raise_file_limit()?;
        let redis = tools::REDIS.find_or_install()?;
        for (package, test) in TESTS {
            heading(&format!("soak: {package}, {test}"));
            let mut command = cargo("test");
            command.args(["--release", "--all-features", "--package", package, "--test", test]);
            command.args(["--", "--nocapture", "--test-threads=1"]).args(&self.args);
            command.env("SSE_KIT_SOAK", "1").env("SSE_KIT_REDIS_SERVER", &redis);
            process::run(&mut command)?;
        }
        // A filter is for the test programs.
        if self.args.is_empty() { walk_in_browser() } else { Ok(()) }
    }
}

/// Walks at random through what people, browsers and servers do to tabs, with fresh seeds; a walk that
/// ends with a difference prints its seed, for `SSE_KIT_WALK_SEED`.
fn walk_in_browser() -> Result<()> {
    heading("soak: random walks in the browser");
    let workspace = Workspace::load()?;
    let folder = workspace.root().join("tests/browser");
    npm::install(&folder)?;
    let assets = assets::install(&workspace)?;
    process::run(&mut examples::build(&workspace))?;
    let mut command = Command::new(tools::NODE.find_or_install()?);
    command
        .args(["--test", "walk.test.js"])
        .current_dir(folder)
        .env("SSE_KIT_WALKS", WALKS)
        .env("SSE_KIT_ASSETS", assets)
        .env("SSE_KIT_BIN_DIR", workspace.target_dir().join("debug"))
        .env("SSE_KIT_CHROMIUM", tools::CHROMIUM.find_or_install()?);
    process::run(&mut command)
}

/// Lets this process, and those that it starts, have the descriptors that are needed.
#[cfg(unix)]
fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(FILES).min(FILES);
    ensure!(
        most >= FILES,
        "{FILES} file descriptors are needed: raise the hard limit (ulimit -Hn)"
    );
    if limit.current.is_some_and(|current| current < FILES) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: limit.maximum })
            .context("the limit of file descriptors cannot be raised")?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn raise_file_limit() -> Result<()> {
    Err(anyhow::anyhow!("the endurance tests are for Unix"))
}
