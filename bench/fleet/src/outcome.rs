//! The result of a run, as tables.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::control::Losses;
use crate::generators::Reports;
use crate::latencies::Latencies;
use crate::plan::{Lane, Plan};
use crate::restart::Restart;
use crate::usage::{Memory, Part};

/// The result of a run; printed, it is two tables in Markdown.
#[derive(Debug)]
pub struct Outcome {
    pub(crate) plan: Plan,
    pub(crate) opening: Duration,
    pub(crate) before: Memories,
    pub(crate) idle: Memories,
    pub(crate) steady: Phase,
    pub(crate) restarting: Phase,
    pub(crate) restarts: Vec<Restart>,
    /// Messages that were published.
    pub(crate) messages: u64,
    /// Messages that streams received.
    pub(crate) received: u64,
    pub(crate) losses: Losses,
}

/// The memory of a moment without messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memories {
    pub(crate) hubs: Memory,
    pub(crate) generators: Memory,
    pub(crate) slab_kib: u64,
}

/// The measurements of one part of a run.
#[derive(Debug)]
pub struct Phase {
    pub(crate) took: Duration,
    pub(crate) received: u64,
    /// CPU seconds per second, here and below.
    pub(crate) hubs: f64,
    pub(crate) redis: f64,
    pub(crate) generators: f64,
    pub(crate) others: f64,
    pub(crate) stolen: f64,
    pub(crate) peak: BTreeMap<Part, Memory>,
    /// The most records that a hub knew of, and had not read from Redis.
    pub(crate) most_lag: u64,
    pub(crate) publishing: Latencies,
    /// Attempts to publish that another hub had to take.
    pub(crate) retries: u64,
    pub(crate) reports: Reports,
}

impl Outcome {
    /// Checks that nothing went wrong that must not.
    ///
    /// # Errors
    ///
    /// If a stream did not get a message, got one twice, or got one after a later one.
    pub fn check(&self) -> Result<()> {
        let Losses { lost, doubled, late, .. } = self.losses;
        ensure!(
            self.losses.are_none(),
            "of {} messages to streams, {lost} were lost, {doubled} came twice, and {late} came late",
            self.received
        );
        Ok(())
    }

    /// Returns the number of messages that streams received.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns the number of gaps that hubs told streams of.
    pub fn gaps(&self) -> u64 {
        self.losses.gaps
    }

    /// Returns the number of streams that each hub had when it was restarted, and its exit code.
    pub fn restarts(&self) -> impl Iterator<Item = (u64, Option<i32>)> {
        self.restarts.iter().map(|restart| (restart.streams, restart.code))
    }

    /// Returns the number of streams that ended with a farewell, and without one.
    pub fn ends(&self) -> (u64, u64) {
        let ends = self.restarting.reports.ends;
        (ends.told, ends.cut)
    }

    fn per_stream(&self, kib: impl Fn(&Memories) -> u64) -> f64 {
        let grown = kib(&self.idle).saturating_sub(kib(&self.before));
        float(grown) / f64::from(self.plan.streams)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { streams, hubs, group_size, interval, payload, threads, lane, .. } = &self.plan;
        let lane = match lane {
            Lane::Fast => "fast path",
            Lane::Hyper => "hyper",
        };
        let cpus = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(
            f,
            "{streams} streams on {hubs} hubs ({lane}, {threads} thread each) and one Redis, {cpus} CPUs for \
             all: {} groups of {group_size}, {payload} bytes to each stream every {interval:?}.\n\
             Opened in {:.1} s. An idle stream takes {:.1} KiB in the hub, {:.1} in the kernel at both \
             ends, {:.1} in the generator.\n",
            self.plan.groups(),
            self.opening.as_secs_f64(),
            self.per_stream(|memory| memory.hubs.all),
            self.per_stream(|memory| memory.slab_kib),
            self.per_stream(|memory| memory.generators.all),
        )?;
        self.write_phases(f)?;
        self.write_restarts(f)?;
        let Losses { lost, doubled, late, gaps } = self.losses;
        writeln!(
            f,
            "\n{} messages were published, and received {} times: {lost} lost, {doubled} twice, {late} \
             late; {gaps} gaps told.",
            self.messages, self.received
        )
    }
}

