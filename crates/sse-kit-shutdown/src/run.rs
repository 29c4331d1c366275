//! The sequence: from the signal to the end.

use std::num::NonZero;
use std::pin::pin;
use std::time::Duration;

use sse_kit_broadcast::{Drain, Hub};
use tokio::time::{Instant, sleep_until};

use crate::outcome::{Ended, Outcome};
use crate::phase::Phase;
use crate::shutdown::Shutdown;
use crate::signals::{Signal, Signals};

/// How often a portion of the streams is ended.
const PORTION_EVERY: Duration = Duration::from_millis(100);

impl Shutdown {
    /// Runs a server until it is told to stop, and then until everything has ended.
    ///
    /// `serving` has to stop by itself at [`Shutdown::stopping`], and to be ready when its connections
    /// have ended: axum's `with_graceful_shutdown` and `sse-kit-serve` do so. Without `signals`
    /// only [`Shutdown::trigger`] stops it.
    ///
    /// 1. At the signal it is no longer ready, and serves on for `pre_drain`.
    /// 2. It stops, and waits for the [work](Shutdown::work) that is under way.
    /// 3. The streams get what was published before and the goodbye, and end; all at once, or
    ///    `streams_per_second`. After that publishing and subscribing fail.
    /// 4. When all has ended it returns. What is left after the `shutdown_delay` is cut off, as
    ///    `serving` is dropped; or when the process exits, if that leaves tasks behind.
    ///
    /// A second signal cuts everything off at once. When it returns, `signals` are uninstalled.
    ///
    /// A server that returns by itself takes the same way from step 2 on, so that streams and tasks
    /// end with it. When `serving` panics, or the future is dropped, the streams get their goodbye
    /// at once, and everything that waits for a phase goes on.
    pub async fn run<S: IntoFuture>(
        &self,
        signals: impl Into<Option<Signals>>,
        serving: S,
    ) -> Outcome<S::Output> {
        let mut signals = signals.into();
        // Dropped after `serving`, also when that panics.
        let _end = EndOfServing(self);
        let mut serving = pin!(serving.into_future());
        let mut served = None;
        tokio::select! {
            biased;
            signal = next(&mut signals) => tracing::info!(?signal, "shutting down"),
            () = self.triggered() => tracing::info!("shutting down, as the app asks for it"),
            returned = &mut serving => {
                tracing::error!("shutting down, as the server returned by itself");
                served = Some(returned);
            }
        }
        let by_itself = served.is_some();
        let mut begun = Begun::now();
        let ended = {
            let drained = async {
                if served.is_none() {
                    served = Some(serving.await);
                }
                self.reached(Phase::Closed).await;
                self.untracked().await;
            };
            // A server that serves no more has nothing to hold out for.
            let pre_drain = if by_itself { Duration::ZERO } else { self.settings().pre_drain };
            tokio::select! {
                biased;
                signal = next(&mut signals) => Ended::SecondSignal(signal),
                () = drained => if by_itself { Ended::Returned } else { Ended::Drained },
                () = self.sequence(&mut begun, pre_drain) => Ended::Deadline,
                () = self.report() => Ended::Deadline,
            }
        };
        // Whoever waits for the end need not wait for ever.
        self.enter(Phase::Closed);
        let outcome = self.outcome(ended, begun, served);
        let Outcome { streams, streams_cut, connections_cut, work_cut, took, .. } = outcome;
        if ended == Ended::Drained {
            tracing::info!(streams, ?took, "everything has ended");
        } else {
            tracing::warn!(
                ?ended,
                streams,
                streams_cut,
                connections_cut,
                work_cut,
                ?took,
                "cut off"
            );
        }
        outcome
    }

    /// From the signal until what is left is to be cut off.
    async fn sequence(&self, begun: &mut Begun, pre_drain: Duration) {
        let settings = self.settings();
        let last_call = later(begun.at, settings.deadline.saturating_sub(settings.delay));
        self.enter(Phase::Leaving);
        // Even a sleep of no time takes a tick of the timer, in which a client that was told that the
        // server is not ready could still be taken in, only to be closed.
        if !pre_drain.is_zero() {
            sleep_until(last_call.min(later(begun.at, pre_drain))).await;
        }
        self.enter(Phase::Draining);
        if tokio::time::timeout_at(last_call, self.idle()).await.is_err() {
            tracing::warn!(work = self.progress().work, "not all of the work was done in time");
        }
        self.enter(Phase::Closing);
        begun.streams = self.streams();
        self.say_goodbye(begun.streams, last_call).await;
        self.enter(Phase::Closed);
        let over = later(begun.at, settings.deadline);
        sleep_until(over.min(later(Instant::now(), settings.delay))).await;
    }

    async fn say_goodbye(&self, streams: usize, last_call: Instant) {
        let goodbye = self.settings().goodbye.to(streams);
        if let Some(per_second) = self.settings().per_second {
            let mut drains: Vec<_> = self.hubs().iter().map(Hub::drain).collect();
            let mut portions = tokio::time::interval(PORTION_EVERY);
            while drains.iter().any(|drain| drain.remaining() > 0) {
                if tokio::time::timeout_at(last_call, portions.tick()).await.is_err() {
                    break;
                }
                let mut portion = portion(per_second);
                for drain in &mut drains {
                    let remaining = drain.remaining();
                    drain.end(portion, goodbye);
                    portion -= remaining - drain.remaining();
                }
            }
            let left: usize = drains.iter().map(Drain::remaining).sum();
            if left > 0 {
                tracing::warn!(left, "the deadline leaves no time for ending these in portions");
            }
        }
        for hub in self.hubs() {
            hub.shut_down(goodbye);
        }
    }

    fn outcome<T>(&self, ended: Ended, begun: Begun, served: Option<T>) -> Outcome<T> {
        let left = self.progress();
        Outcome {
            ended,
            streams: begun.streams,
            streams_cut: left.streams,
            connections_cut: left.connections,
            work_cut: left.work,
            took: begun.at.elapsed(),
            served,
        }
    }
}

/// Ends what depends on a server that serves no more, however that came about.
struct EndOfServing<'a>(&'a Shutdown);

impl Drop for EndOfServing<'_> {
    fn drop(&mut self) {
        // After the sequence there is nothing left to do: both do nothing the second time.
        for hub in self.0.hubs() {
            hub.shut_down(self.0.settings().goodbye.to(self.0.streams()));
        }
        self.0.enter(Phase::Closed);
    }
}

/// When the signal came, and how many streams there were at the goodbye.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    streams: usize,
}

impl Begun {
    fn now() -> Self {
        Self { at: Instant::now(), streams: 0 }
    }
}

/// An instant cannot be as late as a duration can be long.
fn later(at: Instant, by: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);
    at + by.min(YEARS)
}

/// How many streams are ended at a time.
fn portion(per_second: NonZero<u32>) -> usize {
    let portions = 1000 / PORTION_EVERY.as_millis() as usize;
    (per_second.get() as usize).div_ceil(portions)
}

async fn next(signals: &mut Option<Signals>) -> Signal {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}
