//! The scenarios in which servers are compared.

use super::load::{Load, MessageFormat};
use super::peer::Peer;

/// The descriptions are those of `--help` and of the tables.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// One topic for all, one message at a time
    #[value(name = "broadcast-1k")]
    Broadcast1k,
    /// The same with ten times the connections
    #[value(name = "broadcast-10k")]
    Broadcast10k,
    /// The same with messages of 1 KiB
    #[value(name = "broadcast-10k-1kib")]
    Broadcast10kLong,
    /// One topic for all, 16 messages under way, which may be written together
    #[value(name = "window-1k")]
    Window1k,
    /// A topic for each connection, 8 messages under way
    #[value(name = "targeted-1k")]
    Targeted1k,
    /// Connections that are sent nothing: what they take in memory
    #[value(name = "idle-10k")]
    Idle10k,
    /// Connections that come, and go as soon as their stream has begun, 32 at a time
    #[value(name = "churn")]
    Churn,
    /// One topic for all, 16 long messages under way, a tenth of the clients never reads
    #[value(name = "slow-500")]
    Slow500,
    /// One topic for all, one message of 1 KiB at a time, compressed
    #[value(name = "gzip-1k")]
    Gzip1k,
}

impl Scenario {
    pub(super) const ALL: [Self; 9] = [
        Self::Broadcast1k,
        Self::Broadcast10k,
        Self::Broadcast10kLong,
        Self::Window1k,
        Self::Targeted1k,
        Self::Idle10k,
        Self::Churn,
        Self::Slow500,
        Self::Gzip1k,
    ];

    pub(super) fn load(self) -> Load {
        match self {
            Self::Broadcast1k => Load::BROADCAST,
            Self::Broadcast10k => {
                Load { connections: 10_000, messages: 30, warm_up: 3, ..Load::BROADCAST }
            }
            Self::Broadcast10kLong => Load { payload: 1_024, ..Self::Broadcast10k.load() },
            Self::Window1k => Load { messages: 1_000, window: 16, ..Load::BROADCAST },
            Self::Targeted1k => Load {
                topics: 1_000,
                messages: 60_000,
                warm_up: 2_000,
                window: 8,
                publishers: 8,
                ..Load::BROADCAST
            },
            Self::Idle10k => Load {
                shape: MessageFormat::Idle,
                connections: 10_000,
                settle_ms: 1_500,
                ..Load::BROADCAST
            },
            Self::Churn => {
                Load { shape: MessageFormat::Churn, topics: 50, cycles: 40_000, ..Load::BROADCAST }
            }
            Self::Slow500 => Load {
                shape: MessageFormat::Slow,
                connections: 500,
                messages: 1_500,
                payload: 4_096,
                window: 16,
                ..Load::BROADCAST
            },
            Self::Gzip1k => Load { payload: 1_024, messages: 100, gzip: true, ..Load::BROADCAST },
        }
    }

    /// Returns `true` if the scenario says anything about this server.
    pub(super) fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Gzip1k => peer.compresses(),
            // A message to 10,000 takes a second there, and a test of it minutes.
            Self::Broadcast10k | Self::Broadcast10kLong => peer != Peer::Reference,
            _ => true,
        }
    }
}
