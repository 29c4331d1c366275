//! A check that the machine can hold so many streams: the limits of its kernel and its memory.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

use crate::plan::{Lane, Plan};

/// Descriptors of a process besides its streams.
const OTHER_FILES: u64 = 300;

/// Memory of Redis, the programs and their histories, besides the streams.
const OTHER_KIB: u64 = 700 << 10;

/// KiB of a stream in the kernel at both ends, and in the generator.
const STREAM_KIB: u64 = 13;

/// Connections that wait for a hub at once when many clients come back.
const BACKLOG: u64 = 4_096;

/// The limits that matter here; those that a system does not have are none.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    files_per_process: Option<u64>,
    files: Option<u64>,
    ports: Option<u64>,
    somaxconn: Option<u64>,
    /// The entries in use of the kernel's table of tracked connections, and how many there may be.
    tracked: Option<(u64, u64)>,
    available_kib: Option<u64>,
}

impl Limits {
    pub(crate) fn read(files_per_process: Option<u64>) -> Self {
        let number = |path: &str| read(path)?.split_whitespace().next()?.parse::<u64>().ok();
        let ports = read("/proc/sys/net/ipv4/ip_local_port_range").and_then(|text| {
            let mut ends = text.split_whitespace().map_while(|end| end.parse::<u64>().ok());
            let (from, to) = (ends.next()?, ends.next()?);
            Some(to.saturating_sub(from) + 1)
        });
        let tracked = number("/proc/sys/net/netfilter/nf_conntrack_count")
            .zip(number("/proc/sys/net/netfilter/nf_conntrack_max"));
        Self {
            files_per_process,
            files: number("/proc/sys/fs/file-max"),
            ports,
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            tracked,
            available_kib: meminfo_kib("MemAvailable"),
        }
    }

    /// Returns the number of source addresses that a generator needs, so that its ports do not run out.
    pub(crate) fn sources(&self, streams: u32) -> u8 {
        // A port may be in use by a stream that has ended for a minute more.
        let needed = (u64::from(streams) * 3).div_ceil(self.ports.unwrap_or(28_000).max(1));
        u8::try_from(needed).unwrap_or(u8::MAX).clamp(1, 250)
    }

    /// Fails with everything that is too small for the plan. Returns notes on what may disturb it.
    pub(crate) fn check(&self, plan: &Plan) -> Result<Vec<String>> {
        let mut lacks = Vec::new();
        let mut need = |what: &str, limit: Option<u64>, needed: u64, remedy: &str| {
            if let Some(limit) = limit.filter(|&limit| limit < needed) {
                lacks.push(format!("{what}: {needed} needed, {limit} there; {remedy}"));
            }
        };
        let streams = u64::from(plan.streams);
        let most = u64::from(plan.most_per_hub()) + OTHER_FILES;
        let remedy = "raise `ulimit -Hn`, or choose more --hubs or fewer --streams";
        need("open files of a hub", self.files_per_process, most, remedy);
        let of_generator = plan.generators().into_iter().max().unwrap_or(0);
        let most = u64::from(of_generator) + OTHER_FILES;
        need("open files of a generator", self.files_per_process, most, remedy);
        let remedy = "raise fs.file-max";
        need("open files of the machine", self.files, streams * 2 + 20_000, remedy);
        let hub_kib = if plan.lane == Lane::Fast { 3 } else { 14 };
        let kib = streams * (STREAM_KIB + hub_kib) + OTHER_KIB;
        need("KiB of memory", self.available_kib, kib, "choose fewer --streams");
        if let Some((used, max)) = self.tracked.filter(|(used, _)| *used > 0) {
            // Entries of connections that have ended stay for two minutes.
            let remedy = "raise net.netfilter.nf_conntrack_max, or do not track loopback";
            need("tracked connections", Some(max), used + streams * 5 / 2, remedy);
        }
        if !lacks.is_empty() {
            bail!("this machine cannot hold {streams} streams:\n  {}", lacks.join("\n  "));
        }
        Ok(self.notes())
    }

    fn notes(&self) -> Vec<String> {
        let backlog = self.somaxconn.filter(|&limit| limit < BACKLOG);
        let note = |limit| {
            format!(
                "net.core.somaxconn is {limit}: beyond it clients that come back together wait for \
                 TCP's retries, a second and more; {BACKLOG} is better"
            )
        };
        backlog.map(note).into_iter().collect()
    }
}

/// Returns a figure of `/proc/meminfo`.
pub(crate) fn meminfo_kib(name: &str) -> Option<u64> {
    let text = read("/proc/meminfo")?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.split_whitespace().next()?.parse().ok()
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    fn limits() -> Limits {
        Limits {
            files_per_process: Some(20_000),
            files: Some(1_000_000),
            ports: Some(28_000),
            somaxconn: Some(4_096),
            tracked: Some((0, 1_000)),
            available_kib: Some(16 << 20),
        }
    }

    #[test]
    fn a_machine_that_is_too_small_says_what_it_lacks() {
        assert!(limits().check(&plan(100_000, 8)).expect("enough").is_empty());
        let small = Limits {
            files_per_process: Some(4_096),
            tracked: Some((7, 1_000)),
            available_kib: Some(1 << 20),
            ..limits()
        };
        let error = small.check(&plan(100_000, 8)).expect_err("too small").to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), 5, "{error}");
        assert!(lines[1].contains("open files of a hub: 14586 needed, 4096 there"), "{error}");
        assert!(lines[3].contains("KiB of memory") && lines[4].contains("tracked"), "{error}");
        let hyper = Plan { lane: Lane::Hyper, ..plan(1_000_000, 80) };
        assert!(limits().check(&hyper).is_err());
    }

    #[test]
    fn a_short_queue_of_connections_is_noted() {
        let limits = Limits { somaxconn: Some(128), ..limits() };
        let notes = limits.check(&plan(300, 2)).expect("enough");
        assert!(notes.len() == 1 && notes[0].contains("somaxconn is 128"), "{notes:?}");
    }

    #[test]
    fn a_generator_has_ports_for_its_streams() {
        assert_eq!(limits().sources(150), 1);
        assert_eq!(limits().sources(14_300), 2);
    }
}
