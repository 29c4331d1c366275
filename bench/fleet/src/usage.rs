//! CPU time and memory of the processes of a run, by their parts in it.

use std::collections::BTreeMap;

use linux::MachineTime;

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
    pub(crate) machine: MachineTime,
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
            let now = linux::Process::read(process.pid).ok();
            let cpu = now.as_ref().map_or(process.cpu, linux::Process::cpu_seconds);
            process.cpu = cpu.max(process.cpu);
            process.kib = now.and_then(|now| now.resident_kib().ok()).unwrap_or(0);
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
        CpuTime { parts, machine: MachineTime::now().unwrap_or_default() }
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
