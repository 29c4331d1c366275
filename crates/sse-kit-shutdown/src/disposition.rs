//! Restores the default action of signals when no `Signals` exist.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};

/// The state of this process. Signal handlers belong to the process, so this does too.
static PROCESS: Mutex<Process> = Mutex::new(Process { listening: 0, ends: None });

struct Process {
    /// The number of `Signals` that exist.
    listening: usize,
    /// `true` if a signal should end the process. It is created with the first `Signals` and read
    /// in the signal handler.
    ends: Option<Arc<AtomicBool>>,
}

/// A guard that counts as one listener.
#[derive(Debug)]
pub(crate) struct Listening(());

impl Listening {
    pub(crate) fn begin() -> io::Result<Self> {
        let mut process = PROCESS.lock();
        if process.ends.is_none() {
            process.ends = Some(take_over()?);
        }
        process.listening += 1;
        process.update_default_action();
        Ok(Self(()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut process = PROCESS.lock();
        process.listening -= 1;
        process.update_default_action();
    }
}

impl Process {
    fn update_default_action(&self) {
        if let Some(ends) = &self.ends {
            ends.store(self.listening == 0, Ordering::Relaxed);
        }
    }
}

/// Registers a handler for each signal with the default action. The handler performs the default
/// action while the returned flag is set.
fn take_over() -> io::Result<Arc<AtomicBool>> {
    let ends = Arc::new(AtomicBool::new(false));
    // Read this before registering our first handler, which would show up here.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in [SIGTERM, SIGINT] {
        if is_default(&status, signal) {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&ends))?;
        }
    }
    Ok(ends)
}

/// Returns `true` if the signal is neither ignored nor caught, according to the masks in
/// `/proc/self/status`.
fn is_default(status: &str, signal: i32) -> bool {
    let is_in = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & 1 << (signal - 1) != 0)
    };
    !is_in("SigIgn:") && !is_in("SigCgt:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_say_what_a_signal_does() {
        // SIGINT is 2, SIGTERM 15.
        let status =
            "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000000002\nSigCgt:\t0000000000004000\n";
        assert!(!is_default(status, SIGINT));
        assert!(!is_default(status, SIGTERM));
        assert!(is_default(status, 1));
        assert!(is_default("", SIGTERM));
        assert!(is_default("SigIgn: what?", SIGTERM));
    }
}
