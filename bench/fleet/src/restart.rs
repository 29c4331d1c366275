//! All hubs are restarted, one after another, while publishing goes on.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::control::Order;
use crate::fleet::Fleet;
use crate::hub_process::HubProcess;
use crate::publisher::Publishers;
use crate::usage::Part;

/// The restart of one hub, in times since it was told to drain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    /// The streams that it had.
    pub(crate) streams: u64,
    /// Until its process had ended.
    pub(crate) ended: Duration,
    /// Its exit code; none if it was killed.
    pub(crate) code: Option<i32>,
    /// Until its replacement listened.
    pub(crate) replaced: Duration,
    /// Until all streams were open again.
    pub(crate) back: Duration,
}

impl Fleet<'_> {
    /// Restarts every hub once all streams are back from the one before.
    pub(crate) fn restart_all(&mut self, publishers: &mut Publishers) -> Result<Vec<Restart>> {
        (0..self.hubs.len())
            .map(|nth| {
                eprintln!("restarting hub {} of {}", nth + 1, self.hubs.len());
                self.restart(nth, publishers)
            })
            .collect()
    }

    fn restart(&mut self, nth: usize, publishers: &Publishers) -> Result<Restart> {
        let streams = self.hubs[nth].stats()?["connections"].as_u64().unwrap_or(0);
        self.live[nth] = None;
        self.tell_hubs(publishers)?;
        let begun = Instant::now();
        self.hubs[nth].drain()?;
        let replacement = HubProcess::start(self.plan, &self.redis.url())?;
        let replaced = begun.elapsed();
        self.usage.add(Part::Hub, replacement.pid());
        self.live[nth] = Some(replacement.address());
        let mut old = std::mem::replace(&mut self.hubs[nth], replacement);
        self.tell_hubs(publishers)?;
        let (all, ends) = (self.plan.streams, self.status.ended + streams);
        let (mut end, mut fault) = (None, None);
        self.until("all streams to be back", Some(publishers), |status, _| {
            match old.end() {
                Ok(Some(status)) if end.is_none() => end = Some((begun.elapsed(), status)),
                Ok(_) => {}
                Err(error) => fault = Some(error),
            }
            let are_back = status.ended >= ends && status.open == all;
            fault.is_some() || (end.is_some() && are_back)
        })?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let back = begun.elapsed();
        self.usage.remove(old.pid());
        let (ended, code) = end.map_or((back, None), |(ended, status)| (ended, status.code()));
        Ok(Restart { streams, ended, code, replaced, back })
    }

    fn tell_hubs(&mut self, publishers: &Publishers) -> Result<()> {
        publishers.use_hubs(self.addresses());
        let hubs = self.addresses();
        self.generators.order(&Order::Hubs(hubs))
    }
}
