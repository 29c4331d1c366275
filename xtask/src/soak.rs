//! `cargo xtask soak`: what a server endures, in full.

use std::ffi::OsString;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::progress::heading;
use crate::tools;
use crate::workspace::cargo;

/// Descriptors that the largest test needs, in the hub and in its clients each.
#[cfg(unix)]
const FILES: u64 = 12_000;

/// Packages and their tests that have a full size.
const TESTS: [(&str, &str); 6] = [
    ("hub", "endurance"),
    ("hub", "endurance_fast_path"),
    ("hub", "cluster"),
    ("sse-kit-serve", "http2"),
    ("sse-kit-serve", "lanes"),
    ("sse-kit-http", "gate"),
];

/// Run the endurance tests in full size, and print their figures
///
/// `cargo xtask test` runs the same tests at a size that takes seconds. Here it is: shutdown with
/// 10,000 streams, and with 500 that never read among them; 10,000 connections that come and go and
/// 5,000 resets in the middle of a frame; 200 of 2,000 clients stuck; slowloris by 1,000; 100,000
/// streams of HTTP/2 that are reset at once; 20,000 sequences of pipelined requests on both lanes; and three hubs on one Redis of which, under 300
/// clients and 10,000 messages, 20 are killed and 10 restarted, and Redis too. All in release, one after another. Facts are
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
        Ok(())
    }
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
