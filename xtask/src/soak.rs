//! `cargo xtask soak`: what a server endures, in full, and random inputs that no run had before.

mod fleet;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::process::Command;

use anyhow::{Context, Result};

use crate::new::{self, Framework};
use crate::progress::heading;
use crate::tools;
use crate::workspace::{Workspace, cargo};
use crate::{browser, first_program, process};

/// Descriptors that the largest test needs, in the hub and in its clients each.
const FILES: u64 = 12_000;

/// The number of random walks over the browser's tabs.
const WALKS: &str = "500";

/// Packages and their tests whose inputs are random.
const RANDOM: &[(&str, &[&str])] = &[
    ("sse-kit-event", &["--test=fuzzed", "--test=patterns", "--test=wire"]),
    (
        "sse-kit-broadcast",
        &[
            "--lib",
            "--test=audience",
            "--test=foreign",
            "--test=model",
            "--test=overlaps",
            "--test=stress",
        ],
    ),
    ("sse-kit-file", &["--lib", "--test=kill"]),
    ("sse-kit-postgres", &["--test=postgres"]),
    ("sse-kit-schedules", &["--test=schedules"]),
    ("sse-kit-dispatch", &["--test=patterns"]),
    ("sse-kit-htmx", &["--lib", "--test=escaping", "--test=placement"]),
    ("sse-kit-http", &["--lib", "--test=gzip_windows", "--test=hostile", "--test=shared_streams"]),
    ("sse-kit-serve", &["--test=lanes"]),
    ("sse-kit-monitor", &["--test=data_block"]),
    ("sse-kit-tabs", &["--test=settings"]),
    ("sse-kit", &["--test=state"]),
];

/// Packages and their tests that have a full size.
const ENDURANCE: &[(&str, &[&str])] = &[
    ("sse-kit-broadcast", &["--test=replay_latency"]),
    ("sse-hub", &["--test=endurance", "--test=endurance_by_hyper", "--test=cluster"]),
    ("sse-kit-serve", &["--test=http2"]),
    ("sse-kit-http", &["--test=gate"]),
];

/// The variable with the seed of random inputs, read by `tests/support`.
const SEED: &str = "SSE_KIT_TEST_SEED";

/// Run the tests of random inputs with a fresh seed, and the endurance tests in full size
///
/// Property tests and the model of the hub try 20 times as many cases as `cargo xtask test`, from
/// a seed that is printed and differs in each run. With `SSE_KIT_TEST_SEED` they try that one again.
///
/// `cargo xtask test` runs the same tests at a size that takes seconds. Here it is: shutdown with
/// 10,000 streams, and with 500 that never read among them; 10,000 connections that come and go and
/// 5,000 resets in the middle of a frame; 200 of 2,000 clients stuck; slowloris by 1,000; 100,000
/// streams of HTTP/2 that are reset at once; 40,000 sequences of pipelined requests on both lanes; three hubs
/// on one Redis of which, under 300 clients and 10,000 messages, 20 are killed and 10 restarted, and Redis
/// too; a hub that is killed 600 times under 16 publishers, and its store that loses power; failovers of Redis 6.2 and 7 and of Valkey, by hand, by sentinels and in a cluster; the glue for other
/// web frameworks; the README's first program in a crate of its own; each app that `cargo xtask new` writes, in its
/// folder; and 500 random walks through the tabs of a browser. And publishing while four clients resume 50,000 topics, which may take
/// twice as long as without them. All but the walks in release, one after another. Facts are
/// asserted, and that ratio; times and memory are printed, for comparison on one machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask soak
  cargo xtask soak -- goodbye           those with `goodbye` in their name
  cargo xtask soak -- nodes             those of several hubs
  cargo xtask soak fleet                nothing of these, but 100,000 streams on eight hubs

Environment:
  SSE_KIT_TEST_SEED  a seed of random inputs, to try again what failed

The tests are given, in their environment:
  SSE_KIT_SOAK       set, when they are to run in full
  SSE_KIT_TEST_SEED  the seed")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Soak {
    #[command(subcommand)]
    alone: Option<Alone>,

    /// More for the test programs
    #[arg(last = true)]
    args: Vec<OsString>,
}

/// A part that runs only when it is named, as it wants the machine for itself.
#[derive(Debug, clap::Subcommand)]
enum Alone {
    Fleet(fleet::Fleet),
}

