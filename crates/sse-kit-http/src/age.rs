//! The maximum age of a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// The time at which a stream ends because of its age.
pub(crate) struct Age {
    ends_at: Instant,
    /// The timer, from the first poll on: a response may be built outside of a runtime.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Age {
    /// Creates an end at a random time in the last fifth of `max`; `None` if that is beyond the range
    /// of `Instant`, which means never.
    pub(crate) fn new(max: Duration) -> Option<Self> {
        let age = max.min(Duration::MAX / 2).mul_f64(0.8 + fastrand::f64() / 5.0);
        Some(Self { ends_at: Instant::now().checked_add(age)?, timer: None })
    }

    /// Completes when the stream has reached its age.
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let ends_at = self.ends_at;
        // A timer completes up to a millisecond late.
        if ends_at <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends_at)));
        timer.as_mut().poll(cx)
    }
}

impl fmt::Debug for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Age").field("ends_at", &self.ends_at).finish_non_exhaustive()
    }
}
