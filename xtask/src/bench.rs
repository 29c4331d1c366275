//! `cargo xtask bench`: what a delivery costs the hub, next to a raw loop and to axum; and what a
//! dispatch costs.

mod check;
mod cpus;
mod dispatch;
mod figures;
mod peer;
mod scenario;
mod server;
mod system;
mod tables;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::json;

use self::cpus::Cpus;
use self::figures::{Figures, Row};
use self::peer::Peer;
use self::scenario::{Load, Scenario};
use self::server::Server;
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Above this share of stolen or foreign CPU time a measurement is made again, once.
const TOLERATED_PERCENT: f64 = 3.0;

/// Files that are open besides the subscribers' connections, and some to spare.
const OTHER_FILES: u64 = 100;

/// Measure the fan-out: what a delivery costs the hub, a raw loop and axum
///
/// Builds all in release, starts a fresh server for each measurement, loads it from another
/// CPU, checks that every client got every event once and in order, and prints Markdown
/// tables of medians on stdout; progress goes to stderr. Figures in brackets are ratios to
/// the peer `epoll`, which does nothing but the writes. Peers take turns in each repetition,
/// so that a machine that gets slower does so for all of them. A measurement is made again
/// when others took more than 3 % of the CPUs meanwhile: stop everything else before.
///
/// Fails when an event was lost, came twice or out of order, or when a peer could not be
/// measured; never because of speed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask bench                             all peers, some minutes
  cargo xtask bench --quick                     does it work at all? some seconds
  cargo xtask bench --scenarios idle-10k --reps 5
  cargo xtask bench --peers hub,epoll --json rows.jsonl > tables.md
  cargo xtask bench --dispatch                  handlers among 1,000 patterns, half a minute
  cargo xtask bench --check                     more instructions than at HEAD? a minute or two

Differences under 15 % are noise on a virtual machine.")]
pub(crate) struct Bench {
    /// Servers to measure, in this order
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PEERS")]
    #[arg(default_values_t = [Peer::Hub, Peer::HubLane, Peer::Epoll, Peer::Axum])]
    peers: Vec<Peer>,

    /// What to do to them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "SCENARIOS")]
    #[arg(default_values_t = Scenario::USUAL)]
    scenarios: Vec<Scenario>,

    /// Measure the dispatcher instead: next to a loop over globs, and to the reference in Python,
    /// which is installed into the target folder where Python 3 is there
    #[arg(long, conflicts_with_all = ["peers", "scenarios", "json"])]
    dispatch: bool,

