//! From an event to its place in the log.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sse_kit_event::{Audience, ConnectionId, Event, EventId, EventName};
use tokio::sync::MutexGuard;

use crate::connection_set::ConnectionSet;
use crate::hooks::{Draft, Guard, Hooks, Judged, Outcome};
use crate::log::{AppendError, Appended, Log};
use crate::node::Node;
use crate::publish_error::PublishError;
use crate::receipt::{OnAppendFailure, Reach, Receipt};
use crate::record::{Append, Once, Record};

/// All that lies before the log: hooks, and the way in.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// Tells it from all others that there are or were.
    number: u64,
    pub(crate) log: Arc<dyn Log>,
    hooks: Arc<Hooks>,
    guard: Guard,
    /// Held while hooks judge an event and it is handed to the log, so that hooks cannot reorder
    /// events. Never held while the log works on an answer.
    turn: tokio::sync::Mutex<()>,
    /// How long a publish may wait for its turn.
    turn_timeout: Duration,
    log_failure: OnAppendFailure,
    pub(crate) node: Arc<Node>,
}

/// The options of a publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishOptions {
    /// The connections that do not get the event.
    pub(crate) except: Vec<ConnectionId>,
    /// The newest event for the audience that the publisher knows of.
    pub(crate) expected: Option<EventId>,
}

/// An event that hooks have let pass.
#[derive(Debug)]
struct Passed {
    audience: Audience,
    event: Event,
    except: ConnectionSet,
}

tokio::task_local! {
    /// The publishers whose hooks run in this task, to find hooks that call back: a hook of one may
    /// publish to another, whose hooks then run inside.
    static IN_HOOKS_OF: Vec<u64>;
}

/// The most follow-ups of one event, those of follow-ups included.
const MAX_FOLLOW_UPS: usize = 64;

