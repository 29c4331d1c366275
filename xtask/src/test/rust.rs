//! Cargo's tests and doctests, counted from what libtest prints.

mod programs;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::Package;

use self::programs::{Run, TestProgram};
use super::{Tally, heading};
use crate::workspace::{Workspace, cargo};
use crate::{process, tools};

/// The test program that is run with several servers.
const LOG_ON_REDIS: &str = "sse-kit-redis log";

/// All of the workspace, with what every run must have alike, so that nothing is built twice.
const EVERYTHING: [&str; 2] = ["--workspace", "--all-features"];

/// Programs of tests that `--quick` leaves out: their servers start and stop, or they try very many inputs.
pub(super) const LEFT_OUT: &[&str] = &[
    "jobs nodes",
    "schedules schedules",
    "sse-hub by_hyper",
    "sse-hub cluster",
    "sse-hub contract",
    "sse-hub endurance",
    "sse-hub endurance_by_hyper",
    "sse-hub fleet",
    "sse-hub proxies",
    "sse-kit-postgres postgres",
    "sse-kit-redis log",
];

pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<Tally> {
    heading("rust: cargo test");
    let mut tally = Tally::default();
    let environment = environment(&mut tally);
    if args.is_empty() {
        run_all(workspace, &environment, &mut tally)?;
    } else {
        let mut command = cargo("test");
        command.args(EVERYTHING).arg("--no-fail-fast").args(args).envs(environment);
        let mut counted = Tally::default();
        let status = process::read_along(&mut command, |line| count(&mut counted, line))?;
        tally.add(counted.ended(status.success(), "cargo test"));
    }
    Ok(tally)
}

/// Runs the test programs that take seconds, and builds no other.
pub(super) fn run_quick(workspace: &Workspace) -> Result<Tally> {
    heading("rust: cargo test, but for what takes long");
    let mut tally = Tally::default();
    let environment = environment(&mut tally);
    let targets = quick_targets(workspace);
    let mut options = EVERYTHING.to_vec();
    options.extend(["--lib", "--bins"]);
    let untested = untested_libraries(workspace);
    options.extend(untested.flat_map(|package| ["--exclude", package.name.as_str()]));
    options.extend(targets.iter().flat_map(|target| ["--test", target.as_str()]));
    let mut programs = programs::build(&options)?;
    // Targets of one name are built in every package that has one.
    programs.retain(|program| !LEFT_OUT.contains(&program.name.as_str()));
    run_programs(programs.iter().map(|program| with(&environment, program)).collect(), &mut tally);
    Ok(tally)
}

/// Returns the packages whose library says that it is no test: asked for libraries, cargo builds one of it all the same.
fn untested_libraries(workspace: &Workspace) -> impl Iterator<Item = &Package> {
    let is_untested =
        |package: &&Package| package.targets.iter().any(|target| target.is_lib() && !target.test);
    workspace.packages().iter().filter(is_untested)
}

/// Returns the names of the targets of tests that are not left out.
fn quick_targets(workspace: &Workspace) -> BTreeSet<String> {
    let targets = test_targets(workspace).into_iter();
    let quick = targets.filter(|(program, _)| !LEFT_OUT.contains(&program.as_str()));
    quick.map(|(_, target)| target).collect()
}

/// Returns the programs of tests in files of their own, by their names, with their targets.
fn test_targets(workspace: &Workspace) -> Vec<(String, String)> {
    let of_package = |package: &Package| {
        let folder = workspace.folder(package);
        let folder = folder.rsplit('/').next().unwrap_or_default().to_owned();
        let tests = package.targets.iter().filter(|target| target.is_test());
        tests.map(move |it| (format!("{folder} {}", it.name), it.name.clone())).collect::<Vec<_>>()
    };
    workspace.packages().iter().flat_map(of_package).collect()
}

