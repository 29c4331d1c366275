//! What needs a system call of Unix. Elsewhere nothing is measured, but this compiles.

use std::error::Error;
use std::fmt;
use std::process::{Child, ExitStatus};

use anyhow::{Context, Result};

/// More files are needed than this process may open.
#[derive(Debug, PartialEq)]
pub(super) struct TooFewOpenFiles {
    needed: u64,
    limit: u64,
}

impl fmt::Display for TooFewOpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, limit } = self;
        write!(
            f,
            "{needed} open files are needed, and the hard limit is {limit}: raise it \
             (`ulimit -Hn {needed}`), or choose --scenarios with fewer connections"
        )
    }
}

impl Error for TooFewOpenFiles {}

/// Raises this process's limit on open files as far as it may; a connection is one. Those
/// started afterwards inherit it.
#[cfg(unix)]
pub(super) fn allow_open_files(needed: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    check(maximum, needed)?;
    let limit = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit on open files")
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "on Unix it can fail")]
pub(super) fn allow_open_files(_needed: u64) -> Result<()> {
    Ok(())
}

/// Asks a process politely to end.
#[cfg(unix)]
pub(super) fn terminate(child: &mut Child) -> Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    Ok(kill_process(Pid::from_child(child), Signal::TERM)?)
}

#[cfg(not(unix))]
pub(super) fn terminate(child: &mut Child) -> Result<()> {
    Ok(child.kill()?)
}

/// Returns `true` if a process was killed.
#[cfg(unix)]
pub(super) fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

#[cfg(not(unix))]
pub(super) fn was_killed(_status: ExitStatus) -> bool {
    false
}

/// Compares a maximum with the number that is needed. No maximum is no limit.
fn check(maximum: Option<u64>, needed: u64) -> Result<(), TooFewOpenFiles> {
    match maximum {
        Some(limit) if limit < needed => Err(TooFewOpenFiles { needed, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_low_is_said_with_what_to_do() {
        assert_eq!(check(Some(20_000), 10_100), Ok(()));
        assert_eq!(check(None, u64::MAX), Ok(()));
        let error = check(Some(4_096), 10_100).expect_err("too few").to_string();
        assert_eq!(
            error,
            "10100 open files are needed, and the hard limit is 4096: raise it \
             (`ulimit -Hn 10100`), or choose --scenarios with fewer connections"
        );
    }
}
