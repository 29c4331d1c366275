//! The servers that are compared.

/// A server. All have the same routes.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
pub(super) enum Peer {
    /// The program `hub`: sse-kit with its defaults
    Hub,
    /// The same, with streams that hyper answers
    HubHyper,
    /// A bare epoll loop of writes: what the kernel alone costs
    Epoll,
    /// The usual way in Rust today: axum's Sse over tokio's broadcast channel
    Axum,
    /// nchan, a module of nginx
    Nchan,
    /// better-sse on Node.js
    BetterSse,
    /// The library in Python that sse-kit follows
    Reference,
}

impl Peer {
    pub(super) const ALL: [Self; 7] = [
        Self::Hub,
        Self::HubHyper,
        Self::Epoll,
        Self::Axum,
        Self::Nchan,
        Self::BetterSse,
        Self::Reference,
    ];

    /// The servers that are measured at many sizes.
    pub(super) const OF_SIZES: [Self; 4] = [Self::Hub, Self::HubHyper, Self::Epoll, Self::Axum];

    /// Returns the program of a peer that cargo builds, and the options that make it this peer.
    pub(super) fn built(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Hub => Some(("hub", &[])),
            Self::HubHyper => Some(("hub", &["--hyper-streams"])),
            Self::Epoll => Some(("peer-epoll", &[])),
            Self::Axum => Some(("peer-axum", &[])),
            Self::Nchan | Self::BetterSse | Self::Reference => None,
        }
    }

    /// Returns `true` for sse-kit. A fault of another peer is a figure, not a failure.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Hub | Self::HubHyper)
    }

    /// Returns the factor by which the peer is slower: it gets that much fewer messages, as the run
    /// would take that much longer.
    pub(super) fn slower(self) -> u32 {
        match self {
            Self::Hub | Self::HubHyper | Self::Epoll | Self::Axum | Self::Nchan => 1,
            Self::BetterSse => 4,
            Self::Reference => 20,
        }
    }

    /// Returns `true` if it has the option `--gzip`.
    pub(super) fn compresses(self) -> bool {
        self.is_ours() || self == Self::Axum
    }
}
