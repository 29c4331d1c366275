//! The CPUs of programs: the server on CPU 0 and the generator on CPU 1, when that can be had.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

#[derive(Clone, Copy, Debug)]
pub(super) enum Cpus {
    /// One each.
    Pinned,
    /// There are several, but whose is which is left to the kernel.
    Shared,
    /// There is but one.
    Single,
}

impl Cpus {
    pub(super) fn find() -> Self {
        match available_parallelism() {
            Ok(cpus) if cpus.get() == 1 => Self::Single,
            _ if can_pin("0") && can_pin("1") => Self::Pinned,
            _ => Self::Shared,
        }
    }

    /// Returns the caution with which to read the figures, if any.
    pub(super) fn caveat(self) -> Option<&'static str> {
        match self {
            Self::Pinned => None,
            Self::Shared => Some(
                "`taskset` is missing, or may not use CPUs 0 and 1: server and generator are not \
                 pinned, servers may use several threads, and the figures vary more",
            ),
            Self::Single => Some(
                "there is only one CPU, which server and generator share: the figures say \
                 little, latencies nothing",
            ),
        }
    }

    pub(super) fn server(self, program: &Path) -> Command {
        self.command("0", program)
    }

    pub(super) fn generator(self, program: &Path) -> Command {
        let mut command = self.command("1", program);
        if let Self::Single = self {
            // To spin would take the CPU from the server.
            command.arg("--sleep");
        }
        command
    }

    fn command(self, cpu: &str, program: &Path) -> Command {
        match self {
            Self::Pinned => {
                let mut command = taskset(cpu);
                command.arg(program);
                command
            }
            Self::Shared | Self::Single => Command::new(program),
        }
    }
}

/// Tries whether a program can be pinned to this CPU: a container may have other CPUs only.
fn can_pin(cpu: &str) -> bool {
    let status = taskset(cpu).arg("true").stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Returns a command that becomes the program, so that the program has the process id that we know.
fn taskset(cpu: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", cpu]);
    command
}
