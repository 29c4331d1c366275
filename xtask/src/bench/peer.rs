//! The servers that are compared.

use std::env::consts::EXE_SUFFIX;

/// A server. All have the same routes, and take the option `--listen`.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub(super) enum Peer {
    /// The example `hub`: sse-kit with its defaults
    Hub,
    /// The same, with streams on the server's own lane
    HubLane,
    /// A bare epoll loop of writes: what the kernel alone costs
    Epoll,
    /// What one writes in Rust today: axum's Sse over tokio's broadcast channel
    Axum,
}

impl Peer {
    pub(super) fn program(self) -> String {
        let name = match self {
            Self::Hub | Self::HubLane => "hub",
            Self::Epoll => "peer-epoll",
            Self::Axum => "peer-axum",
        };
        format!("{name}{EXE_SUFFIX}")
    }

    /// Options beyond those that all have.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::HubLane => &["--own-lane"],
            Self::Hub | Self::Epoll | Self::Axum => &[],
        }
    }
}
