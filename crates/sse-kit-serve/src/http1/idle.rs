//! The wait of a connection for its next request.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::connection::{Lifetime, Stop};

/// The timer of an idle connection, and its look at the shutdown. They are kept from one request to the
/// next, as to register a new timer takes two locks.
#[derive(Default)]
pub(super) struct Idle(Option<Box<Waiting>>);

struct Waiting {
    timer: Timer,
    stop: Stop,
}

/// A timer that moves to a later time without a call of Tokio: it looks at the time that it was moved to only when
/// it fires.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    due: Instant,
    /// The task that `sleep` wakes.
    task: Option<Waker>,
}

impl Timer {
    fn new(due: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(due)), due, task: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wakes = self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if wakes && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        while self.sleep.as_mut().poll(cx).is_ready() {
            if self.sleep.deadline() >= self.due {
                return Poll::Ready(());
            }
            self.sleep.as_mut().reset(self.due);
        }
        self.task = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Idle {
    /// Awaits a future. Returns `None` if it takes longer than `longest`, or if the server stops.
    pub(super) async fn wait<T>(
        &mut self,
        future: impl Future<Output = T>,
        longest: Duration,
        lifetime: &Lifetime,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut begun = false;
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let waiting = self.0.get_or_insert_with(|| {
                let timer = Timer::new(Instant::now() + longest);
                Box::new(Waiting { timer, stop: lifetime.stop() })
            });
            if !std::mem::replace(&mut begun, true) {
                waiting.timer.due = Instant::now() + longest;
            }
            let is_over = waiting.timer.poll(cx).is_ready() || waiting.stop.poll(cx).is_ready();
            if is_over { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// Frees the memory, which a stream does not need.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_timer_fires_at_the_time_that_it_was_moved_to() {
        let began = Instant::now();
        let mut timer = Timer::new(began + SECOND);
        let at_once = poll_fn(|cx| Poll::Ready(timer.poll(cx))).await;
        assert!(at_once.is_pending());
        timer.due = began + 3 * SECOND;
        poll_fn(|cx| timer.poll(cx)).await;
        assert_eq!(Instant::now() - began, 3 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_wakes_the_task_that_asks_last() {
        let mut timer = Timer::new(Instant::now() + SECOND);
        let mut other = Context::from_waker(Waker::noop());
        assert!(timer.poll(&mut other).is_pending());
        poll_fn(|cx| timer.poll(cx)).await;
    }
}
