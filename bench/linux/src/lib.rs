//! CPU time, memory and open files of processes and of the machine, as Linux counts them in `/proc`.

mod machine_time;
mod open_files;
mod process;

pub use self::machine_time::MachineTime;
pub use self::open_files::raise_open_files;
pub use self::process::Process;

/// The unit of CPU time in `/proc`: Linux's `USER_HZ`, which is 100 wherever a benchmark may run.
const TICKS_PER_SECOND: u32 = 100;

#[expect(clippy::cast_precision_loss, reason = "no machine has run for 2^52 ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / f64::from(TICKS_PER_SECOND)
}
