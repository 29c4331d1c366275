//! The size of the tests: clients, events and times.

use std::io::{Write, stderr};

use tokio::sync::{Mutex, MutexGuard};

/// Set by `cargo xtask soak`.
fn in_full() -> bool {
    std::env::var_os("SSE_KIT_SOAK").is_some()
}

/// The one in `cargo test`, the other in `cargo xtask soak`.
pub(crate) fn scaled(reduced: usize, full: usize) -> usize {
    if in_full() { full } else { reduced }
}

/// Each of these tests wants the machine for itself.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::const_new(());
    MACHINE.lock().await
}

/// A figure, for whoever looks.
pub(crate) fn report(figure: &str) {
    if in_full() {
        writeln!(stderr(), "    {figure}").expect("stderr is there");
    }
}