impl Soak {
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(Alone::Fleet(fleet)) = &self.alone {
            return fleet.run();
        }
        raise_file_limit()?;
        for tool in [tools::REDIS, tools::POSTGRES] {
            tool.find_or_install()?;
        }
        let psycopg = tools::PSYCOPG.find_or_install()?;
        let seed = env::var(SEED).unwrap_or_else(|_| fresh_seed().to_string());
        for (package, tests) in RANDOM.iter().chain(ENDURANCE) {
            heading(&format!("soak: {package}, {SEED}={seed}"));
            let mut command = cargo("test");
            command.args(["--release", "--all-features", "--package", package]).args(*tests);
            command.args(["--", "--nocapture", "--test-threads=1"]).args(&self.args);
            command.env("SSE_KIT_SOAK", "1").env(SEED, &seed);
            process::run(command.env(tools::PSYCOPG.variable, &psycopg))?;
        }
        self.fail_over()?;
        // A filter is for the test programs.
        if self.args.is_empty() {
            meet_frameworks()?;
            first_program::try_out(&Workspace::load()?)?;
            begin_apps()?;
            walk_in_browser()?;
        }
        Ok(())
    }

    /// Runs failovers against every kind of server, one after another, for their figures.
    fn fail_over(&self) -> Result<()> {
        for server in [tools::REDIS_6_2, tools::VALKEY] {
            let path = server.find_or_install()?;
            for (package, test) in [("sse-hub", "cluster"), ("sse-kit-redis", "log")] {
                heading(&format!("soak: failovers of {}, {package}", server.name));
                let mut command = cargo("test");
                command.args(["--release", "--all-features", "--package", package]);
                command.args(["--test", test, "--", "--nocapture", "--test-threads=1"]);
                command.arg("failover::").args(&self.args);
                command.env("SSE_KIT_SOAK", "1").env(tools::REDIS.variable, &path);
                process::run(&mut command)?;
            }
        }
        Ok(())
    }
}

/// Tests the glue for other web frameworks, with the app on actix-web that `cargo xtask new` writes. They are a
/// workspace of their own, and five frameworks take minutes to build.
fn meet_frameworks() -> Result<()> {
    heading("soak: other web frameworks");
    let workspace = Workspace::load()?;
    let manifest = workspace.root().join("examples/integrations/Cargo.toml");
    let mut command = cargo("test");
    command.args(["--workspace", "--locked", "--manifest-path"]).arg(manifest);
    process::run(command.env("CARGO_TARGET_DIR", workspace.target_dir()))
}

/// Writes each app that `cargo xtask new` can write, and runs its tests where it was written.
fn begin_apps() -> Result<()> {
    let workspace = Workspace::load()?;
    let folder = env::temp_dir().join(format!("sse-kit-apps-{}", std::process::id()));
    for framework in Framework::ALL {
        for htmx_2 in [false, true] {
            let name = format!("{}-{}", framework.name(), if htmx_2 { 2 } else { 4 });
            heading(&format!("soak: a new app, {name}"));
            let path = folder.join(&name);
            new::write(workspace.root(), &path, framework, htmx_2)?;
            let mut command = cargo("test");
            command.current_dir(path).env("CARGO_TARGET_DIR", workspace.target_dir().join("apps"));
            process::run(&mut command)?;
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Returns a random number: the standard library's hashers begin with one of the system's.
fn fresh_seed() -> u64 {
    RandomState::new().hash_one(SEED)
}

/// Walks at random through what people, browsers and servers do to tabs, with fresh seeds; a walk that
/// ends with a difference prints its seed, for `SSE_KIT_WALK_SEED`.
fn walk_in_browser() -> Result<()> {
    heading("soak: random walks in the browser");
    let workspace = Workspace::load()?;
    let mut command = Command::new(tools::NODE.find_or_install()?);
    command.args(["--test", "walk.test.js"]).env("SSE_KIT_WALKS", WALKS);
    browser::equip(&workspace, &mut command)?;
    process::run(&mut command)
}

/// Raises the limit of open files for this process and its children.
fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let current = current.map(|current| current.max(FILES));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).with_context(|| {
        format!("{FILES} file descriptors are needed: raise the hard limit (ulimit -Hn)")
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Returns whether a test program takes its inputs from the seed.
    fn is_random(program: &Path) -> bool {
        let main = if program.is_dir() { program.join("main.rs") } else { program.to_owned() };
        let text = fs::read_to_string(main).unwrap_or_default();
        text.contains("sse_kit_test_support") && (text.contains("cases(") || text.contains("rng()"))
    }

    #[test]
    fn every_test_with_random_inputs_is_run() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let mut missing = Vec::new();
        for package in fs::read_dir(crates).expect("the crates") {
            let package = package.expect("a crate").path();
            let name = package.file_name().and_then(|name| name.to_str()).expect("a name");
            let ours = RANDOM.iter().chain(ENDURANCE).filter(|(package, _)| *package == name);
            let run: Vec<_> = ours.flat_map(|(_, tests)| *tests).collect();
            for program in fs::read_dir(package.join("tests")).into_iter().flatten() {
                let program = program.expect("a test program").path();
                let stem = program.file_stem().and_then(|stem| stem.to_str()).expect("a name");
                if is_random(&program) && !run.contains(&&&*format!("--test={stem}")) {
                    missing.push(format!("{name}: {stem}"));
                }
            }
        }
        assert!(missing.is_empty(), "not in the soak: {missing:?}");
    }
}
