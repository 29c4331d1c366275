//! The scenarios in which servers are compared.

use std::str::FromStr;

use super::load::{Gzip, Load, Shape};
use super::peer::Peer;
use super::tables::number;
use super::{described, name};

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
    /// The same, each event with those before it
    #[value(name = "gzip-window-1k")]
    GzipWindow1k,
    /// One topic for all, one message at a time, of another size
    #[value(skip)]
    Sized(Size),
}

/// Connections, and the bytes of a message, as `4000x300`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    connections: u32,
    payload: u32,
}

impl Size {
    /// Sizes for which nothing was tuned.
    pub(super) const ALL: &str = "500x64,500x300,500x1024,1000x64,1000x300,1000x1024,4000x64,4000x300,\
         4000x1024,10000x64,10000x300,10000x1024,15000x64,15000x300,15000x1024";
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('x').and_then(|(connections, payload)| {
            Some(Self { connections: connections.parse().ok()?, payload: payload.parse().ok()? })
        });
        // The limits of the load generator.
        numbers
            .filter(|size| (1..=15_000).contains(&size.connections))
            .filter(|size| (32..=1 << 20).contains(&size.payload))
            .ok_or_else(|| {
                "write connections (1 to 15000), `x` and bytes (32 to 1048576): `4000x300`"
                    .to_owned()
            })
    }
}

impl Scenario {
    pub(super) const ALL: [Self; 10] = [
        Self::Broadcast1k,
        Self::Broadcast10k,
        Self::Broadcast10kLong,
        Self::Window1k,
        Self::Targeted1k,
        Self::Idle10k,
        Self::Churn,
        Self::Slow500,
        Self::Gzip1k,
        Self::GzipWindow1k,
    ];

    /// The name on the command line and in tables.
    pub(super) fn name(self) -> String {
        match self {
            Self::Sized(Size { connections, payload }) => {
                format!("{} connections, {payload} B", number(connections.into(), 0))
            }
            named => name(&named),
        }
    }

    /// A sentence without its full stop.
    pub(super) fn about(self) -> String {
        let named = if let Self::Sized(_) = self { Self::Broadcast1k } else { self };
        described(&named).get_help().map(ToString::to_string).unwrap_or_default()
    }

    pub(super) fn load(self) -> Load {
        match self {
            Self::Sized(Size { connections, payload }) => Load {
                connections,
                payload,
                messages: (200_000 / connections).clamp(20, 2_000),
                warm_up: if connections < 5_000 { 10 } else { 3 },
                ..Load::BROADCAST
            },
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
                shape: Shape::Idle,
                connections: 10_000,
                settle_ms: 1_500,
                ..Load::BROADCAST
            },
            Self::Churn => {
                Load { shape: Shape::Churn, topics: 50, cycles: 40_000, ..Load::BROADCAST }
            }
            Self::Slow500 => Load {
                shape: Shape::Slow,
                connections: 500,
                messages: 1_500,
                payload: 4_096,
                window: 16,
                ..Load::BROADCAST
            },
            Self::Gzip1k => {
                Load { payload: 1_024, messages: 100, gzip: Gzip::Event, ..Load::BROADCAST }
            }
            Self::GzipWindow1k => Load { gzip: Gzip::Window, ..Self::Gzip1k.load() },
        }
    }

    /// Returns `true` if the scenario says anything about this server.
    pub(super) fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Gzip1k | Self::GzipWindow1k => self.load().gzip.suits(peer),
            // A message to 10,000 takes a second there, and a test of it minutes.
            Self::Broadcast10k | Self::Broadcast10kLong | Self::Sized(_) => peer != Peer::Reference,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_an_x() {
        let size: Size = "4000x300".parse().expect("a size");
        let scenario = Scenario::Sized(size);
        assert_eq!(scenario.name(), "4,000 connections, 300 B");
        let Load { connections, payload, messages, .. } = scenario.load();
        assert_eq!((connections, payload, messages), (4_000, 300, 50));
        assert_eq!(Size::ALL.split(',').flat_map(str::parse::<Size>).count(), 15);
        for wrong in ["", "4000", "x300", "0x300", "15001x64", "1x8", "4000x-1", "4000x300x1"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
