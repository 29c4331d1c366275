//! The figures of this machine, from `sysinfo`.

use std::collections::BTreeMap;
use std::time::Instant;

use sysinfo::{Disk, Disks, Networks, System};

use crate::amounts::number;
use crate::reading::{DiskReading, Reading, Source, Space};

/// The number of readings for which the figures of disks are kept: they change slowly, and asking for them costs more
/// than all others.
const DISKS_EVERY: u32 = 10;

/// This machine.
#[derive(Debug)]
pub(crate) struct Machine {
    system: System,
    networks: Networks,
    disks: Disks,
    readings: u32,
    read_at: Instant,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            system: System::new(),
            networks: Networks::new_with_refreshed_list(),
            disks: Disks::new(),
            readings: 0,
            read_at: Instant::now(),
        }
    }

    /// Returns the machine's name.
    pub(crate) fn name() -> String {
        System::host_name().unwrap_or_else(|| "This machine".to_owned())
    }

    /// Returns the bytes that were received and sent per second since the last reading.
    fn rates(&mut self) -> (f64, f64) {
        self.networks.refresh(true);
        let seconds = self.read_at.elapsed().as_secs_f64();
        self.read_at = Instant::now();
        let (mut received, mut sent) = (0.0, 0.0);
        for (_, network) in self.networks.iter().filter(|(name, _)| !is_loopback(name)) {
            received += number(network.received());
            sent += number(network.transmitted());
        }
        (received / seconds, sent / seconds)
    }

    /// Returns each disk once, though it may be mounted at many places.
    fn disks(&self) -> Vec<DiskReading> {
        let mut disks = BTreeMap::new();
        for disk in self.disks.list().iter().filter(|disk| disk.total_space() > 0) {
            let first = disks.entry((disk.name(), disk.total_space())).or_insert(disk);
            if disk.mount_point() < first.mount_point() {
                *first = disk;
            }
        }
        let mut disks: Vec<_> = disks.into_values().map(disk_reading).collect();
        disks.sort_by(|a, b| a.mounted_at.cmp(&b.mounted_at));
        disks
    }
}

impl Source for Machine {
    fn read(&mut self) -> Reading {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        if self.readings.is_multiple_of(DISKS_EVERY) {
            self.disks.refresh(true);
        }
        self.readings = self.readings.wrapping_add(1);
        let system = &self.system;
        let memory = Space { used: system.used_memory(), total: system.total_memory() };
        let swap = Space { used: system.used_swap(), total: system.total_swap() };
        let cores = system.cpus().iter().map(sysinfo::Cpu::cpu_usage).collect();
        let load = System::load_average();
        let (received, sent) = self.rates();
        Reading {
            cores,
            memory,
            swap,
            load: [load.one, load.five, load.fifteen],
            received,
            sent,
            disks: self.disks(),
        }
    }
}

/// Returns whether a network is the machine's own, on which it sends to itself: Linux has `lo`, other systems `lo0`.
fn is_loopback(network: &str) -> bool {
    ["lo", "lo0"].contains(&network)
}

fn disk_reading(disk: &Disk) -> DiskReading {
    let total = disk.total_space();
    let space = Space { used: total.saturating_sub(disk.available_space()), total };
    DiskReading { mounted_at: disk.mount_point().display().to_string(), space }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radio_network_is_no_loopback() {
        assert!(["lo", "lo0"].into_iter().all(is_loopback));
        assert!(!["lowpan0", "eth0"].into_iter().any(is_loopback));
    }
}
