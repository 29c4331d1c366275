//! Publishing: from an event to its place in the log.

use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sse_kit_event::{Audience, ConnectionId, Event, EventId, EventName, TraceContext};
use tokio::sync::MutexGuard;

use crate::connection_set::ConnectionSet;
use crate::hooks::{Draft, Guard, Hooks, Judged, Outcome};
use crate::log::{AppendError, Appended, Log};
use crate::node::Node;
use crate::publish_error::PublishError;
use crate::receipt::{OnAppendFailure, Reach, Receipt};
use crate::record::{Append, Once, Record};
use crate::tracing_links::{Propagation, RareSpan, note_published, publish_span};

/// The part of a hub before the log: the hooks, and the appends.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// A number unique among all publishers of the process, ever.
    number: u64,
    pub(crate) log: Arc<dyn Log>,
    settings: PublisherSettings,
    /// Held while hooks judge an event and until the append was polled once, so that hooks cannot
    /// reorder events. Not held while the log works on the answer.
    turn: tokio::sync::Mutex<()>,
    pub(crate) node: Arc<Node>,
}

/// The settings of a publisher.
#[derive(Debug)]
pub(crate) struct PublisherSettings {
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) guard: Guard,
    /// The maximum time that a publish waits for its turn.
    pub(crate) turn_timeout: Duration,
    pub(crate) on_append_failure: OnAppendFailure,
    pub(crate) propagation: Propagation,
}

/// The options of a publish.
#[derive(Clone, Debug, Default)]
pub(crate) struct PublishOptions {
    /// The connections that must not receive the event.
    pub(crate) except: Vec<ConnectionId>,
    /// The newest event for the audience that the publisher knows.
    pub(crate) expected: Option<EventId>,
    /// The trace that the publisher says the event belongs to.
    pub(crate) trace: Option<Box<TraceContext>>,
}

/// The conditions of an append, and the trace of its events.
#[derive(Debug)]
struct Terms {
    once: Option<Once>,
    expected: Option<EventId>,
    trace: Option<Box<TraceContext>>,
}

/// An event that the hooks accepted.
#[derive(Debug)]
struct Passed {
    audience: Audience,
    event: Event,
    except: ConnectionSet,
}

/// The parts of an accepted event.
type Accepted<'a> = (&'a Audience, &'a Event, &'a ConnectionSet);

impl Passed {
    fn accepted(&self) -> Accepted<'_> {
        (&self.audience, &self.event, &self.except)
    }
}

tokio::task_local! {
    /// The publishers whose hooks run in this task, to detect hooks that publish to their own hub.
    /// A hook may publish to another hub, whose hooks then run inside.
    static IN_HOOKS_OF: Vec<u64>;
}

/// The maximum number of follow-ups of one event, including their own follow-ups.
const MAX_FOLLOW_UPS: usize = 64;

