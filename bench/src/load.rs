//! The load on a server while it is measured: options of the load generator, and of the server.

use super::peer::Peer;

/// For what never ends: a server that is merely slow must not fail.
const TIMEOUT_SECS: u32 = 300;

#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) shape: Shape,
    pub(super) connections: u32,
    pub(super) topics: u32,
    pub(super) by_pattern: bool,
    pub(super) messages: u32,
    pub(super) warm_up: u32,
    pub(super) payload: u32,
    pub(super) window: u32,
    pub(super) rate: Option<u32>,
    pub(super) publishers: u32,
    pub(super) cycles: u32,
    pub(super) settle_ms: u32,
    pub(super) gzip: Gzip,
    /// The time for which sse-kit may delay events to write them together.
    pub(super) max_delay_ms: u32,
    /// Threads of the server, which then has not a CPU to itself.
    pub(super) threads: Option<u32>,
}

/// The course of a load, by the load generator's names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    FanOut,
    Slow,
    Idle,
    Churn,
}

/// The compression of streams.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Gzip {
    Off,
    /// Of each event alone.
    Event,
    /// Of each event with those before it, which only sse-kit has.
    Window,
}

impl Gzip {
    /// Returns `true` if the server has it.
    pub(super) fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Off => true,
            Self::Event => peer.compresses(),
            Self::Window => peer.is_ours(),
        }
    }
}

impl Load {
    /// 300 messages, one at a time, to 1,000 connections with one topic: a second or two for a fast server,
    /// which is long enough for a coarse clock.
    pub(super) const BROADCAST: Self = Self {
        shape: Shape::FanOut,
        connections: 1_000,
        topics: 1,
        by_pattern: false,
        messages: 300,
        warm_up: 10,
        payload: 128,
        window: 1,
        rate: None,
        publishers: 1,
        cycles: 0,
        settle_ms: 700,
        gzip: Gzip::Off,
        max_delay_ms: 0,
        threads: None,
    };

    /// Makes the same load shorter, for a smoke run.
    pub(super) fn quickly(mut self) -> Self {
        self.connections = self.connections.min(200);
        self.topics = self.topics.min(self.connections);
        self.messages = self.messages.min(100);
        self.cycles = self.cycles.min(500);
        self.settle_ms = 200;
        self
    }

    /// Returns `true` if server and generator run on whichever CPUs the kernel chooses.
    pub(super) fn shares_cpus(&self) -> bool {
        self.threads.is_some()
    }

    pub(super) fn generator_options(&self, peer: Peer) -> Vec<String> {
        let shape = match self.shape {
            Shape::FanOut => "fan-out",
            Shape::Slow => "slow",
            Shape::Idle => "idle",
            Shape::Churn => "churn",
        };
        let numbers = [
            ("connections", Some(self.connections)),
            ("topics", Some(self.topics)),
            ("messages", Some((self.messages / peer.slower()).max(10))),
            ("warm-up", Some((self.warm_up / peer.slower()).max(2))),
            ("payload", Some(self.payload)),
            ("window", Some(self.window)),
            ("rate", self.rate),
            ("publishers", Some(self.publishers)),
            ("cycles", Some(self.cycles / peer.slower())),
            ("settle-ms", Some(self.settle_ms)),
            ("timeout", Some(TIMEOUT_SECS)),
        ];
        let flags = [
            ("patterns", self.by_pattern),
            ("gzip", self.gzip != Gzip::Off),
            // To spin would take a CPU from the server.
            ("sleep", self.shares_cpus()),
        ];
        std::iter::once(shape.to_owned()).chain(options(&numbers, &flags)).collect()
    }

    pub(super) fn server_options(&self, peer: Peer) -> Vec<String> {
        let max_delay = format!("--max-delay={}", f64::from(self.max_delay_ms) / 1_000.0);
        let gzip = if self.gzip.suits(peer) { self.gzip } else { Gzip::Off };
        let flags = [("gzip", gzip != Gzip::Off), ("gzip-window", gzip == Gzip::Window)];
        // The raw loop has one thread, and no such option.
        let threads = self.threads.filter(|_| peer != Peer::Epoll);
        let others = options(&[("threads", threads)], &flags);
        (self.max_delay_ms > 0).then_some(max_delay).into_iter().chain(others).collect()
    }
}

fn options(numbers: &[(&str, Option<u32>)], flags: &[(&str, bool)]) -> Vec<String> {
    let given = numbers.iter().filter_map(|(name, number)| Some((name, (*number)?)));
    let numbers = given.flat_map(|(name, number)| [format!("--{name}"), number.to_string()]);
    let set = flags.iter().filter(|(_, set)| *set);
    numbers.chain(set.map(|(name, _)| format!("--{name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_that_are_asked_for() {
        let plain = Load::BROADCAST.server_options(Peer::Hub);
        assert!(plain.is_empty(), "{plain:?}");
        let load = Load { gzip: Gzip::Event, max_delay_ms: 20, rate: Some(100), ..Load::BROADCAST };
        assert_eq!(load.server_options(Peer::Hub), ["--max-delay=0.02", "--gzip"]);
        let window = Load { gzip: Gzip::Window, ..Load::BROADCAST };
        assert_eq!(window.server_options(Peer::Hub), ["--gzip", "--gzip-window"]);
        let options = load.generator_options(Peer::Hub).join(" ");
        assert!(options.starts_with("fan-out --connections 1000 --topics 1 "), "{options}");
        assert!(options.contains(" --rate 100 ") && options.ends_with(" --gzip"), "{options}");
    }

    #[test]
    fn who_is_slow_gets_a_part_of_it() {
        let options = Load::BROADCAST.generator_options(Peer::Reference).join(" ");
        assert!(options.contains("--messages 15 --warm-up 2 "), "{options}");
    }
}
