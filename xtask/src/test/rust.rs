//! Cargo's tests and doctests, counted from what libtest prints.

use std::ffi::OsString;

use anyhow::Result;

use super::{Tally, heading};
use crate::wheels::{self, Wheel};
use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<Tally> {
    heading("rust: cargo test");
    let redis = tools::REDIS.find_or_install()?;
    let mut tally = Tally::default();
    let mut command = cargo("test");
    command.env("SSE_KIT_REDIS_SERVER", redis);
    command.args(["--workspace", "--all-features", "--no-fail-fast"]).args(args);
    match tools::postgres() {
        Ok(folder) => _ = command.env("SSE_KIT_POSTGRES", folder),
        Err(error) => tally.fail(format!("{error:#}")),
    }
    for (variable, tool) in [("SSE_KIT_NGINX", &tools::NGINX), ("SSE_KIT_CADDY", &tools::CADDY)] {
        // Its tests fail, too, where it is missing; this says how to get it.
        match tool.find_or_install() {
            Ok(path) => _ = command.env(variable, path),
            Err(error) => tally.fail(format!("{error:#}")),
        }
    }
    let status = process::read_along(&mut command, |line| count(&mut tally, line))?;
    if !status.success() && tally.failed == 0 {
        tally.fail(format!("cargo test failed outside of any test: {status}"));
    }
    if args.is_empty() {
        for server in &wheels::SERVERS {
            if let Err(error) = run_with(server, workspace, &mut tally) {
                tally.fail(format!("{error:#}"));
            }
        }
    }
    Ok(tally)
}

/// Runs the tests of the log on Redis once more, with another server.
fn run_with(server: &Wheel, workspace: &Workspace, tally: &mut Tally) -> Result<()> {
    heading(&format!("rust: the log on {}", server.name));
    let path = server.find_or_download(workspace.target_dir())?;
    let mut command = cargo("test");
    // The whole workspace again, so that nothing is built with other features than before.
    command.args(["--workspace", "--all-features", "--no-fail-fast", "--test", "log"]);
    command.env("SSE_KIT_REDIS_SERVER", path);
    let failed = tally.failed;
    let status = process::read_along(&mut command, |line| count(tally, line))?;
    if !status.success() && tally.failed == failed {
        tally.fail(format!("the tests with {} failed outside of any test: {status}", server.name));
    }
    Ok(())
}

/// Takes in one line of a test run.
fn count(tally: &mut Tally, line: &str) {
    // Not always where the line begins: a test may have written half a line before it.
    if let Some((_, result)) = line.split_once("test result: ")
        && (result.starts_with("ok. ") || result.starts_with("FAILED. "))
    {
        let number = |what| number_before(result, what);
        tally.passed += number("passed");
        tally.failed += number("failed") + number("ignored");
    } else if let Some(test) = line.strip_prefix("test ")
        && let Some((name, outcome)) = test.rsplit_once(" ... ")
    {
        if outcome.starts_with("FAILED") {
            tally.notes.push(format!("{name} failed"));
        } else if outcome.starts_with("ignored") {
            tally.notes.push(format!("{name} is ignored, which counts as failed"));
        }
    }
}

/// The number before a word, as in `3 passed; 1 failed;`.
fn number_before(result: &str, what: &str) -> usize {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let pair = words.windows(2).find(|pair| pair[1] == what);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| count(&mut tally, line));
        tally
    }

    #[test]
    fn results_add_up_over_binaries() {
        let tally = counted(
            "running 3 tests\n\
             test a ... ok\n\
             test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s\n",
        );
        assert_eq!((tally.passed, tally.failed), (15, 0));
        assert!(tally.notes.is_empty());
    }

    #[test]
    fn failed_and_ignored_tests_are_failures_with_names() {
        let tally = counted(
            "test late ... FAILED\n\
             test slow ... ignored, takes an hour\n\
             test src/lib.rs - Event (line 4) ... ignored\n\
             test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!((tally.passed, tally.failed), (1, 3));
        assert_eq!(
            tally.notes,
            [
                "late failed",
                "slow is ignored, which counts as failed",
                "src/lib.rs - Event (line 4) is ignored, which counts as failed",
            ]
        );
    }
}
