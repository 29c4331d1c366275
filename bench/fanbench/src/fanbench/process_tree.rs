//! CPU time and memory of a process and its children, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// The unit of `/proc/stat` and `/proc/PID/stat`: Linux's `USER_HZ`, which is 100 wherever a benchmark may run.
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// A process and all that descend from it, now or later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessTree {
    root: u32,
}

impl ProcessTree {
    pub(crate) fn new(root: u32) -> Self {
        Self { root }
    }

    /// Returns the CPU time that the processes have used, including the kernel's on their behalf.
    pub(crate) fn cpu_seconds(self) -> Result<f64> {
        let mut ticks = 0.0;
        for pid in self.pids()? {
            let stat = stat(pid).with_context(|| format!("process {pid} has ended"))?;
            ticks += cpu_ticks(&stat).context("/proc/PID/stat is not as expected")?;
        }
        Ok(ticks / TICKS_PER_SECOND)
    }

    /// Returns the memory that the processes hold, with their part of shared pages (PSS).
    pub(crate) fn memory_kib(self) -> Result<f64> {
        let mut kib = 0.0;
        for pid in self.pids()? {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
                .with_context(|| format!("cannot read the memory of process {pid}"))?;
            kib += pss(&rollup).context("/proc/PID/smaps_rollup has no Pss")?;
        }
        Ok(kib)
    }

    /// Returns the number of open files, sockets among them.
    pub(crate) fn descriptors(self) -> Result<i32> {
        let mut count = 0;
        for pid in self.pids()? {
            let files = fs::read_dir(format!("/proc/{pid}/fd"));
            count += files.with_context(|| format!("cannot count the files of {pid}"))?.count();
        }
        Ok(i32::try_from(count)?)
    }

    fn pids(self) -> Result<Vec<u32>> {
        let entries = fs::read_dir("/proc").context("the benchmark needs Linux's /proc")?;
        let parents: Vec<(u32, u32)> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, parent(&stat(pid)?)?)))
            .collect();
        let mut tree = vec![self.root];
        let mut next = 0;
        while let Some(&pid) = tree.get(next) {
            tree.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(pid, _)| pid));
            next += 1;
        }
        Ok(tree)
    }
}

/// Reads the fields after the program's name, which may itself contain blanks and brackets.
fn stat(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

fn parent(stat: &str) -> Option<u32> {
    stat.split(' ').nth(1)?.parse().ok()
}

/// Sums utime and stime, and the same of children that have ended.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let ticks: Vec<f64> = stat.split(' ').skip(11).take(4).flat_map(str::parse).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum())
}

fn pss(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let fields = "S 17 1 1 0 -1 4194560 9 8 7 6 100 20 3 4 20 0 1 0 55";
        assert_eq!(parent(fields), Some(17));
        assert_eq!(cpu_ticks(fields), Some(127.0));
        assert_eq!(cpu_ticks("S 17"), None);
        assert_eq!(pss("Rss:  90 kB\nPss:  42 kB\nPss_Dirty: 1 kB\n"), Some(42.0));
    }
}
