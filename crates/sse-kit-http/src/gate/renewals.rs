//! Asking again for streams whose grants have run out, a bounded number at a time.

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

/// How often the gate looks for grants that have run out.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How many calls are under way at a time. An authorizer that has a pool of connections mostly has
/// fewer; with many more, calls would wait there, on their own time.
const AT_A_TIME: usize = 32;

/// How long one call may take, from its beginning.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The pause after a call without an answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The longest time, at random, after which a client comes back that got no answer.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

type Found<A> = (ConnectionId, Arc<Stream<<A as Authorizer>::Principal>>);

/// The renewals of one gate.
pub(super) struct Renewals<A: Authorizer> {
    shared: Arc<Shared<A>>,
    grace: Duration,
    /// Streams that are due, as of the last look; the most urgent first.
    waiting: VecDeque<Found<A>>,
    under_way: FuturesUnordered<BoxFuture<'static, (Found<A>, Answer)>>,
    /// When the authorizer last gave any answer.
    last_answer: Instant,
}

/// The outcome of one call; `None` when there was no answer.
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

    /// Looking costs a pass over all streams; so those that are found are asked for first, unless a
    /// change is more urgent, or nobody is answered.
    fn is_to_look(&self) -> bool {
        self.waiting.is_empty()
            || std::mem::take(&mut self.shared.admitted.lock().changed)
            || self.last_answer.elapsed() > self.grace
    }

    /// Finds the streams that are due, and ends those that have waited too long for an answer.
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
            // As long as others are answered, a stream only waits for its turn.
            if now - since.max(self.last_answer).min(now) > self.grace {
                self.end(&found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
            } else {
                self.waiting.push_back(found);
            }
        }
    }

    /// Begins as many calls as there may be.
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
            // After another change this answer may be an old one.
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
                tracing::error!("an authorizer panicked or took too long");
                if now - since >= self.grace {
                    self.end(found, Goodbye::ComeBack { within: COME_BACK_WITHIN });
                }
            }
        }
    }

    fn end(&self, (id, stream): &Found<A>, goodbye: Goodbye) {
        let mut admitted = self.shared.admitted.lock();
        // Under the lock, as a client may come back with the same id just now.
        if admitted.forget(id, stream) {
            self.shared.hub.dismiss(id, goodbye);
        }
    }
}

impl<A: Authorizer> Drop for Renewals<A> {
    /// Leaves the streams to a later `watch`.
    fn drop(&mut self) {
        for stream in self.shared.admitted.lock().streams.values() {
            stream.lease.lock().asking = false;
        }
    }
}
