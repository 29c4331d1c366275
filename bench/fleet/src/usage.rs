//! CPU time and memory of the processes of a run, from `/proc`, by their parts in it.

use std::collections::BTreeMap;
use std::fs;

/// The unit of `/proc/PID/stat`: Linux's `USER_HZ`, which is 100 wherever this may run.
const TICKS_PER_SECOND: f64 = 100.0;

/// The part that a process plays.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Part {
    Hub,
    Redis,
    Generator,
    /// This process, which publishes.
    Publisher,
}

/// The memory of a part in KiB: all of its processes, and the largest of them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    pub(crate) all: u64,
    pub(crate) largest: u64,
}

/// The processes of a run, and what they have used.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    processes: Vec<Process>,
    /// CPU seconds of processes that have ended.
    ended: BTreeMap<Part, f64>,
    peak: BTreeMap<Part, Memory>,
}

#[derive(Debug)]
struct Process {
    part: Part,
    pid: u32,
    cpu: f64,
    kib: u64,
}

/// CPU seconds until now: of each part, and of the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuTime {
    parts: BTreeMap<Part, f64>,
    pub(crate) busy: f64,
    pub(crate) stolen: f64,
}

impl Usage {
    pub(crate) fn add(&mut self, part: Part, pid: u32) {
        self.processes.push(Process { part, pid, cpu: 0.0, kib: 0 });
        self.sample();
    }

    /// Forgets a process that has ended; its CPU time stays, as of the last sample.
    pub(crate) fn remove(&mut self, pid: u32) {
        if let Some(place) = self.processes.iter().position(|process| process.pid == pid) {
            let process = self.processes.swap_remove(place);
            *self.ended.entry(process.part).or_default() += process.cpu;
        }
    }

    /// Looks at all processes.
    pub(crate) fn sample(&mut self) {
        for process in &mut self.processes {
            // A process that has ended keeps its CPU time, and has no memory.
            process.cpu = cpu_seconds(process.pid).unwrap_or(process.cpu).max(process.cpu);
            process.kib = resident_kib(process.pid).unwrap_or(0);
        }
        for part in [Part::Hub, Part::Redis, Part::Generator, Part::Publisher] {
            let (now, peak) = (self.memory(part), self.peak.entry(part).or_default());
            peak.all = peak.all.max(now.all);
            peak.largest = peak.largest.max(now.largest);
        }
    }

    /// Returns the memory of a part in the last sample.
    pub(crate) fn memory(&self, part: Part) -> Memory {
        let of_part = self.processes.iter().filter(|process| process.part == part);
        let kib: Vec<u64> = of_part.map(|process| process.kib).collect();
        Memory { all: kib.iter().sum(), largest: kib.into_iter().max().unwrap_or(0) }
    }

    /// Returns the peak of all samples since the last call.
    pub(crate) fn take_peak(&mut self) -> BTreeMap<Part, Memory> {
        std::mem::take(&mut self.peak)
    }

    pub(crate) fn cpu(&self) -> CpuTime {
        let mut parts = self.ended.clone();
        for process in &self.processes {
            *parts.entry(process.part).or_default() += process.cpu;
        }
        let (busy, stolen) = machine().unwrap_or_default();
        CpuTime { parts, busy, stolen }
    }
}

impl CpuTime {
    /// Returns the CPU seconds of a part since then.
    pub(crate) fn since(&self, then: &Self, part: Part) -> f64 {
        let of = |time: &Self| time.parts.get(&part).copied().unwrap_or(0.0);
        of(self) - of(then)
    }

    /// Returns the CPU seconds of all parts since then.
    pub(crate) fn all_since(&self, then: &Self) -> f64 {
        self.parts.values().sum::<f64>() - then.parts.values().sum::<f64>()
    }
}

fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may have blanks and brackets in it.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |nth: usize| fields.get(nth)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns the seconds for which the machine's CPUs were busy, and those that the hypervisor took.
fn machine() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, stolen] = *ticks.first_chunk()?;
    let busy = user + nice + system + irq + softirq;
    Some((busy / TICKS_PER_SECOND, stolen / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_keeps_its_time_and_not_its_memory() {
        let mut usage = Usage::default();
        usage.add(Part::Publisher, std::process::id());
        let memory = usage.memory(Part::Publisher);
        assert!(memory.all > 0 && memory.all == memory.largest, "{memory:?}");
        usage.processes[0].cpu = 1e6;
        let then = CpuTime::default();
        usage.remove(std::process::id());
        assert!(usage.cpu().since(&then, Part::Publisher) >= 1e6);
        assert_eq!(usage.memory(Part::Publisher), Memory::default());
        assert_eq!(usage.take_peak()[&Part::Publisher], memory);
    }
}
