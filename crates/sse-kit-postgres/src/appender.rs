//! Appends the events that the hub of this node publishes.

use std::sync::Arc;
use std::time::Duration;

use sse_kit_broadcast::{AppendError, Appended};
use sse_kit_event::EventId;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::batch::{Batch, Outcome};
use crate::config::PostgresConfig;
use crate::error::{PostgresConnectError, Refusal, described};
use crate::queue::Waiting;
use crate::session::Session;
use crate::status::{Shared, View};

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// The maximum number of appends that are to be sent again. They are outside of the limits of the queue.
const MAX_LATER: usize = 1024;

const APPEND: &str = "select sse.append(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";

/// Appends what waits in the queue, on its own connection: all that wait at the same time in one call.
#[derive(Debug)]
pub(crate) struct Appender {
    config: PostgresConfig,
    shared: Arc<Shared>,
    link: Option<Link>,
    /// The number of the last batch. PostgreSQL remembers the outcomes of one batch of each node, so a
    /// batch whose reply was lost is sent again under its number.
    batch: i64,
    /// The appends that are to be sent again.
    later: Vec<Waiting>,
}

#[derive(Debug)]
struct Link {
    session: Session,
    append: Statement,
}

/// A batch that is being sent.
struct Sending {
    /// The appends that have no answer yet, with their places in the batch.
    waiting: Vec<(usize, Waiting)>,
    batch: Batch,
    /// `true` if an attempt may have been written.
    is_unknown: bool,
}

/// The reason why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}", described(.0))]
    Connect(PostgresConnectError),
    #[error("PostgreSQL refused: {}", described(.0))]
    Postgres(#[from] tokio_postgres::Error),
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    #[error("the deadline of the append has passed")]
    Late,
}

impl Failure {
    /// Returns the effect of the statement.
    fn refusal(&self) -> Refusal {
        match self {
            Self::Connect(_) | Self::Late => Refusal::Later,
            Self::Postgres(error) => Refusal::of(error),
            Self::Timeout => Refusal::Unknown,
        }
    }
}

impl Appender {
    pub(crate) fn new(config: PostgresConfig, shared: Arc<Shared>) -> Self {
        Self { config, shared, link: None, batch: 0, later: Vec::new() }
    }

    /// Appends until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        loop {
            let taken = if self.later.is_empty() {
                self.shared.queue.take().await
            } else {
                tokio::select! {
                    taken = self.shared.queue.take() => taken,
                    () = sleep(PAUSE) => Some(Vec::new()),
                }
            };
            let Some(taken) = taken else { break };
            let mut waiting = std::mem::take(&mut self.later);
            waiting.extend(taken);
            self.append(waiting).await;
        }
    }

    /// Appends a batch. If PostgreSQL refuses it, sends its appends one by one, because one of them may
    /// be the reason.
    async fn append(&mut self, waiting: Vec<Waiting>) {
        let Some((refused, failure)) = self.send(waiting).await else { return };
        if refused.len() == 1 {
            return self.refuse(refused, &failure);
        }
        for one in refused {
            if let Some((refused, failure)) = self.send(vec![one]).await {
                self.refuse(refused, &failure);
            }
        }
    }

    fn refuse(&self, refused: Vec<Waiting>, failure: &Failure) {
        for waiting in refused {
            self.answer(waiting, Err(AppendError::Unavailable(failure.to_string().into())));
        }
    }

    /// Sends a batch until each of its appends has an answer or is to be sent again. Returns those that
    /// PostgreSQL refused, with its reason.
    async fn send(&mut self, waiting: Vec<Waiting>) -> Option<(Vec<Waiting>, Failure)> {
        self.batch += 1;
        let mut sending = Sending::new(waiting);
        self.give_up_late(&mut sending, &Failure::Late);
        while !sending.waiting.is_empty() {
            let failure = match self.attempt(&sending).await {
                Ok(outcomes) => {
                    self.finish(sending, &outcomes);
                    return None;
                }
                Err(failure) => failure,
            };
            self.shared.append_failed(&failure);
            let refusal = failure.refusal();
            sending.is_unknown |= refusal == Refusal::Unknown;
            match refusal {
                Refusal::Never if !sending.is_unknown => return Some((sending.rest(), failure)),
                Refusal::Full if !sending.is_unknown => {
                    for waiting in sending.rest() {
                        self.answer(waiting, Err(AppendError::Full));
                    }
                    return None;
                }
                Refusal::Unknown => self.link = None,
                _ => {}
            }
            self.give_up_late(&mut sending, &failure);
            self.shared.retried.add(1);
            sleep(PAUSE).await;
        }
        None
    }

    /// Sends a batch once.
    async fn attempt(&mut self, sending: &Sending) -> Result<Vec<String>, Failure> {
        let deadlines = sending.waiting.iter().map(|(_, waiting)| waiting.deadline);
        let Some(soonest) = deadlines.min() else { return Err(Failure::Late) };
        // Nothing would be sent on a connection that has ended, and nobody could tell it from a lost reply.
        self.link.take_if(|link| link.session.client.is_closed());
        if self.link.is_none() {
            // A connection takes several replies, from one host after the other, and has timeouts of its own.
            let connecting = timeout_at(soonest, Link::open(&self.config)).await;
            let late = |elapsed: Elapsed| PostgresConnectError::Postgres(elapsed.into());
            let link = connecting.map_err(late).and_then(|link| link);
            self.link = Some(link.map_err(Failure::Connect)?);
        }
        let end = soonest.min(Instant::now() + self.config.attempt_timeout);
        let Some(link) = &self.link else { return Err(Failure::Late) };
        let view = self.shared.view();
        let appending = link.append(self.batch, &view, &sending.batch);
        Ok(timeout_at(end, appending).await.map_err(|_| Failure::Timeout)??)
    }

    /// Answers the appends of a batch.
    fn finish(&mut self, sending: Sending, outcomes: &[String]) {
        self.shared.append_succeeded();
        for (at, waiting) in sending.waiting {
            let outcome = outcomes.get(at).map_or("", String::as_str);
            match Outcome::parse(outcome, &waiting.append) {
                Outcome::Done(answer) => self.answer(waiting, answer),
                Outcome::Busy
                    if waiting.deadline > Instant::now() && self.later.len() < MAX_LATER =>
                {
                    self.later.push(waiting);
                }
                Outcome::Busy => {
                    let error = "another transaction with this idempotency key is open, or too many \
                        events wait for their offsets";
                    self.answer(waiting, Err(AppendError::Unavailable(error.into())));
                }
            }
        }
    }

    /// Answers the appends whose deadline passes before the next attempt.
    fn give_up_late(&self, sending: &mut Sending, failure: &Failure) {
        for waiting in sending.remove_until(Instant::now() + PAUSE) {
            let error = failure.to_string().into();
            let error = if sending.is_unknown {
                AppendError::Ambiguous(error)
            } else {
                AppendError::Unavailable(error)
            };
            self.answer(waiting, Err(error));
        }
    }

    fn answer(&self, waiting: Waiting, answer: Result<Appended, AppendError>) {
        if let Ok(appended) = &answer {
            let follow_ups = waiting.append.follow_ups.len() as u64;
            let more = if appended.repeated { 0 } else { follow_ups };
            self.shared.see(EventId::new(appended.id.epoch(), appended.id.offset() + more));
        }
        // The publisher may have gone away.
        drop(waiting.answer.send(answer));
    }
}

