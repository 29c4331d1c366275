//! Runs node's own test runner, and counts the results of its report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Tally;
use crate::workspace::Workspace;
use crate::{process, tools};

/// The oldest node whose test runner has the options below.
const OLDEST_NODE: (u32, u32) = (20, 11);

/// A file of tests that takes longer hangs, also on a machine that is four times busier: better a failure
/// than a job that never ends. No test has a limit of its own.
const TIMEOUT_MILLISECONDS: u32 = 30 * 60 * 1000;

/// Finds node, if it is new enough.
pub(super) fn find() -> Result<PathBuf> {
    let node = tools::NODE.find_or_install()?;
    let version = process::first_line(Command::new(&node).arg("--version"))?;
    let (major, minor) = OLDEST_NODE;
    ensure!(
        version_of(&version).is_some_and(|found| found >= OLDEST_NODE),
        "node {major}.{minor} or newer is needed; {} is {version}",
        node.display()
    );
    Ok(node)
}

/// Returns `node --test`, to which the caller adds the files and the folder.
pub(super) fn test_runner(node: &Path) -> Command {
    let mut command = Command::new(node);
    command
        .arg("--test")
        // Three files at a time: most of them wait for timeouts, and two cores have room for the pages.
        .arg("--test-concurrency=3")
        .arg(format!("--test-timeout={TIMEOUT_MILLISECONDS}"))
        .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap");
    command
}

/// Runs a [`test_runner`]; `name` is that of the report it leaves in the target folder.
pub(super) fn run_counted(
    workspace: &Workspace,
    name: &str,
    command: &mut Command,
    what: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
) -> Result<Tally> {
    let report = workspace.target_dir().join(format!("xtask/{name}.tap"));
    renew(&report)?;
    command.arg(format!("--test-reporter-destination={}", report.display())).args(what);
    let status = process::status(command)?;
    let mut tally = count(&fs::read_to_string(&report).unwrap_or_default());
    if !status.success() && tally.failed == 0 {
        tally.fail(format!("node failed outside of any test: {status}"));
    }
    Ok(tally)
}

/// Reads the major and the minor version of `v20.11.1`.
fn version_of(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Makes room for a report; an old one must never be taken for a new one.
fn renew(report: &Path) -> Result<()> {
    if let Some(folder) = report.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(report, "").with_context(|| format!("cannot write {}", report.display()))
}

/// Counts from the lines that end node's TAP report, as `# pass 3`.
fn count(report: &str) -> Tally {
    // The last such line is node's own; a test may have printed one before.
    let number = |what: &str| -> usize {
        report
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("# ")?.strip_prefix(what)?.trim().parse().ok())
            .unwrap_or(0)
    };
    let mut tally = Tally { passed: number("pass "), failed: number("fail "), ..Tally::default() };
    for what in ["cancelled ", "skipped ", "todo "] {
        tally.failed += number(what);
    }
    tally.notes.extend(report.lines().filter_map(note));
    tally
}

/// Returns the line to print for a test, or a suite around tests, from its line of the report.
fn note(line: &str) -> Option<String> {
    let (outcome, test) = line.trim_start().split_once(" - ")?;
    let (outcome, _number) = outcome.rsplit_once(' ')?;
    let (name, directive) = test.rsplit_once(" # ").unwrap_or((test, ""));
    if directive.starts_with("SKIP") {
        Some(format!("{name} is skipped, which counts as failed"))
    } else if directive.starts_with("TODO") {
        Some(format!("{name} is still to do, which counts as failed"))
    } else {
        (outcome == "not ok").then(|| format!("{name} failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
TAP version 13
# Subtest: the page
# pass 99
ok 1 - the page
not ok 2 - two tabs
  ---
  duration_ms: 12.5
ok 3 - later # SKIP
not ok 4 - once # TODO
1..4
# tests 4
# suites 0
# pass 1
# fail 1
# cancelled 0
# skipped 1
# todo 1
# duration_ms 512.8
";

    #[test]
    fn counts_come_from_the_end_of_the_report() {
        let tally = count(REPORT);
        assert_eq!((tally.passed, tally.failed), (1, 3));
        assert_eq!(
            tally.notes,
            [
                "two tabs failed",
                "later is skipped, which counts as failed",
                "once is still to do, which counts as failed"
            ]
        );
    }

    #[test]
    fn no_report_no_tests() {
        let tally = count("");
        assert_eq!((tally.passed, tally.failed), (0, 0));
    }

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version_of("v20.20.2"), Some((20, 20)));
        assert!(version_of("v20.9.0").is_some_and(|found| found < OLDEST_NODE));
        assert_eq!(version_of("20"), None);
    }
}
