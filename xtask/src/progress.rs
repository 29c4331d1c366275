//! Steps of a long job as one sees them: on a terminal one line each, rewritten while
//! it runs; elsewhere plain lines.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use anyhow::Result;

/// The longest a running step's line gets, so that it never wraps: a wrapped line
/// cannot be rewritten.
const COLUMNS: usize = 78;

/// An error whose story has been printed already; nothing is left to say but the exit code.
#[derive(Debug)]
pub struct Reported;

impl std::fmt::Display for Reported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("see above")
    }
}

impl std::error::Error for Reported {}

/// A heading before output that others print.
pub fn heading(text: &str) {
    println!("\n== {text}");
}

/// A row of steps, the first failure of which ends the job.
#[derive(Debug)]
pub struct Steps {
    display: Display,
    started: Instant,
}

impl Steps {
    /// Begins: the clock is at zero.
    pub fn begin() -> Self {
        let live = std::io::stdout().is_terminal() && std::env::var_os("CI").is_none();
        let display = if live { Display::Terminal } else { Display::Plain };
        Self { display, started: Instant::now() }
    }

    /// Returns whether progress is shown on a terminal, which has colours.
    pub fn on_terminal(&self) -> bool {
        self.display == Display::Terminal
    }

    /// Does one step. `work` is given a function that shows what it is busy with. An
    /// error is printed, and comes back as [`Reported`].
    pub fn step(
        &self,
        name: &str,
        work: impl FnOnce(&mut dyn FnMut(&str)) -> Result<()>,
    ) -> Result<()> {
        let display = self.display;
        display.started(name);
        let started = Instant::now();
        let outcome = work(&mut |detail| display.busy(name, detail));
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => display.passed(name, seconds),
            Err(error) => {
                display.failed(name, seconds);
                println!("\n{error:#}");
                return Err(Reported.into());
            }
        }
        Ok(())
    }

    /// The last line of a job that went well.
    pub fn done(&self, what: &str) {
        println!("{what} in {:.1} s", self.started.elapsed().as_secs_f32());
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Display {
    Terminal,
    Plain,
}

impl Display {
    fn started(self, name: &str) {
        match self {
            Self::Terminal => self.busy(name, ""),
            Self::Plain => println!("{name} ..."),
        }
    }

    fn busy(self, name: &str, detail: &str) {
        if self == Self::Terminal {
            let line = format!("{name}  {}", without_colours(detail).trim());
            let line: String = line.chars().take(COLUMNS).collect();
            print!("\r\x1b[K\x1b[2m…\x1b[0m {line}");
            // A terminal that went away is no reason to fail.
            let _ = std::io::stdout().flush();
        }
    }

    fn passed(self, name: &str, seconds: f32) {
        match self {
            Self::Terminal => {
                println!("\r\x1b[K\x1b[32m✓\x1b[0m {name}  \x1b[2m{seconds:.1} s\x1b[0m");
            }
            Self::Plain => println!("{name} ok, {seconds:.1} s"),
        }
    }

    fn failed(self, name: &str, seconds: f32) {
        match self {
            Self::Terminal => {
                println!("\r\x1b[K\x1b[31m✗\x1b[0m {name}  \x1b[2m{seconds:.1} s\x1b[0m");
            }
            Self::Plain => println!("{name} FAILED, {seconds:.1} s"),
        }
    }
}

/// Text without the escape sequences that colour it.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go() {
        assert_eq!(without_colours("\x1b[1m\x1b[32mChecking\x1b[0m hyper"), "Checking hyper");
        assert_eq!(without_colours("plain"), "plain");
        assert_eq!(without_colours("cut \x1b[3"), "cut ");
    }

    #[test]
    fn a_failed_step_is_reported_once() {
        let steps = Steps { display: Display::Plain, started: Instant::now() };
        let error = steps.step("bad", |_| anyhow::bail!("no")).expect_err("the step fails");
        assert!(error.is::<Reported>());
        assert!(steps.step("good", |_| Ok(())).is_ok());
    }
}
