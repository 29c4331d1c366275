//! The signals that stop a server.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::signal::unix;

use crate::disposition::Listening;

/// A listener for SIGTERM and SIGINT.
///
/// From [`Signals::install`] on, these signals no longer end the process. When the last `Signals`
/// is dropped or [uninstalled](Signals::uninstall), they behave again as before the first was
/// installed; by default they end the process.
///
/// # How the previous behaviour is restored
///
/// Tokio never removes its signal handler: once a process has listened, it ignores the signal even
/// when nothing listens any more. So this type performs the default action itself: the next signal
/// restores the default handler and raises the signal again, and the parent sees a process that was
/// ended by a signal. If a signal was ignored before, as in a background job of a shell, it is
/// ignored again. If the app had its own handler, that handler was called all the time and still
/// is. (The previous state is read from `/proc`; without `/proc`, the default is assumed.)
///
/// ```no_run
/// use sse_kit_shutdown::Signals;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut signals = Signals::install()?;
/// let signal = signals.next().await; // a second Ctrl-C does not end the process either
/// println!("{signal:?}");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    /// Dropped after the two fields above.
    _listening: Listening,
}

/// A signal that stops a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGTERM: a deploy, or `kill`.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    ///
    /// If the operating system refuses the signal handlers.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            // Before Tokio's, to see what was there before.
            _listening: Listening::begin()?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
        })
    }

    /// Stops listening, as dropping it does.
    pub fn uninstall(self) {
        drop(self);
    }

    /// Waits for the next signal.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped, the next call returns a signal that arrived
    /// meanwhile.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        // Neither stream ends while the runtime lives.
        if self.terminate.poll_recv(cx).is_ready() {
            return Poll::Ready(Signal::Terminate);
        }
        self.interrupt.poll_recv(cx).map(|_| Signal::Interrupt)
    }
}

impl Signal {
    /// Returns the exit code of a process that this signal ended: 128 plus its number.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}
