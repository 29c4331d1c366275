//! The result of a shutdown.

use std::process::ExitCode;
use std::time::Duration;

use crate::signals::Signal;

/// The result of running a server, with counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// The reason for the end.
    pub ended: Ended,
    /// The number of streams that were open when the goodbye was sent: in its phase, or at the end if a
    /// second signal came before that.
    pub streams: usize,
    /// The number of streams that were cut off before they were read to the end.
    pub streams_cut: usize,
    /// The number of tracked connections that were cut off; with `sse-kit-serve` all connections
    /// are tracked.
    pub connections_cut: usize,
    /// The number of pieces of work that were cut off.
    pub work_cut: usize,
    /// The duration from the signal to the end.
    pub took: Duration,
    /// The value that the server returned, if it returned.
    pub served: Option<T>,
}

/// The reason for a server's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// All streams, connections and work ended by themselves.
    Drained,
    /// The time was up, and the rest was cut off.
    Deadline,
    /// A second signal arrived.
    SecondSignal(Signal),
    /// The server returned before it was asked to stop.
    Returned,
}

impl<T> Outcome<T> {
    /// Returns the exit code for the process: 0 if everything ended by itself, 1 if something was
    /// cut off or the server returned before it was asked to stop, and after a second signal what a
    /// shell expects of a process that the signal ended (130 or 143).
    ///
    /// An app whose server may return by itself checks what it [returned](Outcome::served).
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

    fn is_cut(&self) -> bool {
        self.streams_cut + self.connections_cut + self.work_cut > 0
    }

    pub(crate) fn log(&self) {
        let Self { ended, streams, streams_cut, connections_cut, work_cut, took, .. } = *self;
        if self.is_cut() {
            tracing::warn!(
                ?ended,
                streams,
                streams_cut,
                connections_cut,
                work_cut,
                ?took,
                "the remaining streams, connections and work were cut off"
            );
        } else {
            tracing::info!(?ended, streams, ?took, "everything has ended");
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
