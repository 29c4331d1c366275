//! The resources that a process uses, by `/proc`.

use std::fs;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    /// Open file descriptors.
    pub(crate) files: usize,
    pub(crate) memory_kib: u64,
    /// The memory that the kernel keeps for the sockets of all processes.
    pub(crate) sockets_kib: u64,
}

impl Resources {
    pub(crate) fn of(pid: u32) -> Self {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|kib| kib.split_whitespace().next()?.parse().ok());
        let sockets = fs::read_to_string("/proc/net/sockstat").expect("there are some");
        let tcp = sockets.lines().find(|line| line.starts_with("TCP:"));
        let pages = tcp.and_then(|tcp| tcp.rsplit(' ').next()?.parse::<u64>().ok());
        Self {
            files,
            memory_kib: memory.expect("a number of KiB"),
            sockets_kib: 4 * pages.expect("a number of pages"),
        }
    }
}
