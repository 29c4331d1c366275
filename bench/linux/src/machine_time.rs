//! The time of all CPUs together.

use anyhow::{Context, Result};
use procfs_core::{CpuTime, ExplicitSystemInfo, FromReadSI, KernelStats};

use crate::{TICKS_PER_SECOND, seconds};

/// Seconds of all CPUs together since the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MachineTime {
    /// The seconds in which they worked, for programs and for interrupts.
    pub busy: f64,
    /// The seconds in which they had nothing to do, or waited for a disk.
    pub idle: f64,
    /// The seconds that the hypervisor gave to other guests.
    pub stolen: f64,
}

impl MachineTime {
    /// Reads the times until now.
    ///
    /// # Errors
    ///
    /// If `/proc/stat` cannot be read.
    pub fn now() -> Result<Self> {
        let system = ExplicitSystemInfo {
            ticks_per_second: TICKS_PER_SECOND.into(),
            boot_time_secs: 0,
            page_size: 0,
            is_little_endian: true,
        };
        let stats = KernelStats::from_file("/proc/stat", &system);
        Ok(Self::of(&stats.context("cannot read /proc/stat")?.total))
    }

    /// Returns the times since then.
    #[must_use]
    pub fn since(self, then: Self) -> Self {
        Self {
            busy: self.busy - then.busy,
            idle: self.idle - then.idle,
            stolen: self.stolen - then.stolen,
        }
    }

    /// Returns the sum of all.
    pub fn all(self) -> f64 {
        self.busy + self.idle + self.stolen
    }

    fn of(cpus: &CpuTime) -> Self {
        let [waiting, irq, softirq, stolen] =
            [cpus.iowait, cpus.irq, cpus.softirq, cpus.steal].map(Option::unwrap_or_default);
        Self {
            busy: seconds(cpus.user + cpus.nice + cpus.system + irq + softirq),
            idle: seconds(cpus.idle + waiting),
            stolen: seconds(stolen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_is_counted_once() -> Result<()> {
        let stat = "cpu  110 20 30 800 10 5 15 20 9 9\nctxt 1\nbtime 1\nprocesses 1\n";
        let system = ExplicitSystemInfo {
            ticks_per_second: 100,
            boot_time_secs: 0,
            page_size: 0,
            is_little_endian: true,
        };
        let time = MachineTime::of(&KernelStats::from_read(stat.as_bytes(), &system)?.total);
        assert_eq!(time, MachineTime { busy: 1.8, idle: 8.1, stolen: 0.2 });
        let then = MachineTime { busy: 1.0, idle: 8.0, stolen: 0.2 };
        assert!((time.since(then).all() - 0.9).abs() < 1e-9);
        assert!(MachineTime::now()?.all() > 0.0);
        Ok(())
    }
}
