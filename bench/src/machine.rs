//! A look at the machine before anything is measured: its neighbours, and whether it keeps its speed.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use linux::{MachineTime, Process};

use super::tables::number;

/// The time for which the machine is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// The share of the CPUs that must be idle, in percent.
const IDLE: f64 = 95.0;

/// The share of the CPUs' time that the hypervisor may take, in percent.
const STOLEN: f64 = 1.0;

/// The load average of a minute beyond which the machine has not come to rest.
const LOAD: f64 = 0.7;

/// The share of a CPU, in percent, from which a process counts as a neighbour.
const NEIGHBOUR: f64 = 2.0;

/// By how much the time of the same work may vary, in percent.
const UNEVEN: f64 = 10.0;

/// The state of the machine; what cannot be read is missing.
#[derive(Debug, Default)]
pub(super) struct Machine {
    load: Option<f64>,
    idle_percent: Option<f64>,
    stolen_percent: Option<f64>,
    /// The frequency of each CPU.
    megahertz: Vec<f64>,
    /// The percentage by which the slowest of some equal pieces of work took longer than the fastest.
    uneven_percent: f64,
    /// The processes that work, with their share of a CPU in percent.
    neighbours: Vec<(String, f64)>,
}

impl Machine {
    /// Looks at the machine for some seconds.
    pub(super) fn look() -> Self {
        let (cpus_then, processes_then) = (MachineTime::now().ok(), cpu_seconds());
        thread::sleep(LOOK);
        let cpus = MachineTime::now().ok().zip(cpus_then).map(|(now, then)| now.since(then));
        let share = |part: fn(MachineTime) -> f64| {
            cpus.map(|cpus| 100.0 * part(cpus) / cpus.all().max(f64::MIN_POSITIVE))
        };
        let neighbours = cpu_seconds().into_iter().filter_map(|(process, seconds)| {
            let seconds = seconds - processes_then.get(&process).copied().unwrap_or(0.0);
            let percent = 100.0 * seconds / LOOK.as_secs_f64();
            let (pid, name) = process;
            let is_other = pid != std::process::id() && percent >= NEIGHBOUR;
            is_other.then(|| (format!("{name} (process {pid})"), percent))
        });
        let mut neighbours: Vec<_> = neighbours.collect();
        neighbours.sort_by(|one, other| other.1.total_cmp(&one.1));
        Self {
            load: read_number("/proc/loadavg"),
            idle_percent: share(|cpus| cpus.idle),
            stolen_percent: share(|cpus| cpus.stolen),
            megahertz: megahertz(),
            uneven_percent: unevenness(),
            neighbours,
        }
    }

    /// Returns its faults.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(idle) = self.idle_percent.filter(|idle| *idle < IDLE) {
            faults.push(format!("the CPUs are idle for {idle:.0} % of the time only"));
        }
        for (name, percent) in self.neighbours.iter().take(5) {
            faults.push(format!("{name} takes {percent:.0} % of a CPU"));
        }
        if let Some(load) = self.load.filter(|load| *load > LOAD) {
            faults.push(format!("the load of the last minute is {load}: it has not come to rest"));
        }
        if let Some(stolen) = self.stolen_percent.filter(|stolen| *stolen > STOLEN) {
            faults.push(format!("the hypervisor takes {stolen:.1} % of the CPUs for other guests"));
        }
        if self.uneven_percent > UNEVEN {
            let uneven = self.uneven_percent;
            faults.push(format!("equal work takes up to {uneven:.0} % longer from time to time"));
        }
        faults
    }

    /// Returns a paragraph for the head of the tables.
    pub(super) fn summary(&self) -> String {
        let mut known = Vec::new();
        let percent = |value: f64| format!("{value:.1} %");
        known.extend(self.idle_percent.map(|idle| format!("{} idle", percent(idle))));
        known.extend(self.load.map(|load| format!("load {load}")));
        known.extend(self.stolen_percent.map(|stolen| format!("{} stolen", percent(stolen))));
        let least = self.megahertz.iter().copied().reduce(f64::min);
        let most = self.megahertz.iter().copied().reduce(f64::max);
        if let Some((least, most)) = least.zip(most) {
            let (least, most) = (number(least, 0), number(most, 0));
            known.push(if least == most {
                format!("{least} MHz")
            } else {
                format!("{least} to {most} MHz")
            });
        }
        known.push(format!("equal work within {}", percent(self.uneven_percent)));
        let mut text = format!("Before it: {}.", known.join(", "));
        let faults = self.faults();
        if !faults.is_empty() {
            write!(
                text,
                "\n**The machine is not fit for measuring:** {}. Its figures are of little worth.",
                faults.join("; ")
            )
            .expect("a string takes all");
        }
        text
    }
}

fn read_number(path: &str) -> Option<f64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// Returns the CPU time of every process that can be read, by its number and name.
fn cpu_seconds() -> HashMap<(u32, String), f64> {
    let time =
        |process: Process| ((process.pid(), process.name().to_owned()), process.cpu_seconds());
    Process::all().into_iter().flatten().map(time).collect()
}

fn megahertz() -> Vec<f64> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let lines = cpus.lines().filter_map(|line| line.strip_prefix("cpu MHz"));
    lines.filter_map(|line| line.trim_start_matches(['\t', ' ', ':']).parse().ok()).collect()
}

/// Does the same work some times, and compares the slowest with the fastest.
fn unevenness() -> f64 {
    let times = (0..20).map(|_| {
        let begun = Instant::now();
        let sum = (0..3_000_000_u64).fold(0_u64, |sum, n| black_box(sum ^ n).wrapping_mul(31));
        black_box(sum);
        begun.elapsed().as_secs_f64()
    });
    let mut times: Vec<f64> = times.collect();
    times.sort_by(f64::total_cmp);
    // Without the slowest two, which an interrupt may have met.
    let (fastest, slow) = (times[0], times[times.len() - 3]);
    100.0 * (slow / fastest - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_names() {
        let quiet = Machine {
            load: Some(0.2),
            idle_percent: Some(99.0),
            stolen_percent: Some(0.0),
            megahertz: vec![2_596.1, 2_596.1],
            uneven_percent: 1.5,
            neighbours: Vec::new(),
        };
        let summary =
            "Before it: 99.0 % idle, load 0.2, 0.0 % stolen, 2,596 MHz, equal work within 1.5 %.";
        assert_eq!(quiet.summary(), summary);
        let busy = Machine {
            load: Some(3.5),
            idle_percent: Some(10.0),
            stolen_percent: Some(4.0),
            uneven_percent: 25.0,
            neighbours: vec![("rustc (process 7)".to_owned(), 98.4)],
            ..quiet
        };
        let faults = busy.faults();
        assert_eq!(faults.len(), 5, "{faults:?}");
        assert_eq!(faults[1], "rustc (process 7) takes 98 % of a CPU");
        assert!(busy.summary().contains("not fit"));
    }

    #[test]
    fn this_machine_is_looked_at() {
        let machine = Machine::look();
        assert!(
            machine.idle_percent.is_some_and(|idle| (0.0..=100.0).contains(&idle)),
            "{machine:?}"
        );
        assert!(machine.uneven_percent >= 0.0 && machine.load.is_some(), "{machine:?}");
    }
}
