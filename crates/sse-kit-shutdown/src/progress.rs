//! How a shutdown gets on, for those who watch.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};

use crate::builder::ProgressLine;
use crate::phase::Phase;
use crate::shutdown::Shutdown;

/// What a shutdown has yet to do: see [`Shutdown::progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// How far it has got.
    pub phase: Phase,
    /// Streams that are open.
    pub streams: usize,
    /// Tracked connections that are open.
    pub connections: usize,
    /// Work under way.
    pub work: usize,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, streams, connections, work } = self;
        write!(f, "{phase}: {streams} streams, {connections} connections, {work} at work")
    }
}

/// How often the line is written, and how many of these lines are a log entry.
const LINE_EVERY: Duration = Duration::from_millis(100);
const LINES_PER_ENTRY: usize = 10;

impl Shutdown {
    /// Logs every second how it gets on, and shows it on a terminal more often; for ever.
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

/// A line that is written over and over, and is gone in the end.
struct Line {
    shows: bool,
}

impl Line {
    fn new(progress_line: ProgressLine) -> Self {
        Self { shows: progress_line == ProgressLine::OnTerminal && stderr().is_terminal() }
    }

    fn show(&mut self, progress: &Progress, elapsed: Duration) {
        if self.shows {
            // A terminal that is gone is no reason to stop.
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
