//! `cargo xtask soak`: what a server endures, in full, and random inputs that no run had before.

use std::env;
use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::progress::heading;
use crate::tools;
use crate::workspace::cargo;

/// Descriptors that the largest test needs, in the hub and in its clients each.
#[cfg(unix)]
const FILES: u64 = 12_000;

/// Packages and their tests whose inputs are random.
const RANDOM: &[(&str, &[&str])] = &[
    ("sse-kit-event", &["--test=fuzzed", "--test=patterns", "--test=wire"]),
    ("sse-kit-broadcast", &["--test=model", "--test=stress"]),
    ("sse-kit-dispatch", &["--test=patterns"]),
    ("sse-kit-htmx", &["--lib", "--test=escaping"]),
    ("sse-kit-http", &["--lib", "--test=hostile"]),
    ("sse-kit-monitor", &["--test=bugs"]),
    ("sse-kit-tabs", &["--test=parity"]),
];

/// Packages and their tests that have a full size.
const ENDURANCE: &[(&str, &[&str])] = &[
    ("sse-kit-broadcast", &["--test=replay_latency"]),
    ("hub", &["--test=endurance", "--test=endurance_own_lane", "--test=cluster"]),
    ("sse-kit-serve", &["--test=http2"]),
];

/// The variable with the seed of random inputs, read by `tests/support`.
const SEED: &str = "SSE_KIT_TEST_SEED";

/// Run the tests of random inputs with a fresh seed, and the endurance tests in full size
///
/// Property tests and the model of the broadcaster try 20 times as many cases as `cargo xtask test`, from
/// a seed that is printed and differs in each run. With `SSE_KIT_TEST_SEED` they try that one again.
///
/// `cargo xtask test` runs the same tests at a size that takes seconds. Here it is: shutdown with
/// 10,000 streams, and with 500 that never read among them; 10,000 connections that come and go and
/// 5,000 resets in the middle of a frame; 200 of 2,000 clients stuck; slowloris by 1,000; 100,000
/// streams of HTTP/2 that are reset at once; and three hubs on one Redis of which, under 300
/// clients and 10,000 messages, 20 are killed and 10 restarted, and Redis too. And publishing while four clients
/// resume 50,000 topics, which may take twice as long as without them. All in release, one after another. Facts are
/// asserted, and that ratio; times and memory are printed, for comparison on one machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask soak
  cargo xtask soak -- goodbye           those with `goodbye` in their name
  cargo xtask soak -- nodes             those of several hubs

Environment:
  SSE_KIT_TEST_SEED  a seed of random inputs, to try again what failed

The tests are given, in their environment:
  SSE_KIT_SOAK       set, when they are to run in full
  SSE_KIT_TEST_SEED  the seed")]
pub(crate) struct Soak {
    /// More for the test programs
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Soak {
    pub(crate) fn run(&self) -> Result<()> {
        raise_file_limit()?;
        let redis = tools::REDIS.find_or_install()?;
        let seed = env::var(SEED).unwrap_or_else(|_| fresh_seed().to_string());
        for (package, tests) in RANDOM.iter().chain(ENDURANCE) {
            heading(&format!("soak: {package}, {SEED}={seed}"));
            let mut command = cargo("test");
            command.args(["--release", "--all-features", "--package", package]).args(*tests);
            command.args(["--", "--nocapture", "--test-threads=1"]).args(&self.args);
            command.env("SSE_KIT_SOAK", "1").env(SEED, &seed).env("SSE_KIT_REDIS_SERVER", &redis);
            process::run(&mut command)?;
        }
        Ok(())
    }
}

/// A number that nobody chose: the standard library's hashers begin with one of the system's.
fn fresh_seed() -> u64 {
    RandomState::new().hash_one(SEED)
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
