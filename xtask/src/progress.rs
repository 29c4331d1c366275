//! The lines that a long job prints between the output of others.

use std::io::{IsTerminal, Write, stdout};
use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::process;

/// An error whose story has been printed already; nothing is left to say but the exit code.
#[derive(Debug)]
pub struct Reported;

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for Reported {}

/// Prints a heading before output that others print.
pub fn heading(text: &str) {
    println!("\n== {text}");
}

/// Runs one step of a job, on a line of its own. An error is printed, and comes back as [`Reported`].
pub fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    print!("{name} ... ");
    stdout().flush()?;
    let started = Instant::now();
    let outcome = work();
    let seconds = started.elapsed().as_secs_f32();
    match outcome {
        Ok(()) => println!("ok, {seconds:.1} s"),
        Err(error) => {
            println!("FAILED, {seconds:.1} s\n\n{error:#}");
            return Err(Reported.into());
        }
    }
    Ok(())
}

/// Runs a program as one step; its output is printed only when it fails.
pub fn run_step(name: &str, command: &mut Command) -> Result<()> {
    if stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    step(name, || process::run_quietly(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_reported_once() {
        let error = step("bad", || anyhow::bail!("no")).expect_err("the step fails");
        assert!(error.is::<Reported>());
        assert!(step("good", || Ok(())).is_ok());
    }
}
