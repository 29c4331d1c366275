//! The programs of tests that cargo builds, and running several of them at a time.

use std::collections::VecDeque;
use std::io::BufReader;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Artifact, Message};

use crate::process;
use crate::workspace::cargo;

/// A program of tests: those of a crate's source, or of one file of `tests/`.
#[derive(Debug)]
pub(super) struct TestProgram {
    /// The package and the target, as in `sse-kit-redis log`.
    pub(super) name: String,
    path: PathBuf,
    /// The folder of the package, in which cargo would run it.
    folder: PathBuf,
}

/// A command that runs tests, by the name that is printed above its output.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) command: Command,
}

impl TestProgram {
    pub(super) fn run(&self) -> Run {
        let mut command = Command::new(&self.path);
        command.current_dir(&self.folder);
        Run { name: self.name.clone(), command }
    }

    /// Reads one message of cargo; `None` if it tells of something else than a program of tests.
    fn from_artifact(artifact: Artifact) -> Option<Self> {
        let path = artifact.executable.filter(|_| artifact.profile.test)?;
        let folder = artifact.manifest_path.parent()?;
        let name = format!("{} {}", folder.file_name()?, artifact.target.name);
        Some(Self { name, path: path.into(), folder: folder.into() })
    }
}

/// Builds all programs of tests, in cargo's order.
pub(super) fn build(packages: &[&str]) -> Result<Vec<TestProgram>> {
    let mut command = cargo("test");
    command.args(packages).args(["--no-run", "--message-format=json-render-diagnostics"]);
    let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let messages = BufReader::new(child.stdout.take().context("stdout was piped")?);
    let mut programs = Vec::new();
    for message in Message::parse_stream(messages) {
        if let Message::CompilerArtifact(artifact) = message? {
            programs.extend(TestProgram::from_artifact(artifact));
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "the tests do not build: {status}");
    Ok(programs)
}

/// Runs them in order, one more at a time than there are cores; `ended` is called with the outcome of each
/// when it has ended.
pub(super) fn run_side_by_side(
    runs: Vec<Run>,
    mut ended: impl FnMut(&str, Result<(ExitStatus, String)>),
) {
    let at_once = thread::available_parallelism().map_or(2, NonZero::get) + 1;
    let waiting = Mutex::new(VecDeque::from(runs));
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (outcomes, received) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..at_once {
            let outcomes = outcomes.clone();
            scope.spawn(move || {
                while let Some(Run { name, mut command }) = next() {
                    // Fails only when nobody reads outcomes any more.
                    let _ = outcomes.send((name, process::capture(&mut command)));
                }
            });
        }
        drop(outcomes);
        for (name, outcome) in received {
            ended(&name, outcome);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_ends_once_and_carries_what_it_said() {
        let runs = (0..10).map(|number| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo {number}; exit {}", number % 2)]);
            Run { name: number.to_string(), command }
        });
        let mut seen = Vec::new();
        run_side_by_side(runs.collect(), |name, outcome| {
            let (status, output) = outcome.expect("the shell can be started");
            assert_eq!(output.trim(), name);
            let number: u32 = name.parse().expect("a number");
            assert_eq!(status.success(), number.is_multiple_of(2));
            seen.push(number);
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_outcome_too() {
        let run = Run { name: "none".to_owned(), command: Command::new("no-such-program") };
        let mut outcomes = Vec::new();
        run_side_by_side(vec![run], |_, outcome| outcomes.push(outcome.is_err()));
        assert_eq!(outcomes, [true]);
    }
}
