//! CPU time, memory and open files of a process and its children.

use anyhow::{Context, Result};
use linux::Process;

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
        let times = self.processes()?.into_iter();
        Ok(times.map(|it| it.cpu_seconds() + it.cpu_seconds_of_ended_children()).sum())
    }

    /// Returns the memory that the processes hold, with their part of shared pages (PSS).
    #[expect(clippy::cast_precision_loss, reason = "no machine has 2^52 KiB")]
    pub(crate) fn memory_kib(self) -> Result<f64> {
        let kib = self.processes()?.iter().map(Process::proportional_kib).sum::<Result<u64>>()?;
        Ok(kib as f64)
    }

    /// Returns the number of open files, sockets among them.
    pub(crate) fn open_files(self) -> Result<i32> {
        let count = self.processes()?.iter().map(Process::open_files).sum::<Result<usize>>()?;
        Ok(i32::try_from(count)?)
    }

    fn processes(self) -> Result<Vec<Process>> {
        let mut others: Vec<Process> = Process::all()?.collect();
        let root = others.iter().position(|process| process.pid() == self.root);
        let root = root.with_context(|| format!("process {} has ended", self.root))?;
        let mut tree = vec![others.swap_remove(root)];
        let mut next = 0;
        while let Some(parent) = tree.get(next).map(Process::pid) {
            tree.extend(others.extract_if(.., |process| process.parent() == parent));
            next += 1;
        }
        Ok(tree)
    }
}
