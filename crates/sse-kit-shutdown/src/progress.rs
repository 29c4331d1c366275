//! The progress of a shutdown.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::builder::ProgressLine;
use crate::phase::Phase;
use crate::shutdown::Shutdown;

/// The remaining streams, connections and work of a shutdown: see [`Shutdown::progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The current phase.
    pub phase: Phase,
    /// The number of open streams.
    pub streams: usize,
    /// The number of open tracked connections.
    pub connections: usize,
    /// The number of pieces of work in progress.
    pub work: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, streams, connections, work } = self;
        write!(f, "{phase}: {streams} streams, {connections} connections, {work} at work")
    }
}

/// The interval between updates of the line.
const LINE_EVERY: Duration = Duration::from_millis(100);
/// The number of updates per log entry.
const LINES_PER_ENTRY: usize = 10;

impl Shutdown {
    /// Logs the progress every second and updates the line on the terminal more often. Never
    /// completes.
    pub(crate) async fn report(&self) {
        let begun = Instant::now();
        let mut line = Line::new(self.settings().progress_line);
        let mut ticks = tokio::time::interval(LINE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tick in 1_usize.. {
            ticks.tick().await;
            let progress = self.progress();
            line.show(&progress, begun.elapsed());
            if tick.is_multiple_of(LINES_PER_ENTRY) {
                let Progress { phase, streams, connections, work } = progress;
                tracing::info!(%phase, streams, connections, work, "still shutting down");
            }
        }
    }
}

/// A line on stderr that is rewritten in place and erased at the end.
struct Line {
    shows: bool,
}

impl Line {
    fn new(progress_line: ProgressLine) -> Self {
        Self { shows: progress_line == ProgressLine::OnTerminal && stderr().is_terminal() }
    }

    fn show(&mut self, progress: &Progress, elapsed: Duration) {
        if self.shows {
            // If the terminal is gone, the shutdown goes on.
            let _ = write!(stderr(), "\r\x1b[K{progress} ({:.1} s)", elapsed.as_secs_f64());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.shows {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_line() {
        let progress =
            Progress { phase: Phase::Closing, streams: 9312, connections: 9313, work: 0 };
        assert_eq!(progress.to_string(), "closing: 9312 streams, 9313 connections, 0 at work");
    }
}
