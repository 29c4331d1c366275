//! The deliveries to all clients together.

use std::time::{Duration, Instant};

use crate::latencies::Latencies;
use crate::marker::Marker;

#[derive(Debug)]
pub(crate) struct Ledger {
    start: Instant,
    /// The number of clients that must have a message before it is finished.
    receivers: u32,
    /// The number of clients that have each message of each topic.
    delivered: Vec<Vec<u32>>,
    finished: u32,
    deliveries: u32,
    bytes: u64,
    last_delivery: Duration,
    latencies: Option<Latencies>,
}

impl Ledger {
    /// Creates a ledger for these topics, each with the same number of receivers.
    pub(crate) fn new(start: Instant, topics: u32, receivers: u32) -> Self {
        Self {
            start,
            receivers,
            delivered: vec![Vec::new(); topics as usize],
            finished: 0,
            deliveries: 0,
            bytes: 0,
            last_delivery: Duration::ZERO,
            latencies: None,
        }
    }

    /// Returns the time since the generator's start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Notes that a message was sent, of which deliveries will come.
    pub(crate) fn sent(&mut self, topic: u32) {
        self.delivered[topic as usize].push(0);
    }

    pub(crate) fn received(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(crate) fn delivered(&mut self, topic: u32, marker: Marker, now: Duration) {
        self.deliveries += 1;
        self.last_delivery = now;
        if let Some(latencies) = &mut self.latencies {
            latencies.add(now.saturating_sub(marker.sent));
        }
        let of_topic = &mut self.delivered[topic as usize];
        if let Some(delivered) = of_topic.get_mut(marker.number as usize) {
            *delivered += 1;
            self.finished += u32::from(*delivered == self.receivers);
        }
    }

    /// Returns the number of messages that all of their receivers have.
    pub(crate) fn finished(&self) -> u32 {
        self.finished
    }

    pub(crate) fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Returns the number of bytes that all clients have read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the time of the last delivery, since the generator's start.
    pub(crate) fn last_delivery(&self) -> Duration {
        self.last_delivery
    }

    /// Records the latency of each delivery from now on.
    pub(crate) fn record(&mut self, latencies: Latencies) {
        self.latencies = Some(latencies);
    }

    /// Returns the recorded latencies, and stops recording.
    pub(crate) fn recorded(&mut self) -> Option<Latencies> {
        self.latencies.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_finished_when_all_have_it() {
        let mut ledger = Ledger::new(Instant::now(), 2, 2);
        for topic in [0, 0, 1] {
            ledger.sent(topic);
        }
        let finished = [(0, 0), (0, 1), (1, 0), (0, 0), (0, 1), (1, 0)].map(|(topic, number)| {
            ledger.delivered(topic, Marker { number, sent: Duration::ZERO }, Duration::ZERO);
            ledger.finished()
        });
        assert_eq!(finished, [0, 0, 0, 1, 2, 3]);
        assert_eq!(ledger.deliveries(), 6);
    }
}
