//! Waiting for facts, and for no longer than a test may take.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// A time that nothing takes on the busiest machine. Only a test that would hang meets it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds, looking every few milliseconds.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let holding = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, holding).await.is_ok(), "never: {what}");
}

/// Returns what the future comes to.
///
/// # Panics
///
/// If it comes to nothing within [`PATIENCE`].
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(output) = timeout(PATIENCE, future).await else { panic!("never: {what}") };
    output
}
