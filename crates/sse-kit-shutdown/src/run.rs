//! The sequence of a shutdown, from the signal to the end.

use std::num::NonZero;
use std::pin::pin;
use std::time::Duration;

use sse_kit_broadcast::{Drain, Hub};
use tokio::time::{Instant, sleep_until};

use crate::outcome::{Ended, Outcome};
use crate::phase::Phase;
use crate::shutdown::Shutdown;
use crate::signals::{Signal, Signals};

/// The interval between batches of ended streams.
const BATCH_INTERVAL: Duration = Duration::from_millis(100);

const BATCHES_PER_SECOND: usize = 10;

impl Shutdown {
    /// Runs a server until it is asked to stop, and then until everything has ended.
    ///
    /// `serving` must stop by itself at [`Shutdown::stopping`] and complete when its connections
    /// have ended; axum's `with_graceful_shutdown` and `sse-kit-serve` do so. Without `signals`,
    /// only [`Shutdown::trigger`] stops it.
    ///
    /// 1. At the signal the server reports not ready and keeps serving for `pre_drain`.
    /// 2. It stops accepting, and waits for current [work](Shutdown::work).
    /// 3. The streams receive everything published before and then the goodbye, and end: all at
    ///    once, or `streams_per_second`. After that, publishing and subscribing fail.
    /// 4. When everything has ended, it returns. After the `shutdown_delay` it drops `serving`,
    ///    which cuts the rest off; tasks that `serving` leaves behind end with the process.
    ///
    /// A second signal cuts everything off immediately. When the future completes, `signals` are
    /// uninstalled.
    ///
    /// If `serving` completes before it is asked to stop, the shutdown continues with step 2, so that
    /// streams and tasks end with the server. If `serving` panics, the streams get their goodbye at
    /// once, every future from [`Shutdown::reached`] completes, and the panic goes on.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe. If the future is dropped, `serving` is dropped with it and its connections
    /// are cut off. The streams get their goodbye, and every future from [`Shutdown::reached`]
    /// completes.
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
            () = self.triggered() => tracing::info!("shutting down, requested by the app"),
            returned = &mut serving => {
                tracing::error!("shutting down: the server returned by itself");
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
                // Work that was late for the goodbye, and streams that the app reads outside of its
                // server, have the same time as slow clients.
                self.idle().await;
                self.without_streams().await;
                // The process that comes next waits for the lock of a log in files.
                for hub in self.hubs() {
                    hub.log_closed().await;
                }
            };
            let pre_drain = if by_itself { Duration::ZERO } else { self.settings().pre_drain };
            tokio::select! {
                biased;
                signal = next(&mut signals) => Ended::SecondSignal(signal),
                () = drained => if by_itself { Ended::Returned } else { Ended::Drained },
                () = self.sequence(&mut begun, pre_drain) => Ended::Deadline,
                () = self.report() => Ended::Deadline,
            }
        };
        // Lets everything that waits for the end complete.
        self.enter(Phase::Closed);
        let outcome = self.outcome(ended, begun, served);
        outcome.log();
        outcome
    }

    /// Performs the phases, from the signal to the moment at which the rest is cut off.
    async fn sequence(&self, begun: &mut Begun, pre_drain: Duration) {
        let settings = self.settings();
        let last_call = later(begun.at, settings.deadline.saturating_sub(settings.delay));
        self.enter(Phase::Leaving);
        // Skip the sleep if it is zero: even that takes a tick of the timer, in which the server
        // could accept a client only to close it.
        if !pre_drain.is_zero() {
            sleep_until(last_call.min(later(begun.at, pre_drain))).await;
        }
        self.enter(Phase::Draining);
        if tokio::time::timeout_at(last_call, self.idle()).await.is_err() {
            tracing::warn!(work = self.progress().work, "some work did not finish in time");
        }
        self.enter(Phase::Closing);
        let streams = self.streams();
        begun.streams = Some(streams);
        self.say_goodbye(streams, last_call).await;
        self.enter(Phase::Closed);
        let over = later(begun.at, settings.deadline);
        sleep_until(over.min(later(Instant::now(), settings.delay))).await;
    }

    async fn say_goodbye(&self, streams: usize, last_call: Instant) {
        let goodbye = self.settings().goodbye.to(streams);
        if let Some(per_second) = self.settings().per_second {
            let mut drains: Vec<_> = self.hubs().iter().map(Hub::drain).collect();
            let mut batches = tokio::time::interval(BATCH_INTERVAL);
            let mut pace = Pace::new(per_second);
            while drains.iter().any(|drain| drain.remaining() > 0) {
                if tokio::time::timeout_at(last_call, batches.tick()).await.is_err() {
                    break;
                }
                let mut batch = pace.next_batch();
                for drain in &mut drains {
                    let remaining = drain.remaining();
                    drain.end(batch, goodbye);
                    batch -= remaining - drain.remaining();
                }
            }
            let left: usize = drains.iter().map(Drain::remaining).sum();
            if left > 0 {
                tracing::warn!(left, "the deadline leaves no time to end these streams in batches");
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
            // Cut off before the goodbye, the streams that are open get it now.
            streams: begun.streams.unwrap_or(left.streams),
            streams_cut: left.streams,
            connections_cut: left.connections,
            work_cut: left.work,
            took: begun.at.elapsed(),
            served,
        }
    }
}

