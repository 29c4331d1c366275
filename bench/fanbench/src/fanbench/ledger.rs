//! What has been delivered to all clients together.

use std::time::{Duration, Instant};

use crate::latencies::Latencies;
use crate::marker::Marker;

#[derive(Debug)]
pub(crate) struct Ledger {
    start: Instant,
    /// How many clients must have a message before it is finished.
    receivers: u32,
    /// How many have each message of each topic.
    delivered: Vec<Vec<u32>>,
    finished: u32,
    deliveries: u32,
    bytes: u64,
    last_delivery: Duration,
    latencies: Option<Latencies>,
}

impl Ledger {
    /// For so many topics, and so many receivers of each.
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

    /// The time since the generator's start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A message begins, of which deliveries will come.
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

    /// How many messages have come to all of their receivers.
    pub(crate) fn finished(&self) -> u32 {
        self.finished
    }

    pub(crate) fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// How many all clients have read.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Since the generator's start.
    pub(crate) fn last_delivery(&self) -> Duration {
        self.last_delivery
    }

    /// From now on, keeps how long each delivery takes.
    pub(crate) fn record(&mut self, latencies: Latencies) {
        self.latencies = Some(latencies);
    }

    /// What was kept; no more is.
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
