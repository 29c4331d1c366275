//! The servers that are compared.

use std::env::consts::EXE_SUFFIX;

/// A server. All have the same routes and take the same options.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub(super) enum Peer {
    /// The example `hub`: sse-kit with its defaults
    Hub,
    /// A bare epoll loop of writes: what the kernel alone costs
    Epoll,
    /// What one writes in Rust today: axum's Sse over tokio's broadcast channel
    Axum,
}

impl Peer {
    pub(super) fn program(self) -> String {
        let name = match self {
            Self::Hub => "hub",
            Self::Epoll => "peer-epoll",
            Self::Axum => "peer-axum",
        };
        format!("{name}{EXE_SUFFIX}")
    }
}