    /// Count the instructions of what happens for each event instead, at a revision of git and
    /// here, and fail when they have grown by more than 5 %; with valgrind, which is installed
    /// from Debian's packages when we are root
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "HEAD")]
    #[arg(conflicts_with_all = ["peers", "scenarios", "json", "dispatch", "reps", "quick"])]
    check: Option<String>,

    /// Measurements of each peer in each scenario [default: 3, or 1 with --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    reps: Option<u32>,

    /// A smoke run: few connections, few messages; its figures mean nothing
    #[arg(long)]
    quick: bool,

    /// Write every measurement to this file too, as lines of JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Bench {
    pub(crate) fn run(&self) -> Result<()> {
        if let Some(revision) = &self.check {
            return check::run(revision);
        }
        if self.dispatch {
            return dispatch::run(self.repetitions(), self.quick);
        }
        ensure!(cfg!(target_os = "linux"), "the benchmark reads /proc and needs Linux");
        let mut json = self.json.as_deref().map(create).transpose()?;
        system::allow_open_files(self.open_files())?;
        let programs = self.build()?;
        let cpus = Cpus::find();
        if let Some(caveat) = cpus.caveat() {
            eprintln!("note: {caveat}");
        }
        let mut rows = Vec::new();
        let mut failures = Vec::new();
        for (scenario, repetition, peer) in self.schedule() {
            let title = format!("{} {repetition} {}", name(&scenario), name(&peer));
            match self.measure(&programs, cpus, scenario, peer) {
                Ok(figures) => {
                    eprintln!("{title}: {}", figures.summary());
                    let row = Row { scenario, peer, figures };
                    if let Some(file) = &mut json {
                        write_row(file, &row, repetition).context("cannot write the JSON file")?;
                    }
                    failures
                        .extend(row.figures.faults().map(|faults| format!("{title}: {faults}")));
                    rows.push(row);
                }
                Err(error) => {
                    eprintln!("{title}: FAILED");
                    failures.push(format!("{title}: {error:#}"));
                }
            }
        }
        for &scenario in &self.scenarios {
            println!("{}", tables::table(scenario, &self.load(scenario), &self.peers, &rows));
        }
        if failures.is_empty() {
            return Ok(());
        }
        bail!("the benchmark found faults\n{}", failures.join("\n"))
    }

    /// Builds what is measured; returns the folder that has it.
    fn build(&self) -> Result<PathBuf> {
        let workspace = Workspace::load()?;
        let mut command = cargo("build");
        command.args(["--release", "--package", "fanbench"]);
        if self.peers.iter().any(|peer| matches!(peer, Peer::Hub | Peer::HubLane)) {
            command.args(["--package", "hub"]);
        }
        process::run(&mut command)?;
        Ok(workspace.target_dir().join("release"))
    }

    fn schedule(&self) -> impl Iterator<Item = (Scenario, u32, Peer)> {
        let repetitions = self.repetitions();
        self.scenarios.iter().flat_map(move |&scenario| {
            (1..=repetitions).flat_map(move |repetition| {
                self.peers.iter().map(move |&peer| (scenario, repetition, peer))
            })
        })
    }

    fn repetitions(&self) -> u32 {
        self.reps.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// What the server and the generator each need at most.
    fn open_files(&self) -> u64 {
        let connections = |&scenario| u64::from(self.load(scenario).connections);
        OTHER_FILES + self.scenarios.iter().map(connections).max().unwrap_or(0)
    }

    fn load(&self, scenario: Scenario) -> Load {
        let load = scenario.load();
        if self.quick { load.quickly() } else { load }
    }

    /// Measures once, or twice when the first time was disturbed.
    fn measure(
        &self,
        programs: &Path,
        cpus: Cpus,
        scenario: Scenario,
        peer: Peer,
    ) -> Result<Figures> {
        let load = self.load(scenario);
        let figures = measure_once(programs, cpus, &load, peer)?;
        // In a smoke run a single tick of the clock is more than that.
        if self.quick || figures.disturbed_percent() <= TOLERATED_PERCENT {
            return Ok(figures);
        }
        eprintln!("disturbed, once more: {}", figures.summary());
        Ok(figures.or_better(measure_once(programs, cpus, &load, peer)?))
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn measure_once(programs: &Path, cpus: Cpus, load: &Load, peer: Peer) -> Result<Figures> {
    let mut command = cpus.server(&programs.join(peer.program()));
    command.args(["--listen", "127.0.0.1:0"]).args(peer.options());
    let mut server = Server::start(&mut command)?;
    let address = server.address()?;

    let mut generator = cpus.generator(&programs.join("fanbench"));
    generator.args(load.args());
    generator.args(["--server", &address.to_string(), "--pid", &server.pid().to_string()]);
    let output = generator.output().context("cannot start the load generator")?;
    server.check_running()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    serde_json::from_slice(&output.stdout).context("cannot read the load generator's figures")
}

fn write_row(file: &mut File, row: &Row, repetition: u32) -> Result<()> {
    let (scenario, peer) = (name(&row.scenario), name(&row.peer));
    let line = json!({
        "scenario": scenario, "peer": peer, "repetition": repetition, "figures": row.figures,
    });
    Ok(writeln!(file, "{line}")?)
}

/// What it is called on the command line.
fn name(value: &impl ValueEnum) -> String {
    described(value).get_name().to_owned()
}

/// What the command line's help says of it.
fn described(value: &impl ValueEnum) -> clap::builder::PossibleValue {
    value.to_possible_value().expect("none is left out of the help")
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn parse(args: &[&str]) -> Result<Bench, clap::Error> {
        let command = Bench::augment_args(clap::Command::new("bench").no_binary_name(true));
        Bench::from_arg_matches(&command.try_get_matches_from(args)?)
    }

    fn schedule(args: &[&str]) -> Vec<String> {
        let bench = parse(args).expect("good options");
        let step = |(scenario, repetition, peer)| {
            format!("{} {repetition} {}", name(&scenario), name(&peer))
        };
        bench.schedule().map(step).collect()
    }

    #[test]
    fn by_default_all_peers_take_turns_three_times() {
        let steps = schedule(&[]);
        assert_eq!(steps.len(), 4 * 3 * 4);
        let first =
            ["hub", "hub-lane", "epoll", "axum"].map(|peer| format!("broadcast-1k 1 {peer}"));
        assert_eq!(steps[..4], first);
        assert_eq!(steps[4], "broadcast-1k 2 hub");
        assert_eq!(steps[47], "idle-10k 3 axum");
    }

    #[test]
    fn what_is_measured_can_be_chosen() {
        let steps = schedule(&["--peers", "axum,hub", "--scenarios=slow-500", "--reps", "1"]);
        assert_eq!(steps, ["slow-500 1 axum", "slow-500 1 hub"]);
        assert_eq!(schedule(&["--quick"]).len(), 4 * 4);
        assert_eq!(schedule(&["--quick", "--reps", "2"]).len(), 4 * 2 * 4);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for args in [["--peers", "nginx"], ["--scenarios", "100k"], ["--reps", "0"]] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
        assert!(parse(&["--dispatch", "--peers", "hub"]).is_err());
        assert!(parse(&["--dispatch", "--quick"]).is_ok());
        assert!(parse(&["--check", "main", "--quick"]).is_err());
        assert_eq!(parse(&["--check"]).expect("good options").check.as_deref(), Some("HEAD"));
    }

    #[test]
    fn a_smoke_run_needs_few_open_files() {
        assert_eq!(parse(&[]).expect("defaults").open_files(), 10_100);
        assert_eq!(parse(&["--quick"]).expect("a smoke run").open_files(), 300);
    }
}
