//! Who has had the CPUs: the server, the generator, other programs, or the hypervisor's
//! other guests. What the last two take spoils a figure.

use std::fs;

use anyhow::{Context, Result};

use crate::process_tree::{ProcessTree, TICKS_PER_SECOND};

/// Seconds of CPU time until now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuSample {
    server: f64,
    generator: f64,
    machine: Machine,
}

/// All CPUs together, since the machine started.
#[derive(Clone, Copy, Debug)]
struct Machine {
    busy: f64,
    stolen: f64,
}

impl CpuSample {
    pub(crate) fn now(server: ProcessTree) -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("the benchmark needs /proc/stat")?;
        Ok(Self {
            server: server.cpu_seconds()?,
            generator: ProcessTree::new(std::process::id()).cpu_seconds()?,
            machine: parse(&stat).context("/proc/stat is not as expected")?,
        })
    }

    pub(crate) fn server_since(&self, then: &Self) -> f64 {
        self.server - then.server
    }

    /// Returns the share of the wanted CPU time that the hypervisor gave to other guests, in
    /// percent.
    pub(crate) fn steal_percent_since(&self, then: &Self) -> f64 {
        let stolen = self.machine.stolen - then.machine.stolen;
        percent(stolen, stolen + self.busy_since(then))
    }

    /// Returns the share of the used CPU time that other programs had, in percent.
    pub(crate) fn others_percent_since(&self, then: &Self) -> f64 {
        let ours = self.server_since(then) + self.generator - then.generator;
        percent(self.busy_since(then) - ours, self.busy_since(then))
    }

    fn busy_since(&self, then: &Self) -> f64 {
        self.machine.busy - then.machine.busy
    }
}

/// Parses the line of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse(stat: &str) -> Option<Machine> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, stolen] = *ticks.first_chunk()?;
    let busy = user + nice + system + irq + softirq;
    Some(Machine { busy: busy / TICKS_PER_SECOND, stolen: stolen / TICKS_PER_SECOND })
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
        let machine = |stat| parse(stat).expect("as Linux writes it");
        let then = CpuSample {
            server: 1.0,
            generator: 2.0,
            machine: machine("cpu  100 0 100 900 1 0 0 0 0 0\ncpu0 1\n"),
        };
        let now = CpuSample {
            server: 1.5,
            generator: 2.25,
            machine: machine("cpu  150 10 110 950 1 10 20 25 0 0\n"),
        };
        let shares = [now.others_percent_since(&then), now.steal_percent_since(&then)];
        assert!((shares[0] - 25.0).abs() < 1e-6 && (shares[1] - 20.0).abs() < 1e-6, "{shares:?}");
        assert!(then.others_percent_since(&now) < 1e-6);
        assert!(parse("cpu  1 2 3\n").is_none());
    }
}
