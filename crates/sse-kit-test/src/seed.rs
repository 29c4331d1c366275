//! Chance, decided by a seed.

use sse_kit_broadcast::MemoryLog;
use sse_kit_event::Epoch;

/// Makes a log in memory whose epoch the seed decides, so that ids are the same in each run, and seeds the
/// random numbers of this thread by which streams spread their `retry`.
///
/// With `#[tokio::test]`, which has one thread, and the clock paused, a run is then the same each time. The
/// ids of connections are not: they are made by the operating system, as they are secrets.
///
/// ```
/// use sse_kit_broadcast::Hub;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::builder().log(sse_kit_test::seeded(17)).build()?;
/// assert_eq!(hub.cursor().to_string(), "11-0");
/// # Ok(()) }
/// ```
pub fn seeded(seed: u64) -> MemoryLog {
    seed_all(seed);
    MemoryLog::with_epoch(Epoch::new(seed))
}

/// Seeds the random numbers of this thread.
pub(crate) fn seed_all(seed: u64) {
    fastrand::seed(seed);
}