/// Runs every test program, and that of the log on Redis once with each server there is. Several at a
/// time: most of them wait for a server, or for a timeout that they test.
fn run_all(
    workspace: &Workspace,
    environment: &[(&str, PathBuf)],
    tally: &mut Tally,
) -> Result<()> {
    let programs = programs::build(&EVERYTHING)?;
    let log = programs.iter().find(|program| program.name == LOG_ON_REDIS);
    let log = log.with_context(|| format!("no test program is called `{LOG_ON_REDIS}`"))?;
    let mut runs = vec![doctests(workspace)];
    for server in [tools::REDIS_6_2, tools::VALKEY] {
        match server.find_or_install() {
            Ok(path) => {
                let mut run = log.run();
                run.name = format!("{} with {}", run.name, server.name);
                run.command.env(tools::REDIS.variable, path);
                runs.push(run);
            }
            Err(error) => tally.fail(format!("{error:#}")),
        }
    }
    runs.extend(programs.iter().map(|program| with(environment, program)));
    run_programs(runs, tally);
    Ok(())
}

/// Returns a run of a program that finds the servers.
fn with(environment: &[(&str, PathBuf)], program: &TestProgram) -> Run {
    let mut run = program.run();
    run.command.envs(environment.iter().map(|(name, path)| (name, path)));
    run
}

fn run_programs(runs: Vec<Run>, tally: &mut Tally) {
    programs::run_side_by_side(runs, |name, outcome| {
        println!("\n== rust: {name}");
        match outcome {
            Ok((status, output)) => {
                print!("{output}");
                let mut counted = Tally::default();
                output.lines().for_each(|line| count(&mut counted, line));
                tally.add(counted.ended(status.success(), name));
            }
            Err(error) => tally.fail(format!("{error:#}")),
        }
    });
}

/// Makes sure that the programs are there which tests start, and returns the variables that name those outside of
/// `PATH`. A missing one is a failure that says how to get it; the tests that need it fail too.
fn environment(tally: &mut Tally) -> Vec<(&'static str, PathBuf)> {
    let servers = [tools::REDIS, tools::POSTGRES, tools::NGINX, tools::CADDY];
    for tool in servers.into_iter().chain([tools::PROMTOOL, tools::SYSTEMD]) {
        if let Err(error) = tool.find_or_install() {
            tally.fail(format!("{error:#}"));
        }
    }
    let mut environment = Vec::new();
    for tool in [tools::PSYCOPG, tools::SCHEMATHESIS] {
        match tool.find_or_install() {
            Ok(path) => environment.push((tool.variable, path)),
            Err(error) => tally.fail(format!("{error:#}")),
        }
    }
    environment
}

/// Runs the doctests, but for those of crates that want none: asked for doctests alone, cargo runs them too.
fn doctests(workspace: &Workspace) -> Run {
    let has_none = |package: &&Package| {
        package.targets.iter().any(|target| target.is_lib() && !target.doctest)
    };
    let mut command = cargo("test");
    command.args(EVERYTHING).args(["--no-fail-fast", "--doc"]);
    for package in workspace.packages().iter().filter(has_none) {
        command.args(["--exclude", package.name.as_str()]);
    }
    Run { name: "doctests".to_owned(), command }
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

/// Returns the number before a word, as in `3 passed; 1 failed;`.
fn number_before(result: &str, what: &str) -> usize {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let pair = words.windows(2).find(|pair| pair[1] == what);
    pair.and_then(|pair| pair[0].parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_there() {
        let workspace = Workspace::load().expect("the tests run in the workspace");
        let targets = test_targets(&workspace);
        for program in LEFT_OUT {
            assert!(targets.iter().any(|(name, _)| name == program), "there is no {program}");
        }
        // All of a package is left out if its library is no test.
        for package in untested_libraries(&workspace) {
            let tests = package.targets.iter().filter(|target| target.is_test());
            let folder = workspace.folder(package);
            let folder = folder.rsplit('/').next().unwrap_or_default();
            for target in tests {
                let program = format!("{folder} {}", target.name);
                assert!(LEFT_OUT.contains(&program.as_str()), "{program} is never run");
            }
        }
        assert!(quick_targets(&workspace).contains("kit"));
        assert!(!quick_targets(&workspace).contains("cluster"));
    }

    #[test]
    fn a_program_that_dies_between_tests_is_a_failure() {
        let tally = counted("test a ... ok\n").ended(false, "stress");
        assert_eq!(tally.failed, 1);
        assert_eq!(tally.notes, ["stress failed outside of any test"]);
        assert_eq!(counted("test a ... ok\n").ended(true, "stress").failed, 0);
    }

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
