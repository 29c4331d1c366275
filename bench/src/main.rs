//! `cargo xtask bench`: the cost of a delivery by the hub, next to a raw loop and to other servers; the cost of a
//! dispatch; and the instructions of both, here and at another revision.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod aims;
mod callgrind;
mod check;
mod compare;
mod cpus;
mod dispatch;
mod figures;
mod growth;
mod hub_count;
mod launcher;
mod load;
mod machine;
mod nchan;
mod peer;
mod plot;
mod reference;
mod report;
mod rig;
mod scenario;
mod server;
mod spread;
mod sweep;
mod system;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use xtask::{digits, npm, process, tools, workspace};

use self::compare::Comparison;
use self::peer::Peer;
use self::scenario::{Scenario, Size};

/// Measure the fan-out: what a delivery costs the hub, a raw loop and other servers
///
/// Builds and installs what it needs, starts a fresh server for each measurement, loads it from
/// another CPU, checks that every client got every event once and in order, and prints Markdown
/// tables of medians with their quartiles and aims on stdout; progress goes to stderr. Peers take turns
/// in each repetition, so that a machine that gets slower does so for all of them, and ratios are
/// of the same repetition: to the peer `epoll`, which does nothing but the writes. A ratio that varies by
/// more than it differs from 1 is not printed. Before it, the machine is looked at, and what makes it unfit
/// is said by name. A measurement is made again when others took more than 3 % of the CPUs
/// meanwhile: stop everything else before.
///
/// A server that is not there and cannot be installed is named as missing. Fails when the hub lost
/// an event, or delivered it twice or out of order, or kept files open, or when a server that
/// is there could not be measured; never because of speed.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[command(
    name = "cargo xtask bench",
    after_long_help = "\
Examples:
  cargo xtask bench                             all peers in all scenarios, half an hour
  cargo xtask bench --quick                     does it work at all? a minute
  cargo xtask bench --scenarios idle-10k --reps 9
  cargo xtask bench --sizes                     sizes that nobody tuned for, half an hour
  cargo xtask bench --sizes 4000x300 --peers hub-hyper,epoll
  cargo xtask bench --peers hub,epoll --json rows.jsonl > tables.md
  cargo xtask bench --report                    how costs grow, as plots for the docs; ten minutes
  cargo xtask bench --dispatch                  handlers among 1,000 patterns, half a minute
  cargo xtask bench --instructions              of a delivery, in whole servers
  cargo xtask bench --check                     more instructions than at HEAD? a few minutes
"
)]
struct Bench {
    /// Servers to measure, in this order [default: all; with --sizes hub, hub-hyper, epoll and axum]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEERS")]
    peers: Vec<Peer>,

    /// The scenarios to measure
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCENARIOS")]
    #[arg(default_values_t = Scenario::ALL)]
    scenarios: Vec<Scenario>,

    /// Measure broadcasts of these sizes instead, connections and bytes of a message each [default: 500,
    /// 1,000, 4,000, 10,000 and 15,000 connections with 64, 300 and 1,024 bytes]
    #[arg(long, value_delimiter = ',', value_name = "CONNECTIONSxBYTES", num_args = 0..=1)]
    #[arg(default_missing_value = Size::ALL, conflicts_with = "scenarios")]
    sizes: Vec<Size>,

    /// Measure how costs grow instead, with connections, topics, patterns, bytes, delays and threads,
    /// and draw it into the folder docs/src/performance
    #[arg(long, conflicts_with_all = ["peers", "scenarios", "sizes", "json"])]
    report: bool,

    /// Measure the dispatcher instead: next to a loop over globs, and to the reference in Python,
    /// which is installed into the target folder where Python 3 is there
    #[arg(long, conflicts_with_all = ["peers", "scenarios", "sizes", "json", "report"])]
    dispatch: bool,

    /// Count the instructions for each event instead, at a revision of git and here, and fail if
    /// they have grown by more than 5 %, or if the cost of an operation grows with something that
    /// should not matter to it, such as publishing with the number of topics; needs valgrind, which
    /// is installed from Debian's packages when run as root
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "HEAD")]
    #[arg(conflicts_with_all = ["peers", "scenarios", "sizes", "json", "report", "dispatch", "reps", "quick"])]
    check: Option<String>,

    /// Count the instructions of a delivery in whole servers instead: the hub, the raw loop and axum; with
    /// valgrind
    #[arg(long)]
    #[arg(conflicts_with_all = ["peers", "scenarios", "sizes", "json", "report", "dispatch", "check"])]
    instructions: bool,

    /// Measurements of each peer in each scenario [default: 5, or 1 with --quick or --report, or 3
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
        if self.instructions {
            return hub_count::run();
        }
        if self.dispatch {
            return dispatch::run(self.repetitions(3), self.quick);
        }
        if self.report {
            return report::run(self.repetitions(1), self.quick);
        }
        self.comparison().run(self.json.as_deref())
    }

    fn comparison(&self) -> Comparison {
        let sizes: Vec<_> = self.sizes.iter().copied().map(Scenario::Sized).collect();
        let usual: &[Peer] = if sizes.is_empty() { &Peer::ALL } else { &Peer::OF_SIZES };
        Comparison {
            peers: if self.peers.is_empty() { usual.to_vec() } else { self.peers.clone() },
            scenarios: if sizes.is_empty() { self.scenarios.clone() } else { sizes },
            repetitions: self.repetitions(5),
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
        let step = |(scenario, repetition, peer): (Scenario, u32, Peer)| {
            format!("{} {repetition} {}", scenario.name(), name(&peer))
        };
        bench.comparison().schedule().map(step).collect()
    }

    #[test]
    fn by_default_all_peers_take_turns_five_times() {
        let steps = schedule(&[]);
        let first = ["hub", "hub-hyper", "epoll", "axum", "nchan", "better-sse", "reference"]
            .map(|peer| format!("broadcast-1k 1 {peer}"));
        assert_eq!(steps[..7], first);
        assert_eq!(steps[7], "broadcast-1k 2 hub");
        assert!(!steps.contains(&"broadcast-10k 1 reference".to_owned()));
        assert_eq!(steps.last().expect("there are some"), "gzip-window-1k 5 hub-hyper");
    }

    #[test]
    fn what_is_measured_can_be_chosen() {
        let steps = schedule(&["--peers", "axum,hub", "--scenarios=slow-500", "--reps", "1"]);
        assert_eq!(steps, ["slow-500 1 axum", "slow-500 1 hub"]);
        let quick = schedule(&["--quick"]).len();
        assert_eq!(schedule(&["--quick", "--reps", "2"]).len(), 2 * quick);
    }

    #[test]
    fn sizes_have_peers_of_their_own() {
        let steps = schedule(&["--sizes", "--reps", "1"]);
        assert_eq!(steps.len(), 15 * 4);
        assert_eq!(steps[0], "500 connections, 64 B 1 hub");
        let steps = schedule(&["--sizes=4000x300,15000x64", "--peers", "hub-hyper", "--reps=1"]);
        let expected =
            ["4,000 connections, 300 B 1 hub-hyper", "15,000 connections, 64 B 1 hub-hyper"];
        assert_eq!(steps, expected);
        assert!(parse(&["--sizes", "--scenarios", "churn"]).is_err());
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
