//! What a signal does when nobody here listens for it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Handlers belong to the process, so this does too.
static PROCESS: Mutex<Process> = Mutex::new(Process { listening: 0, ends: None });

struct Process {
    /// How many listen just now.
    listening: usize,
    /// Whether a signal ends the process. It exists once somebody has listened, and is read in the
    /// signal handler.
    ends: Option<Arc<AtomicBool>>,
}

/// Somebody listens, as long as this lives.
#[derive(Debug)]
pub(crate) struct Listening(());

impl Listening {
    pub(crate) fn begin() -> io::Result<Self> {
        let mut process = PROCESS.lock();
        if process.ends.is_none() {
            process.ends = Some(take_over()?);
        }
        process.listening += 1;
        process.says_whether_signals_end_it();
        Ok(Self(()))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut process = PROCESS.lock();
        process.listening -= 1;
        process.says_whether_signals_end_it();
    }
}

impl Process {
    fn says_whether_signals_end_it(&self) {
        if let Some(ends) = &self.ends {
            ends.store(self.listening == 0, Ordering::Relaxed);
        }
    }
}

/// Registers, for each signal whose default is to be kept, a handler that does the default when it is
/// told to.
fn take_over() -> io::Result<Arc<AtomicBool>> {
    let ends = Arc::new(AtomicBool::new(false));
    // Read once, before the first handler of ours: later it would show that one.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for signal in [SIGTERM, SIGINT] {
        if is_default(&status, signal) {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&ends))?;
        }
    }
    Ok(ends)
}

/// Whether the signal is neither ignored nor caught, by the masks in `/proc/self/status`.
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
