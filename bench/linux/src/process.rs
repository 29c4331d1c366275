//! One process.

use std::fs;

use anyhow::{Context, Result};
use procfs_core::FromRead;
use procfs_core::process::{SmapsRollup, Stat, Status};

use crate::seconds;

/// A process at the moment when it was read.
#[derive(Debug)]
pub struct Process {
    stat: Stat,
}

impl Process {
    /// Reads a process.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn read(pid: u32) -> Result<Self> {
        let stat = Stat::from_file(format!("/proc/{pid}/stat"));
        Ok(Self { stat: stat.with_context(|| format!("process {pid} has ended"))? })
    }

    /// Reads all processes.
    ///
    /// # Errors
    ///
    /// If there is no `/proc`.
    pub fn all() -> Result<impl Iterator<Item = Self>> {
        let entries = fs::read_dir("/proc").context("the benchmark needs Linux's /proc")?;
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // One that has ended meanwhile is none.
        Ok(pids.filter_map(|pid| Self::read(pid).ok()))
    }

    /// Returns the number of the process.
    pub fn pid(&self) -> u32 {
        self.stat.pid.unsigned_abs()
    }

    /// Returns the number of the process that started it.
    pub fn parent(&self) -> u32 {
        self.stat.ppid.unsigned_abs()
    }

    /// Returns the name of the program.
    pub fn name(&self) -> &str {
        &self.stat.comm
    }

    /// Returns the CPU time that it has used, including the kernel's on its behalf.
    pub fn cpu_seconds(&self) -> f64 {
        seconds(self.stat.utime + self.stat.stime)
    }

    /// Returns the CPU time of the children that have ended, with that of theirs.
    pub fn cpu_seconds_of_ended_children(&self) -> f64 {
        seconds(self.stat.cutime.unsigned_abs() + self.stat.cstime.unsigned_abs())
    }

    /// Returns the memory that it holds, with all of the pages that it shares (RSS).
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn resident_kib(&self) -> Result<u64> {
        let pid = self.pid();
        let status = Status::from_file(format!("/proc/{pid}/status"));
        let status = status.with_context(|| format!("process {pid} has ended"))?;
        status.vmrss.with_context(|| format!("process {pid} has no memory"))
    }

    /// Returns the memory that it holds, with its part of the pages that it shares (PSS).
    ///
    /// # Errors
    ///
    /// If it has ended, or is another user's.
    pub fn proportional_kib(&self) -> Result<u64> {
        let pid = self.pid();
        let failed = || format!("cannot read the memory of process {pid}");
        let rollup =
            SmapsRollup::from_file(format!("/proc/{pid}/smaps_rollup")).with_context(failed)?;
        let maps = rollup.memory_map_rollup.0;
        let bytes = maps.first().and_then(|all| all.extension.map.get("Pss"));
        Ok(bytes.with_context(failed)? / 1024)
    }

    /// Returns the number of its open files, sockets among them.
    ///
    /// # Errors
    ///
    /// If it has ended, or is another user's.
    pub fn open_files(&self) -> Result<usize> {
        let pid = self.pid();
        let files = fs::read_dir(format!("/proc/{pid}/fd"));
        Ok(files.with_context(|| format!("cannot count the files of process {pid}"))?.count())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn this_process_is_read() -> Result<()> {
        let this = Process::read(std::process::id())?;
        assert_eq!(
            (this.pid(), this.parent()),
            (std::process::id(), std::os::unix::process::parent_id())
        );
        assert!(Process::all()?.any(|process| process.pid() == this.pid()));
        let [resident, proportional] = [this.resident_kib()?, this.proportional_kib()?];
        assert!(proportional > 0 && resident >= proportional, "{resident} {proportional}");
        let files: Vec<_> = (0..100).map_while(|_| File::open("/dev/null").ok()).collect();
        assert!(this.open_files()? >= files.len());
        Ok(())
    }

    #[test]
    fn times_of_a_process_are_told_from_those_of_its_children() -> Result<()> {
        let stat = "12 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 700 50 20 5 20 0 1 0 5 6 7 8 9 0 0 0 0 0 0 0 0 0 0 0 0 17 0";
        let process = Process { stat: Stat::from_read(stat.as_bytes())? };
        assert_eq!((process.name(), process.parent()), ("a (b) c", 1));
        let seconds = [process.cpu_seconds(), process.cpu_seconds_of_ended_children()];
        assert!((seconds[0] - 7.5).abs() < 1e-9 && (seconds[1] - 0.25).abs() < 1e-9, "{seconds:?}");
        Ok(())
    }
}
