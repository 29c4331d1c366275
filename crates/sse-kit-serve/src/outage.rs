//! When a failure that comes again and again is worth a word.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures that follow each other closely, as one.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    last_failure: Mutex<Option<Instant>>,
}

impl Outage {
    /// As long as this without a failure, and it is over. A server at the limit of its file
    /// descriptors gets one back now and then; that alone is no end.
    const OVER_AFTER: Duration = Duration::from_secs(10);

    /// Notes a failure; true when it is the first of an outage.
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
