//! `cargo xtask bench`: the cost of a delivery by the hub, next to a raw loop and to other servers; the cost of a
//! dispatch; and the instructions of both, here and at another revision.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod callgrind;
mod check;
mod compare;
mod cpus;
mod dispatch;
mod figures;
mod growth;
mod launcher;
mod load;
mod nchan;
mod peer;
mod plot;
mod reference;
mod report;
mod rig;
mod scenario;
mod server;
mod sweep;
mod system;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use xtask::{npm, process, tools, workspace};

use self::compare::Comparison;
use self::peer::Peer;
use self::scenario::Scenario;

/// Measure the fan-out: what a delivery costs the hub, a raw loop and other servers
///
/// Builds and installs what it needs, starts a fresh server for each measurement, loads it from
/// another CPU, checks that every client got every event once and in order, and prints Markdown
/// tables of medians on stdout; progress goes to stderr. Figures in brackets are ratios to
/// the peer `epoll`, which does nothing but the writes. Peers take turns in each repetition,
/// so that a machine that gets slower does so for all of them. A measurement is made again
/// when others took more than 3 % of the CPUs meanwhile: stop everything else before.
///
/// A server that is not there and cannot be installed is named as missing. Fails when the hub lost
/// an event, or delivered it twice or out of order, or kept files open, or when a server that
/// is there could not be measured; never because of speed.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    after_long_help = "\
Examples:
  cargo xtask bench                             all peers in all scenarios, ten minutes
  cargo xtask bench --quick                     does it work at all? a minute
  cargo xtask bench --scenarios idle-10k --reps 5
  cargo xtask bench --peers hub,epoll --json rows.jsonl > tables.md
  cargo xtask bench --report                    how costs grow, as plots for the docs; ten minutes
  cargo xtask bench --dispatch                  handlers among 1,000 patterns, half a minute
  cargo xtask bench --check                     more instructions than at HEAD? a few minutes

Differences under 15 % are noise on a virtual machine."
)]
struct Bench {
    /// Servers to measure, in this order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEERS")]
    #[arg(default_values_t = Peer::ALL)]
    peers: Vec<Peer>,

    /// The scenarios to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCENARIOS")]
    #[arg(default_values_t = Scenario::ALL)]
    scenarios: Vec<Scenario>,

    /// Measure how costs grow instead, with connections, topics, patterns, bytes, delays and threads,
    /// and draw it into the folder docs/src/performance
    #[arg(long, conflicts_with_all = ["peers", "scenarios", "json"])]
    report: bool,

    /// Measure the dispatcher instead: next to a loop over globs, and to the reference in Python,
    /// which is installed into the target folder where Python 3 is there
    #[arg(long, conflicts_with_all = ["peers", "scenarios", "json", "report"])]
    dispatch: bool,

    /// Count the instructions for each event instead, at a revision of git and here, and fail if
    /// they have grown by more than 5 %, or if the cost of an operation grows with something that
    /// should not matter to it, such as publishing with the number of topics; needs valgrind, which
    /// is installed from Debian's packages when run as root
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "HEAD")]
    #[arg(conflicts_with_all = ["peers", "scenarios", "json", "report", "dispatch", "reps", "quick"])]
    check: Option<String>,

    /// Measurements of each peer in each scenario [default: 2, or 1 with --quick or --report, or 3
    /// with --dispatch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    reps: Option<u32>,

    /// A smoke run: few connections, few messages; its figures mean nothing
    #[arg(long)]
    quick: bool,

    /// Write every measurement to this file too, as lines of JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    xtask::exit_code(Bench::parse().run())
}

impl Bench {
    fn run(&self) -> Result<()> {
        if let Some(revision) = &self.check {
            return check::run(revision);
        }
        if self.dispatch {
            return dispatch::run(self.repetitions(3), self.quick);
        }
        if self.report {
            return report::run(self.repetitions(1), self.quick);
        }
        self.comparison().run(self.json.as_deref())
    }

    fn comparison(&self) -> Comparison<'_> {
        Comparison {
            peers: &self.peers,
            scenarios: &self.scenarios,
            repetitions: self.repetitions(2),
            quick: self.quick,
        }
    }

    fn repetitions(&self, usual: u32) -> u32 {
        self.reps.unwrap_or(if self.quick { 1 } else { usual })
    }
}

/// Returns the name of a value on the command line.
fn name(value: &impl ValueEnum) -> String {
    described(value).get_name().to_owned()
}

/// Returns the description of a value in the help of the command line.
fn described(value: &impl ValueEnum) -> clap::builder::PossibleValue {
    value.to_possible_value().expect("none is left out of the help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Bench, clap::Error> {
        Bench::try_parse_from(["bench"].iter().chain(args))
    }

    fn schedule(args: &[&str]) -> Vec<String> {
        let bench = parse(args).expect("good options");
        let step = |(scenario, repetition, peer)| {
            format!("{} {repetition} {}", name(&scenario), name(&peer))
        };
        bench.comparison().schedule().map(step).collect()
    }

    #[test]
    fn by_default_all_peers_take_turns_twice() {
        let steps = schedule(&[]);
        let first = ["hub", "hub-lane", "epoll", "axum", "nchan", "better-sse", "reference"]
            .map(|peer| format!("broadcast-1k 1 {peer}"));
        assert_eq!(steps[..7], first);
        assert_eq!(steps[7], "broadcast-1k 2 hub");
        assert!(!steps.contains(&"broadcast-10k 1 reference".to_owned()));
        assert_eq!(steps.last().expect("there are some"), "gzip-1k 2 axum");
    }

    #[test]
    fn what_is_measured_can_be_chosen() {
        let steps = schedule(&["--peers", "axum,hub", "--scenarios=slow-500", "--reps", "1"]);
        assert_eq!(steps, ["slow-500 1 axum", "slow-500 1 hub"]);
        let quick = schedule(&["--quick"]).len();
        assert_eq!(schedule(&["--quick", "--reps", "2"]).len(), 2 * quick);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for args in [["--peers", "nginx"], ["--scenarios", "100k"], ["--reps", "0"]] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
        assert!(parse(&["--dispatch", "--peers", "hub"]).is_err());
        assert!(parse(&["--report", "--dispatch"]).is_err());
        assert!(parse(&["--dispatch", "--quick"]).is_ok());
        assert!(parse(&["--check", "main", "--quick"]).is_err());
        assert_eq!(parse(&["--check"]).expect("good options").check.as_deref(), Some("HEAD"));
    }

    #[test]
    fn a_smoke_run_needs_few_connections() {
        let most = |args| parse(args).expect("good options").comparison().most_connections();
        assert_eq!(most(&[]), 10_000);
        assert_eq!(most(&["--quick"]), 200);
    }
}
