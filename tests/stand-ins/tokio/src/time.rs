//! Time that passes only while somebody waits for it: any amount, whenever the scheduler says so.

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::Add;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use shuttle::future::yield_now;

/// The error of a [`timeout`].
pub mod error {
    /// The time was over first.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Elapsed(pub(crate) ());
}

thread_local! {
    /// The time of the clock. All threads of shuttle are one of the system's.
    static CLOCK: Cell<Duration> = const { Cell::new(Duration::from_secs(86_400)) };
}

/// A moment of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// Returns the moment that the clock shows.
    pub fn now() -> Self {
        Self(CLOCK.get())
    }

    /// Returns the time since an earlier moment; zero since a later one.
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the moment that long ago.
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }

    /// Returns the moment that much later.
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// Waits like [`timeout_at`], so long from now.
///
/// # Errors
///
/// [`error::Elapsed`] when the time was over first.
pub async fn timeout<F: IntoFuture>(
    duration: Duration,
    future: F,
) -> Result<F::Output, error::Elapsed> {
    timeout_at(Instant(CLOCK.get().saturating_add(duration)), future).await
}

/// Waits for the future, and while it is not ready lets all others run for as long as the scheduler
/// likes. Then the time is over.
///
/// # Errors
///
/// [`error::Elapsed`] when the time was over first.
pub async fn timeout_at<F: IntoFuture>(
    deadline: Instant,
    future: F,
) -> Result<F::Output, error::Elapsed> {
    let mut future = pin!(future.into_future());
    let mut others = pin!(yield_now());
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        others.as_mut().poll(cx).map(|()| {
            CLOCK.set(CLOCK.get().max(deadline.0));
            Err(error::Elapsed(()))
        })
    })
    .await
}

/// Lets all others run for as long as the scheduler likes. Then the time is over.
pub async fn sleep(duration: Duration) {
    let Err(error::Elapsed(())) = timeout(duration, std::future::pending::<Infallible>()).await;
}

/// Ticks, of which only so many come: a test that waits for more of them would never end.
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    left: usize,
}

/// The ticks of an [`Interval`], the first one at once.
const TICKS: usize = 4;

/// Ticks every so often.
pub fn interval(period: Duration) -> Interval {
    Interval { period, left: TICKS }
}

/// The behaviour after a missed tick; here none is missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// The next one comes a period later.
    Delay,
}

impl Interval {
    /// Says what happens after a missed tick.
    pub fn set_missed_tick_behavior(&mut self, _behavior: MissedTickBehavior) {}

    /// Waits for the next tick, for as long as the scheduler likes.
    pub async fn tick(&mut self) -> Instant {
        let Some(left) = self.left.checked_sub(1) else { return std::future::pending().await };
        self.left = left;
        yield_now().await;
        CLOCK.set(CLOCK.get().saturating_add(self.period));
        Instant::now()
    }
}
