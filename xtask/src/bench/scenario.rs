//! What is done to a server while it is measured.

/// For what never ends: a server that is merely slow must not fail.
const TIMEOUT_SECS: u32 = 300;

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
    /// Connections that are sent nothing: what they take in memory
    #[value(name = "idle-10k")]
    Idle10k,
    /// A topic for each connection, 8 messages under way
    #[value(name = "targeted-1k")]
    Targeted1k,
    /// One topic for all, 16 long messages under way, a tenth of the clients never reads
    #[value(name = "slow-500")]
    Slow500,
}

/// Options of the load generator.
#[derive(Clone, Debug)]
pub(super) struct Load {
    shape: &'static str,
    pub(super) connections: u32,
    messages: u32,
    warm_up: u32,
    pub(super) payload: u32,
    window: u32,
    publishers: u32,
    settle_ms: u32,
}

impl Scenario {
    /// What is measured when nothing else is asked for.
    pub(super) const USUAL: [Self; 4] =
        [Self::Broadcast1k, Self::Broadcast10k, Self::Window1k, Self::Idle10k];

    /// Long enough for a coarse clock: some seconds for a fast server.
    pub(super) fn load(self) -> Load {
        let broadcast = Load {
            shape: "broadcast",
            connections: 1_000,
            messages: 600,
            warm_up: 10,
            payload: 128,
            window: 1,
            publishers: 1,
            settle_ms: 700,
        };
        match self {
            Self::Broadcast1k => broadcast,
            Self::Broadcast10k => {
                Load { connections: 10_000, messages: 60, warm_up: 3, ..broadcast }
            }
            Self::Broadcast10kLong => Load { payload: 1_024, ..Self::Broadcast10k.load() },
            Self::Window1k => Load { messages: 1_500, window: 16, ..broadcast },
            Self::Idle10k => {
                Load { shape: "idle", connections: 10_000, settle_ms: 1_500, ..broadcast }
            }
            Self::Targeted1k => Load {
                shape: "targeted",
                messages: 200_000,
                warm_up: 2_000,
                window: 8,
                publishers: 8,
                ..broadcast
            },
            Self::Slow500 => Load {
                shape: "slow",
                connections: 500,
                messages: 4_000,
                payload: 4_096,
                window: 16,
                ..broadcast
            },
        }
    }
}

impl Load {
    /// The same in a moment.
    pub(super) fn quickly(mut self) -> Self {
        self.connections = self.connections.min(200);
        self.messages = self.messages.min(100);
        self.settle_ms = 200;
        self
    }

    pub(super) fn args(&self) -> Vec<String> {
        let options = [
            ("connections", self.connections),
            ("messages", self.messages),
            ("warm-up", self.warm_up),
            ("payload", self.payload),
            ("window", self.window),
            ("publishers", self.publishers),
            ("settle-ms", self.settle_ms),
            ("timeout", TIMEOUT_SECS),
        ];
        let option = |(name, value)| [format!("--{name}"), format!("{value}")];
        std::iter::once(self.shape.to_owned()).chain(options.into_iter().flat_map(option)).collect()
    }
}
