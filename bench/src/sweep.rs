//! The growth of costs: the quantity that varies, and the servers that are measured.

use super::figures::Figures;
use super::load::Load;
use super::peer::Peer;

/// One plot.
#[derive(Debug)]
pub(super) struct Sweep {
    /// The name of its file.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// A description of the measured quantity, for people.
    pub(super) about: &'static str,
    /// The name of the quantity that varies.
    pub(super) axis: &'static str,
    pub(super) values: &'static [u32],
    pub(super) lines: &'static [Line],
    /// The load at a value.
    pub(super) load: fn(u32) -> Load,
}

/// A server as it is measured in a sweep.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) label: &'static str,
    pub(super) peer: Peer,
    pub(super) by_pattern: bool,
    pub(super) figure: Figure,
}

/// A figure that is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    CpuMicros,
    ThousandsPerSecond,
}

const fn line(label: &'static str, peer: Peer) -> Line {
    Line { label, peer, by_pattern: false, figure: Figure::CpuMicros }
}

const HUB: Line = line("hub", Peer::Hub);
const HUB_HYPER: Line = line("hub, streams by hyper", Peer::HubHyper);
const EPOLL: Line = line("epoll loop", Peer::Epoll);
const AXUM: Line = line("axum and tokio", Peer::Axum);
const NCHAN: Line = line("nchan", Peer::Nchan);

pub(super) const SWEEPS: &[Sweep] = &[
    Sweep {
        name: "connections",
        title: "CPU per delivery, µs",
        about: "Connections: one topic for all, messages of 128 B, one at a time.",
        axis: "connections",
        values: &[10, 100, 1_000, 10_000, 15_000],
        lines: &[HUB, HUB_HYPER, EPOLL, AXUM, NCHAN],
        load: |connections| Load { connections, ..deliveries(300_000, connections) },
    },
    Sweep {
        name: "topics",
        title: "CPU per delivery, µs",
        about: "Topics: 10,000 connections spread over them, messages of 128 B to one topic at a \
                time. What a request to publish costs is in it, and with 10,000 topics there is one for \
                each delivery.",
        axis: "topics",
        values: &[1, 10, 100, 1_000, 10_000],
        lines: &[HUB, HUB_HYPER, EPOLL, AXUM, NCHAN],
        load: |topics| {
            let connections = 10_000;
            Load { connections, topics, ..deliveries(200_000, connections / topics) }
        },
    },
    Sweep {
        name: "patterns",
        title: "CPU per delivery, µs",
        about: "Patterns: 1,000 connections spread over so many patterns, or over as many topics; \
                messages of 128 B that match one of them.",
        axis: "patterns",
        values: &[1, 10, 100, 1_000],
        lines: &[
            Line { label: "hub, by patterns", by_pattern: true, ..HUB },
            Line { label: "hub, by topics", ..HUB },
            Line { label: "epoll loop, by topics", ..EPOLL },
        ],
        load: |topics| Load { topics, ..deliveries(200_000, 1_000 / topics) },
    },
    Sweep {
        name: "bytes",
        title: "CPU per delivery, µs",
        about: "Bytes: one topic for 1,000 connections, one message at a time.",
        axis: "bytes of a message",
        values: &[128, 1_024, 4_096, 16_384, 65_536],
        lines: &[HUB, HUB_HYPER, EPOLL, AXUM, NCHAN],
        load: |payload| {
            let messages = (400_000 / payload).clamp(20, 300);
            Load { messages, payload, ..Load::BROADCAST }
        },
    },
    Sweep {
        name: "delay",
        title: "CPU per delivery, µs",
        about: "A maximum delay: one topic for 1,000 connections, 100 messages of 128 B a second.",
        axis: "maximum delay, ms",
        values: &[0, 10, 20, 50, 100],
        lines: &[HUB, HUB_HYPER],
        load: |max_delay_ms| Load {
            max_delay_ms,
            rate: Some(100),
            messages: 300,
            ..Load::BROADCAST
        },
    },
    Sweep {
        name: "threads",
        title: "thousand deliveries per second",
        about: "Threads of the server: one topic for 1,000 connections, 16 messages of 128 B under way. The \
                load generator shares the CPUs with it.",
        axis: "threads",
        values: &[1, 2],
        lines: &[
            Line { figure: Figure::ThousandsPerSecond, ..HUB },
            Line { figure: Figure::ThousandsPerSecond, ..HUB_HYPER },
        ],
        load: |threads| Load {
            threads: Some(threads),
            window: 16,
            messages: 1_000,
            ..Load::BROADCAST
        },
    },
];

/// Makes a load of so many messages that there are this many deliveries.
fn deliveries(deliveries: u32, receivers: u32) -> Load {
    Load { messages: (deliveries / receivers).clamp(20, 20_000), ..Load::BROADCAST }
}

impl Figure {
    pub(super) fn of(self, figures: &Figures) -> Option<f64> {
        let traffic = figures.traffic.as_ref()?;
        Some(match self {
            Self::CpuMicros => traffic.cpu_micros_per_delivery,
            Self::ThousandsPerSecond => traffic.deliveries_per_second / 1_000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_load_is_one_that_can_be_had() {
        for sweep in SWEEPS {
            for &value in sweep.values {
                let Load { connections, topics, messages, .. } = (sweep.load)(value);
                assert!(connections <= 15_000 && connections % topics == 0, "{}", sweep.name);
                let deliveries = messages * (connections / topics);
                assert!((5_000..=2_000_000).contains(&deliveries), "{}: {deliveries}", sweep.name);
            }
        }
    }
}