impl Outcome {
    fn write_phases(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| | steady | rolling restart |\n|---|---|---|")?;
        let mut row = |name: &str, cell: &dyn Fn(&Phase) -> String| {
            writeln!(f, "| {name} | {} | {} |", cell(&self.steady), cell(&self.restarting))
        };
        row("time", &|phase| format!("{:.0} s", phase.took.as_secs_f64()))?;
        row("messages received per second", &|phase| {
            format!("{:.0}", float(phase.received) / phase.took.as_secs_f64())
        })?;
        row("to a group: p50, p99, most", &|phase| quantiles(&phase.reports.groups))?;
        row("to all streams at once: p50, p99, most", &|phase| quantiles(&phase.reports.all))?;
        row("to streams that were away: p50, p99, most", &|phase| {
            quantiles(&phase.reports.replayed)
        })?;
        row("publish, over HTTP: p50, p99, most", &|phase| quantiles(&phase.publishing))?;
        row("attempts to publish that the next hub took", &|phase| phase.retries.to_string())?;
        row("CPUs of the hubs", &|phase| format!("{:.2}", phase.hubs))?;
        row("CPU of the hubs for each message received", &|phase| {
            let rate = float(phase.received) / phase.took.as_secs_f64();
            if rate > 0.0 {
                format!("{:.1} µs", phase.hubs / rate * 1e6)
            } else {
                "–".to_owned()
            }
        })?;
        row("CPUs of Redis", &|phase| format!("{:.2}", phase.redis))?;
        row("CPUs of generators and publishers", &|phase| format!("{:.2}", phase.generators))?;
        row("CPUs of other programs, and stolen", &|phase| {
            format!("{:.2}, {:.2}", phase.others.max(0.0), phase.stolen)
        })?;
        row("memory of the hubs, peak", &|phase| mib(phase.memory(Part::Hub).all))?;
        row("memory of the largest hub, peak", &|phase| mib(phase.memory(Part::Hub).largest))?;
        row("memory of Redis, peak", &|phase| mib(phase.memory(Part::Redis).all))?;
        row("records that a hub was behind Redis, most", &|phase| phase.most_lag.to_string())
    }

    fn write_restarts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n| hub | streams | replaced | ended | all streams back | exit code |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for (nth, restart) in self.restarts.iter().enumerate() {
            let Restart { streams, ended, code, replaced, back } = *restart;
            let code = code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
            let [replaced, ended, back] = [replaced, ended, back].map(|time| time.as_secs_f64());
            let nth = nth + 1;
            writeln!(
                f,
                "| {nth} | {streams} | {replaced:.2} s | {ended:.2} s | {back:.1} s | {code} |"
            )?;
        }
        let Reports { away, reopening, ends, .. } = &self.restarting.reports;
        writeln!(
            f,
            "\n{} streams ended with a farewell and {} without; {} connections failed, {} clients were asked \
             to come back later.\nFrom the end of a stream to the hello of the next: {} (p50, p99, most), of \
             which after the delay that the hub told: {}.",
            ends.told,
            ends.cut,
            ends.failed,
            ends.busy,
            quantiles(away),
            quantiles(reopening),
        )
    }
}

impl Phase {
    fn memory(&self, part: Part) -> Memory {
        self.peak.get(&part).copied().unwrap_or_default()
    }
}

fn quantiles(latencies: &Latencies) -> String {
    if latencies.len() == 0 {
        return "–".to_owned();
    }
    [0.5, 0.99, 1.0].map(|share| duration(latencies.quantile(share))).join(", ")
}

fn duration(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1_000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1_000.0),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

fn mib(kib: u64) -> String {
    format!("{} MiB", kib.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_with_two_or_three_digits() {
        let shown = [150, 12_345, 2_345_678].map(|micros| duration(Duration::from_micros(micros)));
        assert_eq!(shown, ["0.1 ms", "12 ms", "2.3 s"]);
        assert_eq!(quantiles(&Latencies::default()), "–");
    }
}