impl Publisher {
    pub(crate) fn new(log: Arc<dyn Log>, node: Arc<Node>, settings: PublisherSettings) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            log,
            settings,
            turn: tokio::sync::Mutex::default(),
            node,
        }
    }

    /// Publishes an event. The future is small: apps keep it in theirs, which servers move for each request.
    #[expect(clippy::manual_async_fn, reason = "an `async fn` has room for its arguments twice")]
    pub(crate) fn publish(
        &self,
        audience: Audience,
        event: Event,
        options: PublishOptions,
    ) -> impl Future<Output = Result<Receipt, PublishError>> + Send {
        async move {
            ensure_publishable(&event)?;
            let except = ConnectionSet::new(options.except).ok_or(PublishError::TooManyExcluded)?;
            // Lets the streams run even if a task only publishes in a loop.
            tokio::task::coop::consume_budget().await;
            let span = publish_span(&audience);
            let expected = options.expected.map(|id| self.node.translate(id));
            // Derived from the publisher's event, before hooks change it.
            let once = Once::from_event(&event, &audience);
            let terms =
                Terms { once, expected, trace: options.trace.or_else(|| self.current(&span)) };
            let outcome = if self.settings.hooks.has_broadcast() {
                let draft = Draft::new(audience, event);
                // In a box, as it is large and every future that publishes is moved.
                span.around(Box::pin(self.publish_judged(draft, except, terms))).await
            } else {
                let append = to_append(iter::once((&audience, &event, &except)), terms);
                let is_conditional = is_conditional(&append);
                // Only the log is within the span: a future around all of this would be moved, at a cost.
                let appending = span.within(|| self.log.append(append));
                let appended = span.around(appending).await;
                self.receipt(iter::once((&audience, &event, &except)), appended, is_conditional)
            };
            if span.is_recorded() {
                note_published(&span, &outcome);
            }
            outcome
        }
    }

    /// Returns the trace context within a span.
    fn current(&self, span: &RareSpan) -> Option<Box<TraceContext>> {
        let propagation = self.settings.propagation.as_ref()?;
        span.within(|| propagation.current()).map(Box::new)
    }

    /// Runs the hooks and publishes the events that they accept. Hooks judge one event at a time,
    /// in the order of the calls; follow-ups are placed directly after their parent.
    async fn publish_judged(
        &self,
        draft: Draft,
        except: ConnectionSet,
        terms: Terms,
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
        let terms = if refused.is_some() { terms.of_what_follows() } else { terms };
        let append = to_append(passed.iter().map(Passed::accepted), terms);
        let is_conditional = is_conditional(&append);
        let mut appending = self.log.append(append);
        let first = poll_once(&mut appending).await;
        // The append has its place in the log; the next publisher need not wait for the log's
        // answer.
        drop(turn);
        let appended = match first {
            Poll::Ready(appended) => appended,
            Poll::Pending => appending.await,
        };
        let receipt = self.receipt(passed.iter().map(Passed::accepted), appended, is_conditional);
        match (refused, receipt) {
            (None, receipt) => receipt,
            (Some(refused), Ok(_)) => Err(refused),
            (Some(refused), Err(error)) => {
                tracing::error!(%error, "the follow-ups of a vetoed event were not published");
                Err(refused)
            }
        }
    }

    /// Waits until the hooks are free.
    ///
    /// An event that a hook of another hub publishes does not wait: two hubs whose hooks publish to
    /// each other would deadlock.
    async fn turn(&self) -> Result<MutexGuard<'_, ()>, PublishError> {
        let turn = tokio::time::timeout(self.settings.turn_timeout, self.turn.lock()).await;
        turn.map_err(|_elapsed| PublishError::HooksBusy)
    }

    /// Judges an event and all its follow-ups. Returns the accepted events in order, and the reason
    /// if the event itself was refused.
    async fn judge(
        &self,
        draft: Draft,
        except: ConnectionSet,
    ) -> (Vec<Passed>, Option<PublishError>) {
        let mut passed = Vec::new();
        let Judged { draft, outcome } =
            self.settings.hooks.judge(draft, &self.settings.guard).await;
        let mut follow_ups = draft.take_follow_ups();
        let refused = self.pass(&draft, outcome, except, &mut passed).err();
        let mut budget = MAX_FOLLOW_UPS;
        while let Some((audience, event)) = (!follow_ups.is_empty()).then(|| follow_ups.remove(0)) {
            if budget == 0 {
                tracing::error!(
                    MAX_FOLLOW_UPS,
                    "an event has too many follow-ups; the rest is dropped"
                );
                self.node.counters.hook_failures.add(1);
                break;
            }
            budget -= 1;
            let judged =
                self.settings.hooks.judge(Draft::new(audience, event), &self.settings.guard).await;
            follow_ups.extend(judged.draft.take_follow_ups());
            let none = ConnectionSet::default();
            if let Err(error) = self.pass(&judged.draft, judged.outcome, none, &mut passed) {
                tracing::error!(%error, "a follow-up was not published");
            }
        }
        (passed, refused)
    }

    /// Adds an accepted event. Replacements and follow-ups obey the same rules as published events.
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

    fn receipt<'a>(
        &self,
        mut passed: impl Iterator<Item = Accepted<'a>>,
        appended: Result<Appended, AppendError>,
        is_conditional: bool,
    ) -> Result<Receipt, PublishError> {
        let Appended { id, receivers, repeated } = match appended {
            Ok(appended) => appended,
            Err(error @ (AppendError::Unavailable(_) | AppendError::Full))
                if self.settings.on_append_failure == OnAppendFailure::DeliverLocally
                    && !is_conditional =>
            {
                tracing::debug!(%error, "an event is delivered on this node alone");
                return self.deliver_here(passed);
            }
            Err(error) => return Err(error.into()),
        };
        let receivers = match receivers {
            _ if repeated => 0,
            Some(receivers) => receivers,
            None => passed
                .next()
                .map_or(0, |(audience, _, except)| self.node.count_receivers(audience, except)),
        };
        tracing::trace!(%id, receivers, repeated, "an event is published");
        Ok(Receipt { id, reach: Reach::Everywhere, receivers, repeated })
    }

    fn deliver_here<'a>(
        &self,
        passed: impl Iterator<Item = Accepted<'a>>,
    ) -> Result<Receipt, PublishError> {
        let mut first = None;
        for (audience, event, except) in passed {
            let delivered = self.node.deliver_here(audience, event, except);
            let (id, receivers) = delivered.map_err(|_| PublishError::Closed)?;
            let receipt = Receipt { id, reach: Reach::ThisNode, receivers, repeated: false };
            first.get_or_insert(receipt);
        }
        first.ok_or(PublishError::Closed)
    }
}

impl Terms {
    /// Returns the terms for the follow-ups of a refused event.
    fn of_what_follows(self) -> Self {
        Self { once: self.once.map(Once::of_what_follows), expected: None, ..self }
    }
}

/// Creates an append of all accepted events.
fn to_append<'a>(passed: impl Iterator<Item = Accepted<'a>>, terms: Terms) -> Append {
    let Terms { once, expected, trace } = terms;
    let mut records = passed.map(|(audience, event, except)| Record {
        audience: audience.clone(),
        key: event.key().cloned(),
        except: except.clone(),
        event: event.encode(),
        trace: trace.clone(),
    });
    let record = records.next().expect("something passed");
    Append { record, follow_ups: records.collect(), once, expected }
}

/// Returns `true` if only the log can decide whether the events may be delivered: it alone knows the
/// newest event, and whether an earlier attempt with the idempotency key was written.
fn is_conditional(append: &Append) -> bool {
    append.expected.is_some() || append.once.is_some()
}

/// Polls an append for the first time, which fixes its place among the appends of this node.
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
