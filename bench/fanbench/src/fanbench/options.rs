//! The command line.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum, value_parser};

use crate::marker;

/// The memory for latencies and counts, as a number of deliveries.
const MAX_DELIVERIES: u32 = 50_000_000;

/// Loads a server of Server-Sent Events and prints what that costs it, as a line of JSON
///
/// The server must be fresh and stream `GET /events?topic=T` and take
/// `POST /publish?topic=T` with the payload as its body. Its streams may be compressed when
/// they are asked for with --gzip.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Options {
    pub(crate) scenario: Scenario,
    /// The address of the server, on the IPv4 loopback
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) server: SocketAddr,
    /// The server's process; its children count as the server too
    #[arg(long)]
    pub(crate) pid: u32,
    /// Event streams to open
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = value_parser!(u32).range(1..=15_000))]
    pub(crate) connections: u32,
    /// Topics: the connection number N listens to the topic N modulo this, and each message
    /// goes to one of them at random
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u32).range(1..=15_000))]
    pub(crate) topics: u32,
    /// Listen to the pattern `tN:*` and publish to `tN:x`, where it would be the topic `tN`
    #[arg(long)]
    pub(crate) patterns: bool,
    /// Accept streams that are compressed with gzip
    #[arg(long)]
    pub(crate) gzip: bool,
    /// Messages to publish while measuring
    #[arg(long, value_name = "N", default_value_t = 600)]
    pub(crate) messages: u32,
    /// Messages to publish before that
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) warm_up: u32,
    /// Bytes of a message
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    #[arg(value_parser = value_parser!(u32).range(marker::LENGTH as i64..=1 << 20))]
    pub(crate) payload: u32,
    /// Messages that may be under way at once
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pub(crate) window: u32,
    /// Messages to publish in a second, whether the window allows it or not
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: Option<u32>,
    /// Connections to publish on
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u32).range(1..=64))]
    pub(crate) publishers: u32,
    /// Of a hundred clients, how many never read (scenario slow)
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(0..100))]
    pub(crate) slow_percent: u32,
    /// Connections to open and close, 32 at a time (scenario churn)
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) cycles: u32,
    /// The pause after connecting, before memory is read
    #[arg(long, value_name = "MS", default_value_t = 700)]
    settle_ms: u64,
    /// The time limit for the whole run
    #[arg(long, value_name = "SECS", default_value_t = 60)]
    timeout: u64,
    /// Sleep when there is nothing to do: for a machine with one CPU
    #[arg(long)]
    pub(crate) sleep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Scenario {
    /// Messages to clients that read
    FanOut,
    /// The same, but some clients never read
    Slow,
    /// Connections that are never sent anything: what they take in memory
    Idle,
    /// Connections that are closed as soon as the response has begun, and others opened
    Churn,
}

impl Options {
    /// Refuses what one option alone cannot tell.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.server.is_ipv4(), "--server must be an IPv4 address");
        ensure!(
            self.connections.is_multiple_of(self.topics),
            "--connections must be a multiple of --topics"
        );
        let messages = self.messages.saturating_add(self.warm_up);
        let receivers = self.receivers();
        ensure!(
            messages.saturating_mul(receivers) <= MAX_DELIVERIES,
            "{messages} messages to {receivers} clients are more than {MAX_DELIVERIES} deliveries"
        );
        Ok(())
    }

    pub(crate) fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Returns the number of receivers of each topic.
    pub(crate) fn receivers(&self) -> u32 {
        self.connections / self.topics
    }

    /// Returns the number of connections that never read.
    pub(crate) fn slow_connections(&self) -> u32 {
        if self.scenario == Scenario::Slow { self.connections * self.slow_percent / 100 } else { 0 }
    }
}
