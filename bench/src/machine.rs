//! A look at the machine before anything is measured: who else is there, and does it keep its speed?

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use super::tables::number;

/// The time for which the machine is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Linux's `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

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
    /// How much longer the slowest of some equal pieces of work took than the fastest.
    uneven_percent: f64,
    /// The processes that work, with their share of a CPU in percent.
    neighbours: Vec<(String, f64)>,
}

/// Ticks of the CPUs: all, idle and stolen.
type Ticks = [f64; 3];

impl Machine {
    /// Looks at the machine for some seconds.
    pub(super) fn look() -> Self {
        let (cpus, processes) = (cpu_ticks(), process_ticks());
        thread::sleep(LOOK);
        let (cpus_then, processes_then) = (cpus, processes);
        let share = |nth: usize| {
            let (now, then) = (cpu_ticks()?, cpus_then?);
            Some(100.0 * (now[nth] - then[nth]) / (now[0] - then[0]).max(1.0))
        };
        let neighbours = process_ticks().into_iter().filter_map(|(process, ticks)| {
            let ticks = ticks - processes_then.get(&process).copied().unwrap_or(0.0);
            let percent = 100.0 * ticks / (TICKS_PER_SECOND * LOOK.as_secs_f64());
            let (pid, name) = process;
            let is_other = pid != std::process::id() && percent >= NEIGHBOUR;
            is_other.then(|| (format!("{name} (process {pid})"), percent))
        });
        let mut neighbours: Vec<_> = neighbours.collect();
        neighbours.sort_by(|one, other| other.1.total_cmp(&one.1));
        Self {
            load: read_number("/proc/loadavg"),
            idle_percent: share(1),
            stolen_percent: share(2),
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
        let spread = self.megahertz.iter().copied().reduce(f64::min);
        if let (Some(least), Some(most)) = (spread, self.megahertz.iter().copied().reduce(f64::max))
        {
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

fn cpu_ticks() -> Option<Ticks> {
    parse_cpu_ticks(&fs::read_to_string("/proc/stat").ok()?)
}

/// The line of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse_cpu_ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().flat_map(str::parse).take(8).collect();
    let [_, _, _, idle, waiting, _, _, stolen] = *ticks.first_chunk()?;
    Some([ticks.iter().sum(), idle + waiting, stolen])
}

/// The ticks of every process that can be read, by its number and name.
fn process_ticks() -> HashMap<(u32, String), f64> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let process = |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, ticks) = parse_process(&stat)?;
        Some(((pid, name), ticks))
    };
    pids.filter_map(process).collect()
}

/// The name, which stands in brackets and may have any character, and the CPU time.
fn parse_process(stat: &str) -> Option<(String, f64)> {
    let (_, rest) = stat.split_once('(')?;
    let (name, fields) = rest.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace().skip(11).flat_map(str::parse::<f64>);
    Some((name.to_owned(), fields.next()? + fields.next()?))
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
    fn the_kernels_files_are_read() {
        let stat = "cpu  100 20 30 800 10 0 20 20 0 0\ncpu0 1\n";
        assert_eq!(parse_cpu_ticks(stat), Some([1_000.0, 810.0, 20.0]));
        assert_eq!(parse_cpu_ticks("intr 1"), None);
        let process = "12 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 7 5 0 0 20";
        assert_eq!(parse_process(process), Some(("a (b) c".to_owned(), 12.0)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_neighbour_that_works_is_found() {
        assert!(cpu_ticks().is_some_and(|ticks| ticks[0] > 0.0));
        assert!(process_ticks().keys().any(|(pid, _)| *pid == std::process::id()));
        assert!(unevenness() >= 0.0);
    }
}