impl Publisher {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        node: Arc<Node>,
        (hooks, guard): (Arc<Hooks>, Guard),
        turn_timeout: Duration,
        log_failure: OnAppendFailure,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            log,
            hooks,
            guard,
            turn: tokio::sync::Mutex::default(),
            turn_timeout,
            log_failure,
            node,
        }
    }

    pub(crate) async fn publish(
        &self,
        audience: Audience,
        event: Event,
        options: PublishOptions,
    ) -> Result<Receipt, PublishError> {
        ensure_publishable(&event)?;
        let except = ConnectionSet::new(options.except)?;
        // A loop that only publishes lets the streams run now and then.
        tokio::task::coop::consume_budget().await;
        // Of what the publisher asks for, and not of what hooks make of it.
        let once = Once::from_event(&event, &audience);
        if self.hooks.has_broadcast() {
            return self
                .publish_judged(Draft::new(audience, event), except, once, options.expected)
                .await;
        }
        let passed = [Passed { audience, event, except }];
        let append = Append { once, expected: options.expected, ..to_append(&passed) };
        let appended = self.log.append(append).await;
        self.receipt(&passed, appended, options.expected)
    }

    /// Publishes what the hooks let pass. They judge one event at a time, in the order in which
    /// publishers came; follow-ups come right after their parent.
    async fn publish_judged(
        &self,
        draft: Draft,
        except: ConnectionSet,
        once: Option<Once>,
        expected: Option<EventId>,
    ) -> Result<Receipt, PublishError> {
        let outer = IN_HOOKS_OF.try_with(Vec::clone).unwrap_or_default();
        if outer.contains(&self.number) {
            return Err(PublishError::InsideHook);
        }
        let turn = if outer.is_empty() { Some(self.turn().await?) } else { None };
        let inner = outer.into_iter().chain([self.number]).collect();
        let judging = self.judge(draft, except);
        let (passed, refused) = IN_HOOKS_OF.scope(inner, judging).await;
        if passed.is_empty() {
            return Err(refused.unwrap_or(PublishError::Vetoed));
        }
        let expected = expected.filter(|_| refused.is_none());
        let once = if refused.is_some() { once.map(Once::of_what_follows) } else { once };
        let mut appending = self.log.append(Append { once, expected, ..to_append(&passed) });
        let first = poll_once(&mut appending).await;
        // The log has it; those who wait for their turn do not wait for the log's answer.
        drop(turn);
        let appended = match first {
            Poll::Ready(appended) => appended,
            Poll::Pending => appending.await,
        };
        let receipt = self.receipt(&passed, appended, expected);
        match (refused, receipt) {
            (None, receipt) => receipt,
            (Some(refused), Ok(_)) => Err(refused),
            (Some(refused), Err(error)) => {
                tracing::error!(%error, "what follows a vetoed event was not published");
                Err(refused)
            }
        }
    }

    /// Waits until the hooks are free.
    ///
    /// An event that a hook of another hub publishes does not wait: those who wait for each
    /// other would wait for ever.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, PublishError> {
        let turn = tokio::time::timeout(self.turn_timeout, self.turn.lock()).await;
        turn.map_err(|_elapsed| PublishError::HooksBusy)
    }

    /// Has an event judged, and all that follows it. Returns what passed, in order, and why the event
    /// itself did not, if that is so.
    async fn judge(
        &self,
        draft: Draft,
        except: ConnectionSet,
    ) -> (Vec<Passed>, Option<PublishError>) {
        let mut passed = Vec::new();
        let Judged { draft, outcome } = self.hooks.judge(draft, &self.guard).await;
        let mut follow_ups = draft.take_follow_ups();
        let refused = self.pass(&draft, outcome, except, &mut passed).err();
        let mut budget = MAX_FOLLOW_UPS;
        while let Some((audience, event)) = (!follow_ups.is_empty()).then(|| follow_ups.remove(0)) {
            if budget == 0 {
                tracing::error!(MAX_FOLLOW_UPS, "hooks follow up without end; the rest is dropped");
                self.node.counters.hook_failures.add(1);
                break;
            }
            budget -= 1;
            let judged = self.hooks.judge(Draft::new(audience, event), &self.guard).await;
            follow_ups.extend(judged.draft.take_follow_ups());
            let none = ConnectionSet::default();
            if let Err(error) = self.pass(&judged.draft, judged.outcome, none, &mut passed) {
                tracing::error!(%error, "a follow-up is not published");
            }
        }
        (passed, refused)
    }

    /// Takes an event that passed. What a hook put in its place, or had follow it, may be no better
    /// than what users publish.
    fn pass(
        &self,
        draft: &Draft,
        outcome: Outcome,
        except: ConnectionSet,
        passed: &mut Vec<Passed>,
    ) -> Result<(), PublishError> {
        match outcome {
            Outcome::Passed => ensure_publishable(&draft.event)?,
            Outcome::Vetoed => {
                self.node.counters.vetoed.add(1);
                return Err(PublishError::Vetoed);
            }
            Outcome::GuardFailed => return Err(PublishError::GuardFailed),
        }
        let (audience, event) = (draft.audience.clone(), draft.event.clone());
        passed.push(Passed { audience, event, except });
        Ok(())
    }

    fn receipt(
        &self,
        passed: &[Passed],
        appended: Result<Appended, AppendError>,
        expected: Option<EventId>,
    ) -> Result<Receipt, PublishError> {
        let Appended { id, receivers, repeated } = match appended {
            Ok(appended) => appended,
            // On the options that were set, nobody but the log can say whether it may be delivered.
            Err(error @ (AppendError::Unavailable(_) | AppendError::Full))
                if self.log_failure == OnAppendFailure::DeliverLocally && expected.is_none() =>
            {
                tracing::debug!(%error, "an event is delivered on this node alone");
                return self.deliver_here(passed);
            }
            Err(error) => return Err(error.into()),
        };
        let receivers = match (receivers, passed) {
            _ if repeated => 0,
            (Some(receivers), _) => receivers,
            (None, [first, ..]) => self.node.count_receivers(&first.audience, &first.except),
            (None, []) => 0,
        };
        Ok(Receipt { id, reach: Reach::Everywhere, receivers, repeated })
    }

    fn deliver_here(&self, passed: &[Passed]) -> Result<Receipt, PublishError> {
        let mut first = None;
        for Passed { audience, event, except } in passed {
            let delivered = self.node.deliver_here(audience, event, except);
            let (id, receivers) = delivered.map_err(|_| PublishError::Closed)?;
            let receipt = Receipt { id, reach: Reach::ThisNode, receivers, repeated: false };
            first.get_or_insert(receipt);
        }
        first.ok_or(PublishError::Closed)
    }
}

/// An append of all that passed, without options.
fn to_append(passed: &[Passed]) -> Append {
    let mut records = passed.iter().map(|Passed { audience, event, except }| Record {
        audience: audience.clone(),
        key: event.key().cloned(),
        except: except.clone(),
        event: event.encode(),
    });
    let record = records.next().expect("something passed");
    Append { follow_ups: records.collect(), ..record.into() }
}

/// Polls an append for the first time, by which its place among the appends of this node is taken.
async fn poll_once(
    appending: &mut BoxFuture<'_, Result<Appended, AppendError>>,
) -> Poll<Result<Appended, AppendError>> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *appending).poll(cx))).await
}

fn ensure_publishable(event: &Event) -> Result<(), PublishError> {
    if event.name().is_some_and(EventName::is_control) {
        return Err(PublishError::Reserved);
    }
    if event.id().is_some() {
        return Err(PublishError::HasId);
    }
    Ok(())
}