/// Ends everything that depends on the server, whichever way `serving` ended.
struct EndOfServing<'a>(&'a Shutdown);

impl Drop for EndOfServing<'_> {
    fn drop(&mut self) {
        // After the sequence this does nothing: a hub shuts down once, and phases never go back.
        for hub in self.0.hubs() {
            hub.shut_down(self.0.settings().goodbye.to(self.0.streams()));
        }
        self.0.enter(Phase::Closed);
    }
}

/// The time of the signal, and the number of streams at the goodbye, once that is sent.
#[derive(Clone, Copy, Debug)]
struct Begun {
    at: Instant,
    streams: Option<usize>,
}

impl Begun {
    fn now() -> Self {
        Self { at: Instant::now(), streams: None }
    }
}

/// Adds a duration to an instant; caps it, because an instant has a smaller range than a duration.
fn later(at: Instant, by: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(30 * 365 * 86_400);
    at + by.min(YEARS)
}

/// The number of streams to end in each batch, so that their sum keeps to a rate.
struct Pace {
    per_second: usize,
    /// The part of the rate that no batch has used, in streams per [`BATCHES_PER_SECOND`].
    rest: usize,
}

impl Pace {
    fn new(per_second: NonZero<u32>) -> Self {
        // The first batch is not empty.
        Self { per_second: per_second.get() as usize, rest: BATCHES_PER_SECOND - 1 }
    }

    fn next_batch(&mut self) -> usize {
        let sum = self.rest + self.per_second;
        self.rest = sum % BATCHES_PER_SECOND;
        sum / BATCHES_PER_SECOND
    }
}

async fn next(signals: &mut Option<Signals>) -> Signal {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_to_the_rate_in_every_second() {
        assert_eq!(BATCH_INTERVAL.as_millis() * BATCHES_PER_SECOND as u128, 1000);
        for per_second in [1, 7, 9, 10, 11, 19, 101, 4_000_000_000] {
            let mut pace = Pace::new(NonZero::new(per_second).expect("not zero"));
            let batches: Vec<_> = (0..100).map(|_| pace.next_batch()).collect();
            assert!(batches[0] > 0);
            for second in batches.windows(BATCHES_PER_SECOND) {
                assert_eq!(second.iter().sum::<usize>(), per_second as usize, "{batches:?}");
            }
        }
    }

    #[tokio::test]
    async fn streams_that_are_cut_off_before_their_goodbye_are_counted() {
        let hub = Hub::new();
        let topic: sse_kit_event::Topic = "t".parse().expect("a topic");
        let _stream = hub.subscribe(topic).open().expect("the hub is open");
        let shutdown = Shutdown::builder().hub(hub).build();
        let ended = Ended::SecondSignal(Signal::Terminate);
        let outcome = shutdown.outcome::<()>(ended, Begun::now(), None);
        assert_eq!((outcome.streams, outcome.streams_cut), (1, 1));
    }
}
