//! Rate-limits the log line for repeated `accept` failures.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A run of failures that counts as one outage.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    last_failure: Mutex<Option<Instant>>,
}

impl Outage {
    /// The time without a failure after which an outage is over. A server at its limit of file
    /// descriptors gets one back now and then, which is not the end of the outage.
    const OVER_AFTER: Duration = Duration::from_secs(10);

    /// Records a failure. Returns `true` if it is the first of an outage.
    pub(crate) fn begins(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last_failure.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now).is_none_or(|last| now.duration_since(last) > Self::OVER_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_and_the_next_one_again() {
        let outage = Outage::default();
        let mut told = 0;
        for pause in [0, 1, 10, 5, 11, 1] {
            tokio::time::advance(Duration::from_secs(pause)).await;
            told += u32::from(outage.begins());
        }
        assert_eq!(told, 2);
    }
}
