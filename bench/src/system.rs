//! Limits and signals of processes.

use std::error::Error;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};

use anyhow::Result;
use rustix::process::{Pid, Signal, kill_process};

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

/// Raises this process's limit on open files as far as it may; a connection is one. Processes
/// that are started afterwards inherit it.
pub(super) fn allow_open_files(needed: u64) -> Result<()> {
    Ok(check(linux::raise_open_files()?, needed)?)
}

/// Asks a process politely to end.
pub(super) fn terminate(child: &Child) -> Result<()> {
    Ok(kill_process(Pid::from_child(child), Signal::TERM)?)
}

/// Returns `true` if a process was killed.
pub(super) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
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
