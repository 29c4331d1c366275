//! The signals that end a server.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::signal::unix;

use crate::disposition::Listening;

/// Listens for SIGTERM and SIGINT.
///
/// From [`Signals::install`] on they no longer end the process. When the last `Signals` is dropped, or
/// [uninstalled](Signals::uninstall), they do again what they did before the first was installed: as
/// a rule they end the process.
///
/// # What is restored, and how
///
/// Tokio never gives a signal back: once it has listened, the process ignores the signal even when
/// nobody listens any more. So the default behaviour is not restored but done: the next signal puts
/// the default back and raises the signal again, and the parent sees a process that a signal ended.
/// Where a signal was ignored before, as in a background job of a shell, it is ignored again; where
/// the app had a handler of its own, that one was called all the time and still is. (This is read
/// from `/proc`; without it the default is assumed.)
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    /// Dropped after the two above.
    _listening: Listening,
}

/// Which signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a deploy, or `kill`.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
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

    /// The next signal.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a signal that comes meanwhile is given the next time.
    pub async fn next(&mut self) -> Signal {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        // Neither ends as long as the runtime lives.
        if self.terminate.poll_recv(cx).is_ready() {
            return Poll::Ready(Signal::Terminate);
        }
        self.interrupt.poll_recv(cx).map(|_| Signal::Interrupt)
    }
}

impl Signal {
    /// What a process exits with that is ended by this signal: 128 and its number.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}
