//! Renews expired grants, a bounded number at a time.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
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
    /// The gate, which owns the task of these renewals.
    shared: Weak<Shared<A>>,
    /// The streams that are due as of the last search, most urgent first.
    waiting: VecDeque<Found<A>>,
    under_way: FuturesUnordered<BoxFuture<'static, (Found<A>, Answer)>>,
    /// The time of the authorizer's last answer.
    last_answer: Instant,
}

/// The result of one call; `None` if there was no answer.
type Answer = Option<Result<Grant, DeniedError>>;

impl<A: Authorizer> Renewals<A> {
    pub(super) fn new(shared: Weak<Shared<A>>) -> Self {
        let (waiting, under_way) = (VecDeque::new(), FuturesUnordered::new());
        Self { shared, waiting, under_way, last_answer: Instant::now() }
    }

    /// Renews expired grants until the gate is dropped.
    pub(super) async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let answered = tokio::select! {
                Some(answered) = self.under_way.next() => Some(answered),
                _ = ticks.tick() => None,
            };
            let Some(shared) = self.shared.upgrade() else { return };
            match answered {
                Some((found, answer)) => self.settle(&shared, &found, answer),
                None if self.is_to_look(&shared) => self.look(&shared),
                None => {}
            }
            self.ask(&shared);
        }
    }

    /// Returns whether to search for due streams. A search iterates over all streams, so the
    /// streams already found are renewed first, unless a change is more urgent or the authorizer
    /// does not answer.
    fn is_to_look(&self, shared: &Shared<A>) -> bool {
        self.waiting.is_empty()
            || std::mem::take(&mut shared.admitted.lock().changed)
            || self.last_answer.elapsed() > shared.settings.lock().grace
    }

    /// Finds the due streams, and ends those that have waited too long for an answer.
    fn look(&mut self, shared: &Shared<A>) {
        let (now, grace) = (Instant::now(), shared.settings.lock().grace);
        let mut due = Vec::new();
        for (id, stream) in &shared.admitted.lock().streams {
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
            if now - since.max(self.last_answer).min(now) > grace {
                end(shared, &found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
            } else {
                self.waiting.push_back(found);
            }
        }
    }

    /// Starts as many calls as allowed.
    fn ask(&mut self, shared: &Arc<Shared<A>>) {
        while self.under_way.len() < AT_A_TIME {
            let Some(found) = self.waiting.pop_front() else { return };
            let stream = Arc::clone(&found.1);
            {
                let mut lease = stream.lease.lock();
                (lease.asking, lease.changed) = (true, false);
            }
            let shared = Arc::clone(shared);
            let call = async move {
                let asking = shared.ask(&stream.principal, &stream.topics, stream.access);
                let asking = AssertUnwindSafe(asking).catch_unwind();
                let answer = tokio::time::timeout(ANSWER_WITHIN, asking).await;
                (found, answer.ok().and_then(Result::ok))
            };
            self.under_way.push(call.boxed());
        }
    }

    fn settle(&mut self, shared: &Shared<A>, found: &Found<A>, answer: Answer) {
        let (now, grace) = (Instant::now(), shared.settings.lock().grace);
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
                end(shared, found, Goodbye::StayAway);
            }
            None => {
                let since = *lease.failing_since.get_or_insert(now);
                lease.due = Some(now + RETRY_AFTER);
                drop(lease);
                tracing::error!("an authorizer panicked or timed out; retrying");
                if now - since >= grace {
                    end(shared, found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
                }
            }
        }
    }
}

/// Ends a stream, unless it has left or another one has taken its id.
fn end<A: Authorizer>(shared: &Shared<A>, (id, stream): &Found<A>, goodbye: Goodbye) {
    let mut admitted = shared.admitted.lock();
    // Under the lock, because a client may reconnect with the same id at this moment.
    if admitted.forget(id, stream) {
        shared.hub.dismiss(id, goodbye);
    }
}

impl<A: Authorizer> Drop for Renewals<A> {
    /// Marks the streams for the next task, if the runtime of this one has ended before the gate.
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        for stream in shared.admitted.lock().streams.values() {
            stream.lease.lock().asking = false;
        }
    }
}
