//! The messages between the fleet and its generators: a line of JSON each, over a connection that the generator
//! opens. Its end is the end of the generator.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::latencies::Counts;

/// The fleet to a generator.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Order {
    /// Open streams; the first order.
    Begin(Assignment),
    /// The hubs that take streams are these now.
    Hubs(Vec<Option<SocketAddr>>),
    /// Send a [`Report`], and measure afresh.
    Report,
    /// No more messages will be published than these.
    Published(Published),
}

/// The streams of one generator.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Assignment {
    /// The number of this generator, from 0.
    pub(crate) generator: u8,
    /// The number of its first stream, of all.
    pub(crate) first: u32,
    pub(crate) streams: u32,
    pub(crate) groups: u32,
    /// The number of addresses of 127.0.0.0/8 that it connects from.
    pub(crate) sources: u8,
}

/// The number of messages of each topic.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Published {
    pub(crate) all: u32,
    pub(crate) groups: Vec<u32>,
}

/// A generator to the fleet.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Answer {
    Status(Status),
    Report(Box<Report>),
}

/// The state of a generator, several times a second.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Status {
    /// Streams that have been greeted, and have not ended.
    pub(crate) open: u32,
    /// Streams that have ended after they were greeted, since the start.
    pub(crate) ended: u64,
    /// Messages that have come, since the start.
    pub(crate) received: u64,
    /// Streams that have every message, once the number of messages is known.
    pub(crate) complete: u32,
}

/// The measurements of a generator since its last report, and its losses since the start.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) all: Counts,
    pub(crate) groups: Counts,
    pub(crate) replayed: Counts,
    /// From the end of a stream to the hello of the next.
    pub(crate) away: Counts,
    /// From the end of the time that the hub told a client to wait to its hello.
    pub(crate) reopening: Counts,
    pub(crate) ends: Ends,
    pub(crate) losses: Losses,
}

/// The ends of streams, and the streams that could not be opened, by reason.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Ends {
    /// With a farewell that told the client when to come back.
    pub(crate) told: u64,
    /// Without one.
    pub(crate) cut: u64,
    /// Connections that were refused or broke before the hello.
    pub(crate) failed: u64,
    /// Clients that a hub asked to come back later.
    pub(crate) busy: u64,
}

/// The messages that streams missed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Losses {
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) late: u64,
    /// Gaps that hubs told clients of.
    pub(crate) gaps: u64,
}

impl Ends {
    pub(crate) fn add(&mut self, other: Self) {
        self.told += other.told;
        self.cut += other.cut;
        self.failed += other.failed;
        self.busy += other.busy;
    }
}

impl Losses {
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.late += other.late;
        self.gaps += other.gaps;
    }

    /// Returns whether every message came once, in order.
    pub(crate) fn are_none(self) -> bool {
        (self.lost, self.doubled, self.late) == (0, 0, 0)
    }
}
