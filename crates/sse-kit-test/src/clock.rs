//! Tokio's clock, which tests pause.

use std::time::Instant;

/// Returns whether Tokio's clock is paused, so that waiting for silence takes no time and is certain.
///
/// Tokio does not say so. A paused clock stands still while this thread works, and another one follows
/// the machine's.
pub(crate) fn is_paused() -> bool {
    let (begun, machine) = (tokio::time::Instant::now(), Instant::now());
    while machine.elapsed().as_micros() < 2 {
        std::hint::spin_loop();
    }
    tokio::time::Instant::now() == begun
}
