//! `cargo xtask bench --dispatch`: what it costs to find the handlers of an event.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::reference;
use super::tables::{markdown, median, number};
use crate::process;
use crate::workspace::{Workspace, cargo};

const TITLE: &str = "\
### dispatch

One event, 1,000 patterns of which 3 match, handlers that return a number. One thread.";

/// A library that is measured, in the order of the table; the others are compared with the first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contestant {
    Dispatcher,
    Loop,
    Reference,
}

const CONTESTANTS: [(Contestant, &str); 3] = [
    (Contestant::Dispatcher, "sse-kit-dispatch"),
    (Contestant::Loop, "a loop over compiled globs"),
    (Contestant::Reference, "the reference (Python)"),
];

#[derive(Clone, Copy, Debug, serde::Deserialize)]
struct Figures {
    micros: f64,
    micros_alone: f64,
    setup_micros: f64,
}

/// A column of the table.
type Figure = (&'static str, fn(&Figures) -> f64);

const COLUMNS: [Figure; 3] = [
    ("µs per dispatch", |figures| figures.micros),
    ("with the 3 alone", |figures| figures.micros_alone),
    ("µs to register all and dispatch once", |figures| figures.setup_micros),
];

/// Measures all contestants in turn, as often as asked for, and prints a table of medians.
pub(super) fn run(repetitions: u32, quick: bool) -> Result<()> {
    let workspace = Workspace::load()?;
    process::run(cargo("build").args(["--release", "--package", "dispatchbench"]))?;
    let bench = Bench {
        program: workspace.target_dir().join("release/dispatchbench"),
        script: workspace.root().join("bench/dispatchbench/reference.py"),
        python: reference::install(&workspace)
            .inspect_err(|error| eprintln!("note: the reference is missing: {error:#}"))
            .ok(),
        batches: if quick { "3" } else { "30" },
    };
    let mut rows = Vec::new();
    for repetition in 1..=repetitions {
        for (contestant, name) in CONTESTANTS {
            if let Some(figures) = bench.measure(contestant).context(name)? {
                eprintln!("{repetition} {name}: {:.2} µs per dispatch", figures.micros);
                rows.push((contestant, figures));
            }
        }
    }
    println!("{}", table(&rows));
    Ok(())
}

/// The programs and settings of a measurement.
struct Bench {
    program: PathBuf,
    script: PathBuf,
    /// With the reference installed, if it could be.
    python: Option<PathBuf>,
    batches: &'static str,
}

const BATCH_MS: &str = "20";

impl Bench {
    /// Measures a contestant; `None` if it is missing.
    fn measure(&self, contestant: Contestant) -> Result<Option<Figures>> {
        let mut command = Command::new(&self.program);
        let options = ["--batches", self.batches, "--batch-ms", BATCH_MS];
        let output = match (contestant, &self.python) {
            (Contestant::Dispatcher, _) => command.arg("dispatcher").args(options).output()?,
            (Contestant::Loop, _) => command.arg("loop").args(options).output()?,
            (Contestant::Reference, None) => return Ok(None),
            (Contestant::Reference, Some(python)) => {
                let mut patterns = command.arg("patterns").stdout(Stdio::piped()).spawn()?;
                let stdin = patterns.stdout.take().context("its stdout was piped")?;
                let mut reference = Command::new(python);
                reference.arg(&self.script).args([self.batches, BATCH_MS]).stdin(stdin);
                let output = reference.output()?;
                patterns.wait()?;
                output
            }
        };
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", said.trim());
        Ok(Some(serde_json::from_slice(&output.stdout).context("cannot read its figures")?))
    }
}

/// Medians, and in brackets what they are to that of the first contestant.
fn table(rows: &[(Contestant, Figures)]) -> String {
    let titles = COLUMNS.iter().map(|(title, _)| (*title).to_owned());
    let mut lines: Vec<Vec<String>> =
        vec![std::iter::once("contestant".to_owned()).chain(titles).collect()];
    for (contestant, name) in CONTESTANTS {
        let cells = COLUMNS.iter().map(|(_, figure)| {
            let of = |who| {
                let figures = rows.iter().filter(|(contestant, _)| *contestant == who);
                let mut values: Vec<f64> = figures.map(|(_, figures)| figure(figures)).collect();
                values.sort_by(f64::total_cmp);
                median(&values)
            };
            match (of(contestant), of(CONTESTANTS[0].0)) {
                (Some(value), Some(first)) => {
                    format!("{} ({})", number(value, 2), number(value / first, 1))
                }
                _ => "missing".to_owned(),
            }
        });
        lines.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    format!("{TITLE}\n\n{}", markdown(&lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_compared_with_the_dispatcher_and_the_missing_is_named() {
        let figures = |micros| Figures { micros, micros_alone: 1.0, setup_micros: 10.0 * micros };
        let rows = [
            (Contestant::Dispatcher, figures(2.0)),
            (Contestant::Loop, figures(90.0)),
            (Contestant::Dispatcher, figures(3.0)),
            (Contestant::Loop, figures(20.0)),
            (Contestant::Dispatcher, figures(1.0)),
            (Contestant::Loop, figures(20.0)),
        ];
        let table = table(&rows);
        let lines: Vec<String> = table
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(lines[2], "| sse-kit-dispatch | 2.00 (1.0) | 1.00 (1.0) | 20.00 (1.0) |");
        assert_eq!(
            lines[3],
            "| a loop over compiled globs | 20.00 (10.0) | 1.00 (1.0) | 200.00 (10.0) |"
        );
        assert_eq!(lines[4], "| the reference (Python) | missing | missing | missing |");
    }
}
