//! The shares of the CPUs: of the server, the generator, other programs, and the hypervisor's
//! other guests. The last two spoil a figure.

use anyhow::Result;
use linux::MachineTime;

use crate::process_tree::ProcessTree;

/// Seconds of CPU time until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuSample {
    server: f64,
    generator: f64,
    machine: MachineTime,
}

impl CpuSample {
    pub(crate) fn now(server: ProcessTree) -> Result<Self> {
        Ok(Self {
            server: server.cpu_seconds()?,
            generator: ProcessTree::new(std::process::id()).cpu_seconds()?,
            machine: MachineTime::now()?,
        })
    }

    pub(crate) fn server_since(&self, then: &Self) -> f64 {
        self.server - then.server
    }

    /// Returns the share of the wanted CPU time that the hypervisor gave to other guests, in
    /// percent.
    pub(crate) fn steal_percent_since(&self, then: &Self) -> f64 {
        let MachineTime { busy, stolen, .. } = self.machine.since(then.machine);
        percent(stolen, stolen + busy)
    }

    /// Returns the share of the used CPU time that other programs had, in percent.
    pub(crate) fn others_percent_since(&self, then: &Self) -> f64 {
        let ours = self.server_since(then) + self.generator - then.generator;
        let busy = self.machine.since(then.machine).busy;
        percent(busy - ours, busy)
    }
}

/// Ticks are coarse, so that a part may seem to be less than nothing.
fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (100.0 * part / whole).max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_what_was_between_two_samples() {
        let machine = |busy, stolen| MachineTime { busy, stolen, idle: 9.0 };
        let then = CpuSample { server: 1.0, generator: 2.0, machine: machine(2.0, 0.0) };
        let now = CpuSample { server: 1.5, generator: 2.25, machine: machine(3.0, 0.25) };
        let shares = [now.others_percent_since(&then), now.steal_percent_since(&then)];
        assert!((shares[0] - 25.0).abs() < 1e-6 && (shares[1] - 20.0).abs() < 1e-6, "{shares:?}");
        assert!(then.others_percent_since(&now) < 1e-6);
    }
}
