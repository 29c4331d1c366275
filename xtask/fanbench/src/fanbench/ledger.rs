//! What has been delivered to all clients together.

use std::time::{Duration, Instant};

use crate::latencies::Latencies;
use crate::marker::Marker;

#[derive(Debug)]
pub(crate) struct Ledger {
    start: Instant,
    /// How many clients must have a message before it is finished.
    receivers: u32,
    /// How many have each message; not used when each has one receiver only.
    delivered: Vec<u32>,
    finished: u32,
    deliveries: u32,
    last_delivery: Duration,
    latencies: Option<Latencies>,
}

impl Ledger {
    /// For so many messages in a topic, and so many receivers of each.
    pub(crate) fn new(start: Instant, messages: u32, receivers: u32) -> Self {
        let delivered = if receivers == 1 { 0 } else { messages as usize };
        Self {
            start,
            receivers,
            delivered: vec![0; delivered],
            finished: 0,
            deliveries: 0,
            last_delivery: Duration::ZERO,
            latencies: None,
        }
    }

    /// The time since the generator's start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn delivered(&mut self, marker: Marker, now: Duration) {
        self.deliveries += 1;
        self.last_delivery = now;
        if let Some(latencies) = &mut self.latencies {
            latencies.add(now.saturating_sub(marker.sent));
        }
        if self.receivers == 1 {
            self.finished += 1;
        } else if let Some(delivered) = self.delivered.get_mut(marker.number as usize) {
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
        let finished = [0, 1, 0, 1].map(|number| {
            ledger.delivered(Marker { number, sent: Duration::ZERO }, Duration::ZERO);
            ledger.finished()
        });
        assert_eq!(finished, [0, 0, 1, 2]);
        assert_eq!(ledger.deliveries(), 4);
    }
}
