//! Periods in which appends fail.

use std::error::Error;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The time since which appends have failed. It logs the beginning and the end of an outage.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<Failing>>);

#[derive(Clone, Copy, Debug)]
struct Failing {
    since: Instant,
    last: Instant,
    is_logged: bool,
}

impl Outage {
    /// Records a failed attempt. Returns `true` if attempts have failed for longer than `patience`,
    /// so publishers need not wait for another retry.
    ///
    /// An outage ends with an append that succeeds. It also ends if nothing was appended for longer
    /// than `patience` and the log was read meanwhile (`read_at`); a later failure begins a new
    /// outage.
    pub(crate) fn goes_on(&self, patience: Duration, read_at: Option<Instant>) -> bool {
        let now = Instant::now();
        let mut failing = self.0.lock();
        let is_over = |failing: &Failing| {
            now - failing.last > patience && read_at.is_some_and(|read| read > failing.last)
        };
        let before = failing.filter(|failing| !is_over(failing));
        let (since, is_logged) = before.map_or((now, false), |f| (f.since, f.is_logged));
        *failing = Some(Failing { since, last: now, is_logged });
        now - since > patience
    }

    /// Logs the first failed append of an outage.
    pub(crate) fn failed(&self, error: &(dyn Error + 'static)) {
        let now = Instant::now();
        let mut failing = self.0.lock();
        let failing = failing.get_or_insert(Failing { since: now, last: now, is_logged: false });
        if !std::mem::replace(&mut failing.is_logged, true) {
            tracing::warn!(error, "appends to the log fail; further failures are not logged");
        }
    }

    /// Ends the outage, if there is one.
    pub(crate) fn end(&self) {
        if let Some(failing) = self.0.lock().take()
            && failing.is_logged
        {
            tracing::info!(after = ?failing.since.elapsed(), "appends to the log succeed again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_hopeless_once_it_lasts_longer_than_an_append() {
        let outage = Outage::default();
        assert!(!outage.goes_on(PATIENCE, None));
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(!outage.goes_on(PATIENCE, None));
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(outage.goes_on(PATIENCE, None), "the log was not read either");
        outage.end();
        assert!(!outage.goes_on(PATIENCE, None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_over_when_the_log_was_read_and_nobody_appended() {
        let outage = Outage::default();
        assert!(!outage.goes_on(PATIENCE, None));
        tokio::time::advance(Duration::from_secs(5)).await;
        let read_at = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!outage.goes_on(PATIENCE, Some(read_at)), "another outage has begun");
        // A log that can be read and not written to stays one outage while people try.
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(2)).await;
            outage.goes_on(PATIENCE, Some(Instant::now()));
        }
        assert!(outage.goes_on(PATIENCE, Some(Instant::now())));
    }
}
