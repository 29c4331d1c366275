//! One event, many patterns, few of which match: what does it cost to call the handlers?
//!
//! `cargo xtask bench --dispatch` runs this for each contestant, and prints what it finds.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod contestants;
mod patterns;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

/// Measures a contestant, and prints what it finds as JSON
#[derive(Debug, Parser)]
struct Cli {
    contestant: Contestant,
    /// Patterns besides the three that match
    #[arg(long, default_value_t = 997)]
    others: usize,
    /// Batches of events, of which the median counts
    #[arg(long, default_value_t = 30)]
    batches: usize,
    /// The duration of a batch
    #[arg(long, default_value_t = 20)]
    batch_ms: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Contestant {
    /// sse-kit-dispatch
    Dispatcher,
    /// A loop over globs that are compiled one by one
    Loop,
    /// Prints the patterns, for a contestant in another language
    Patterns,
}

/// The figures that are printed.
#[derive(Debug, serde::Serialize)]
struct Figures {
    /// Of one dispatch, all patterns registered.
    micros: f64,
    /// Of one dispatch, only those registered that match.
    micros_alone: f64,
    /// Of registering all patterns and a first dispatch.
    setup_micros: f64,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let line = match cli.contestant {
        Contestant::Dispatcher => serde_json::to_string(&cli.measure(contestants::dispatcher)?)?,
        Contestant::Loop => serde_json::to_string(&cli.measure(contestants::naive_loop)?)?,
        Contestant::Patterns => patterns::all(cli.others).join("\n"),
    };
    println!("{line}");
    Ok(())
}

impl Cli {
    fn measure<D: FnMut() -> usize>(
        &self,
        make: impl Fn(&[String]) -> Result<D>,
    ) -> Result<Figures> {
        let micros_alone = self.micros(make(&patterns::all(0))?)?;
        let all = patterns::all(self.others);
        let start = Instant::now();
        let mut dispatch = make(&all)?;
        dispatch();
        let setup_micros = micros(start.elapsed());
        Ok(Figures { micros: self.micros(dispatch)?, micros_alone, setup_micros })
    }

    /// Returns the time of one call, as the median over the batches.
    fn micros(&self, mut dispatch: impl FnMut() -> usize) -> Result<f64> {
        let mut batches = Vec::new();
        for _ in 0..self.batches.max(1) {
            let (start, mut calls) = (Instant::now(), 0_u32);
            while start.elapsed() < Duration::from_millis(self.batch_ms) {
                for _ in 0..20 {
                    let handled = dispatch();
                    ensure!(handled == 3, "{handled} handlers were called, not 3");
                }
                calls += 20;
            }
            batches.push(micros(start.elapsed()) / f64::from(calls));
        }
        batches.sort_by(f64::total_cmp);
        Ok(batches[batches.len() / 2])
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