/// Refuses all that waits, and ends the wait of [`Log::closed`](sse_kit_broadcast::Log::closed), also when
/// the task panics or is aborted.
impl Drop for Appender {
    fn drop(&mut self) {
        self.link = None;
        self.shared.close();
        // None of these was written. Those that were being sent are dropped, which makes them ambiguous.
        let waiting = std::mem::take(&mut self.later);
        for waiting in waiting.into_iter().chain(self.shared.queue.drain()) {
            self.answer(waiting, Err(AppendError::Closed));
        }
        self.shared.has_ended.send_replace(true);
    }
}

impl Sending {
    fn new(waiting: Vec<Waiting>) -> Self {
        let batch = waiting.iter().map(|waiting| &waiting.append).collect();
        Self { waiting: waiting.into_iter().enumerate().collect(), batch, is_unknown: false }
    }

    fn rest(self) -> Vec<Waiting> {
        self.waiting.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// Removes the appends whose deadline passes until then. The batch stays as it is if it may have been
    /// written, for then PostgreSQL knows it by its number.
    fn remove_until(&mut self, then: Instant) -> Vec<Waiting> {
        let is_late = |(_, waiting): &(usize, Waiting)| waiting.deadline <= then;
        if !self.waiting.iter().any(is_late) {
            return Vec::new();
        }
        let (late, rest) = std::mem::take(&mut self.waiting).into_iter().partition(is_late);
        let late = Self { waiting: late, batch: Batch::default(), is_unknown: self.is_unknown };
        if self.is_unknown {
            self.waiting = rest;
        } else {
            let rest = Self { waiting: rest, batch: Batch::default(), is_unknown: false };
            *self = Self::new(rest.rest());
        }
        late.rest()
    }
}

impl Link {
    async fn open(config: &PostgresConfig) -> Result<Self, PostgresConnectError> {
        let session = Session::open(config).await?;
        let append = session.prepare(config, APPEND).await?;
        Ok(Self { session, append })
    }

    async fn append(
        &self,
        number: i64,
        view: &View,
        batch: &Batch,
    ) -> Result<Vec<String>, tokio_postgres::Error> {
        let arguments: [&(dyn ToSql + Sync); 17] = [
            &&*view.node,
            &number,
            &view.epoch,
            &view.seen,
            &view.place,
            &view.tag,
            &batch.items,
            &batch.topics,
            &batch.events,
            &batch.keys,
            &batch.left_out,
            &batch.traces,
            &batch.once_scopes,
            &batch.once_keys,
            &batch.digests,
            &batch.expected_epochs,
            &batch.expected,
        ];
        self.session.client.query_one(&self.append, &arguments).await?.try_get(0)
    }
}

#[cfg(test)]
mod tests {
    use sse_kit_broadcast::Record;
    use sse_kit_event::{Audience, Epoch, Event};
    use tokio::sync::oneshot;

    use super::*;
    use crate::status::Place;

    #[tokio::test]
    async fn an_appender_that_is_gone_has_answered_all_that_waited() {
        let config = PostgresConfig::new("postgres://localhost/x").unwrap();
        let place = Place { at: EventId::new(Epoch::new(1), 0), tag: None };
        let shared = Arc::new(Shared::new("n", place));
        let waiting = || {
            let append = Record::new(Audience::Everyone, Event::new("x").encode()).into();
            let (answer, answered) = oneshot::channel();
            (Waiting { append, deadline: Instant::now(), answer }, answered)
        };
        let ((first, first_answered), (second, second_answered)) = (waiting(), waiting());
        let mut appender = Appender::new(config, Arc::clone(&shared));
        appender.later.push(first);
        shared.queue.push(second).unwrap();
        drop(appender);
        for answered in [first_answered, second_answered] {
            assert!(matches!(answered.await, Ok(Err(AppendError::Closed))));
        }
        assert!(matches!(shared.queue.push(waiting().0), Err(AppendError::Closed)));
    }
}
