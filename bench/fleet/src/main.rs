//! `cargo xtask soak fleet`: hubs on one Redis under 100,000 streams, and all hubs restarted in turn.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use fleet::{GeneratorProgram, Lane, Plan};

/// Hold 100,000 streams with several hubs on one Redis, and restart all hubs under them
///
/// Each stream listens to the topic `all` and to that of its group, and gets a message in each interval: nine
/// times of ten one of its group, which are spread over the interval, and then one to all streams at once. After
/// the steady phase the hubs are restarted one after another, and publishing goes on: SIGTERM, a replacement, and
/// the clients come back when the hub told them to, with their last event's id, to the hub with the fewest
/// streams. The tables on stdout have latencies, CPU and memory of both phases.
///
/// Fails at the start if the machine's limits or memory are too small, and at the end if a message was lost, or
/// came twice or out of order. Everything runs on loopback, and needs all CPUs for some minutes.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask soak fleet",
    after_long_help = "\
Examples:
  cargo xtask soak fleet                                100,000 streams, some minutes
  cargo xtask soak fleet --streams 5000 --hubs 3
  cargo xtask soak fleet --lane hyper"
)]
struct Options {
    /// Streams that are open at once
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one())]
    streams: u32,

    /// Hubs, each a process
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..))]
    hubs: u32,

    /// The lane on which the hubs answer streams
    #[arg(long, value_enum, default_value_t = Lane::Fast)]
    lane: Lane,

    /// Streams of a group
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = at_least_one())]
    group: u32,

    /// Messages to each stream before the restart
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = at_least_one())]
    messages: u32,

    /// Milliseconds between two messages to a stream
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = at_least_one())]
    interval: u32,

    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    payload: usize,

    /// Threads of each hub
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one())]
    threads: u32,

    /// The hub's program
    #[arg(long, value_name = "FILE", required_unless_present = "generate")]
    hub: Option<PathBuf>,

    /// Redis' program
    #[arg(long, value_name = "FILE", default_value = "redis-server")]
    redis_server: PathBuf,

    /// Opens streams for the fleet at this address
    #[arg(long, hide = true, value_name = "ADDR")]
    generate: Option<SocketAddr>,
}

fn at_least_one() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..)
}

fn main() -> ExitCode {
    match Options::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn run(self) -> Result<()> {
        if let Some(fleet) = self.generate {
            return fleet::generate(fleet);
        }
        let outcome = fleet::run(&self.plan()?)?;
        println!("{outcome}");
        outcome.check()
    }

    fn plan(self) -> Result<Plan> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        Ok(Plan {
            streams: self.streams,
            hubs: self.hubs,
            group_size: self.group,
            messages: self.messages,
            interval: Duration::from_millis(self.interval.into()),
            payload: self.payload,
            threads: self.threads,
            lane: self.lane,
            hub: self.hub.context("no hub")?,
            redis: self.redis_server,
            generator: GeneratorProgram {
                program,
                arguments: vec!["--generate".into()],
                variable: None,
            },
        })
    }
}
