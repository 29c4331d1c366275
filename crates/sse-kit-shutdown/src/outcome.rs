//! How a server ended.

use std::process::ExitCode;
use std::time::Duration;

use crate::signals::Signal;

/// How a server ended, with counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// Why it ended when it did.
    pub ended: Ended,
    /// Streams that were open when the goodbye was given.
    pub streams: usize,
    /// Streams that had not been read to their end.
    pub streams_cut: usize,
    /// Tracked connections that were still open; with `sse-kit-serve` these are all connections.
    pub connections_cut: usize,
    /// Work that was not done.
    pub work_cut: usize,
    /// How long it took from the signal.
    pub took: Duration,
    /// What the server itself returned, if it did.
    pub served: Option<T>,
}

/// Why a server ended when it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Everything had ended by itself.
    Drained,
    /// The time was up, and what was left was cut off.
    Deadline,
    /// A second signal came.
    SecondSignal(Signal),
    /// The server returned before anybody asked it to stop.
    Returned,
}

impl<T> Outcome<T> {
    /// What the process is to exit with: 0 when everything ended by itself, 1 when something was cut
    /// off or the server returned before anybody asked it to stop, and at a second signal what the
    /// shell expects of a process that a signal ends (130 or 143).
    ///
    /// An app whose server may return by itself looks at what it [returned](Outcome::served).
    pub fn exit_code(&self) -> ExitCode {
        self.exit_status().into()
    }

    fn exit_status(&self) -> u8 {
        match self.ended {
            Ended::Drained => 0,
            Ended::Deadline | Ended::Returned => 1,
            Ended::SecondSignal(signal) => signal.exit_code(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_that_a_shell_knows() {
        for (ended, status) in [
            (Ended::Drained, 0),
            (Ended::Returned, 1),
            (Ended::Deadline, 1),
            (Ended::SecondSignal(Signal::Interrupt), 130),
            (Ended::SecondSignal(Signal::Terminate), 143),
        ] {
            let outcome = Outcome::<()> {
                ended,
                streams: 0,
                streams_cut: 0,
                connections_cut: 0,
                work_cut: 0,
                took: Duration::ZERO,
                served: None,
            };
            assert_eq!(outcome.exit_status(), status);
        }
    }
}
