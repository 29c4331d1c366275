//! Renews expired grants, a bounded number at a time.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use sse_kit_broadcast::{ConnectionId, Goodbye};
use tokio::time::{Instant, MissedTickBehavior};

use super::{Shared, Stream};
use crate::authorizer::{Authorizer, DeniedError, Grant};

/// The interval between searches for expired grants.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The maximum number of simultaneous calls. Authorizers usually have smaller connection pools;
/// with many more calls, they would wait there while their timeouts run.
const AT_A_TIME: usize = 32;

/// The timeout of one call.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The pause after a call without an answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The maximum random delay after which a client without an answer reconnects.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

type Found<A> = (ConnectionId, Arc<Stream<<A as Authorizer>::Principal>>);

/// The renewals of one gate.
pub(super) struct Renewals<A: Authorizer> {
    shared: Arc<Shared<A>>,
    grace: Duration,
    /// The streams that are due as of the last search, most urgent first.
    waiting: VecDeque<Found<A>>,
    under_way: FuturesUnordered<BoxFuture<'static, (Found<A>, Answer)>>,
    /// The time of the authorizer's last answer.
    last_answer: Instant,
}

/// The result of one call; `None` if there was no answer.
type Answer = Option<Result<Grant, DeniedError>>;

impl<A: Authorizer> Renewals<A> {
    pub(super) fn new(shared: Arc<Shared<A>>, grace: Duration) -> Self {
        let (waiting, under_way) = (VecDeque::new(), FuturesUnordered::new());
        Self { shared, grace, waiting, under_way, last_answer: Instant::now() }
    }

    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some((found, answer)) = self.under_way.next() => self.settle(&found, answer),
                _ = ticks.tick() => if self.is_to_look() { self.look() },
            }
            self.ask();
        }
    }

    /// Returns whether to search for due streams. A search iterates over all streams, so the
    /// streams already found are renewed first, unless a change is more urgent or the authorizer
    /// does not answer.
    fn is_to_look(&self) -> bool {
        self.waiting.is_empty()
            || std::mem::take(&mut self.shared.admitted.lock().changed)
            || self.last_answer.elapsed() > self.grace
    }

    /// Finds the due streams, and ends those that have waited too long for an answer.
    fn look(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for (id, stream) in &self.shared.admitted.lock().streams {
            let lease = stream.lease.lock();
            if let Some(since) = lease.due.filter(|since| *since <= now && !lease.asking) {
                due.push(((!lease.changed, since), (id.clone(), Arc::clone(stream))));
            }
        }
        due.sort_unstable_by_key(|(urgency, _)| *urgency);
        self.waiting.clear();
        for ((_, since), found) in due {
            let since = found.1.lease.lock().failing_since.unwrap_or(since);
            // While other streams get answers, a stream only waits for its turn.
            if now - since.max(self.last_answer).min(now) > self.grace {
                self.end(&found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
            } else {
                self.waiting.push_back(found);
            }
        }
    }

    /// Starts as many calls as allowed.
    fn ask(&mut self) {
        while self.under_way.len() < AT_A_TIME {
            let Some(found) = self.waiting.pop_front() else { return };
            let stream = Arc::clone(&found.1);
            {
                let mut lease = stream.lease.lock();
                (lease.asking, lease.changed) = (true, false);
            }
            let shared = Arc::clone(&self.shared);
            let call = async move {
                let asking = shared.ask(&stream.principal, &stream.topics, stream.access);
                let asking = AssertUnwindSafe(asking).catch_unwind();
                let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
                (found, answer.ok().and_then(Result::ok))
            };
            self.under_way.push(call.boxed());
        }
    }

    fn settle(&mut self, found: &Found<A>, answer: Answer) {
        let now = Instant::now();
        let mut lease = found.1.lease.lock();
        lease.asking = false;
        if answer.is_some() {
            (self.last_answer, lease.failing_since) = (now, None);
        }
        match answer {
            // Another change was announced meanwhile, so this answer may be outdated.
            Some(Ok(_)) if lease.changed => {}
            Some(Ok(grant)) => lease.due = grant.until,
            Some(Err(DeniedError)) => {
                drop(lease);
                self.end(found, Goodbye::StayAway);
            }
            None => {
                let since = *lease.failing_since.get_or_insert(now);
                lease.due = Some(now + RETRY_AFTER);
                drop(lease);
                tracing::error!("an authorizer panicked or timed out; retrying");
                if now - since >= self.grace {
                    self.end(found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
                }
            }
        }
    }

    fn end(&self, (id, stream): &Found<A>, goodbye: Goodbye) {
        let mut admitted = self.shared.admitted.lock();
        // Under the lock, because a client may reconnect with the same id at this moment.
        if admitted.forget(id, stream) {
            self.shared.hub.dismiss(id, goodbye);
        }
    }
}

impl<A: Authorizer> Drop for Renewals<A> {
    /// Marks the streams for a later `watch`.
    fn drop(&mut self) {
        for stream in self.shared.admitted.lock().streams.values() {
            stream.lease.lock().asking = false;
        }
    }
}
