//! From an event to its place in the log.

use std::sync::Arc;

use sse_kit_event::{Event, EventId, EventName, Topic};

use crate::connection::ConnectionId;
use crate::core::Core;
use crate::hooks::Draft;
use crate::log::{AppendError, Record};

/// What the publisher of an event learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id that the event was given. With [`Reach::ThisNode`] it has none, and this is the position
    /// of the node.
    pub id: EventId,
    /// Who gets it.
    pub reach: Reach,
    /// How many connections of this node it was handed to; where the log hands it back only later, how
    /// many subscribed to its topic when it was appended.
    pub receivers: usize,
}

/// How far an event goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// It is in the log: all subscribers get it, on every node.
    Everywhere,
    /// The log did not take it: the subscribers that this node has now get it, at most once, without an
    /// id. See [`LogFailure::LocalFallback`].
    ThisNode,
}

/// What happens to an event that the log surely did not take, because it is not there or is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFailure {
    /// Publishing fails, and nobody gets the event.
    #[default]
    Strict,
    /// The subscribers that this node has now get it, at most once; it has no id, is in no history, and
    /// no other node hears of it. The receipt says [`Reach::ThisNode`].
    ///
    /// For events that are stale in a moment, such as progress. An event that may have been written
    /// is never delivered so, as it would come twice.
    LocalFallback,
}

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event has a name that is reserved for sse-kit itself.
    #[error("events that begin with `sse-kit:` are sent by sse-kit alone")]
    Reserved,
    /// The event has an id of its own.
    #[error("the log gives the ids; publish the event without one")]
    HasId,
    /// A hook vetoed it.
    #[error("a hook vetoed the event")]
    Vetoed,
    /// It was called by a broadcast hook of the same broadcaster, which would have to wait for itself.
    #[error("a broadcast hook cannot publish; use `Draft::follow_up`, or spawn a task that does")]
    InsideHook,
    /// The broadcaster has shut down.
    #[error("the broadcaster has shut down")]
    Closed,
    /// The log did not take it.
    #[error("the log did not take the event")]
    Log(#[source] AppendError),
}

/// Why an event was not sent to a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event has a name that is reserved for sse-kit itself.
    #[error("events that begin with `sse-kit:` are sent by sse-kit alone")]
    Reserved,
    /// The event has an id of its own, from which the client would resume.
    #[error("only the log gives ids; send the event without one")]
    HasId,
    /// No connection with this id is open.
    #[error("no such connection")]
    NotConnected,
    /// The connection lags, and its queue is full.
    #[error("the queue of the connection is full")]
    QueueFull,
}

tokio::task_local! {
    /// The broadcasters whose hooks run in this task, to find hooks that call back: a hook of one may
    /// publish to another, whose hooks then run inside.
    static IN_HOOKS_OF: Vec<usize>;
}

/// The most follow-ups of one event, those of follow-ups included.
const MAX_FOLLOW_UPS: usize = 64;

impl Core {
    pub(crate) async fn publish(
        &self,
        topic: Option<Topic>,
        event: Event,
        except: &[ConnectionId],
    ) -> Result<Receipt, PublishError> {
        ensure_publishable(&event)?;
        // A loop that only publishes lets the streams run now and then.
        tokio::task::coop::consume_budget().await;
        if !self.hooks.has_broadcast() {
            return self.append(topic, &event, except).await;
        }
        if IN_HOOKS_OF.try_with(|cores| cores.contains(&self.address())).unwrap_or(false) {
            return Err(PublishError::InsideHook);
        }
        self.publish_judged(Draft::new(topic, event), except).await
    }

    /// Publishes one event after another, each judged by the hooks: those that wait do so in the
    /// order of their calls, and follow-ups come right after their parent.
    async fn publish_judged(
        &self,
        draft: Draft,
        except: &[ConnectionId],
    ) -> Result<Receipt, PublishError> {
        let _turn = self.turn.lock().await;
        let (receipt, mut follow_ups) = self.publish_one(draft, except).await;
        let mut budget = MAX_FOLLOW_UPS;
        while let Some((topic, event)) = (!follow_ups.is_empty()).then(|| follow_ups.remove(0)) {
            if budget == 0 {
                tracing::error!(MAX_FOLLOW_UPS, "hooks follow up without end; the rest is dropped");
                self.counters.hook_failures.add(1);
                break;
            }
            budget -= 1;
            let (published, more) = self.publish_one(Draft::new(topic, event), &[]).await;
            if let Err(error) = published {
                tracing::error!(%error, "a follow-up was not published");
            }
            follow_ups.extend(more);
        }
        receipt
    }

    async fn publish_one(
        &self,
        draft: Draft,
        except: &[ConnectionId],
    ) -> (Result<Receipt, PublishError>, Vec<(Option<Topic>, Event)>) {
        let judging = self.hooks.judge(Arc::new(draft), &self.guard);
        let mut cores = IN_HOOKS_OF.try_with(Vec::clone).unwrap_or_default();
        cores.push(self.address());
        let (draft, passed) = IN_HOOKS_OF.scope(cores, judging).await;
        let follow_ups = draft.take_follow_ups();
        if !passed {
            self.counters.vetoed.add(1);
            return (Err(PublishError::Vetoed), follow_ups);
        }
        // What a hook put in its place, or had follow it, may be no better than what users publish.
        if let Err(error) = ensure_publishable(&draft.event) {
            return (Err(error), follow_ups);
        }
        (self.append(draft.topic.clone(), &draft.event, except).await, follow_ups)
    }

    /// Tells it from the others: it does not move while it is borrowed.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    async fn append(
        &self,
        topic: Option<Topic>,
        event: &Event,
        except: &[ConnectionId],
    ) -> Result<Receipt, PublishError> {
        let address = topic.clone();
        let record = Record {
            topic,
            key: event.key().cloned(),
            except: except.into(),
            event: event.encode(),
            once: event.idempotency_key().cloned(),
        };
        let appended = match self.log.append(record).await {
            Ok(appended) => appended,
            Err(AppendError::Closed) => return Err(PublishError::Closed),
            Err(error @ (AppendError::Unavailable(_) | AppendError::Full))
                if self.log_failure == LogFailure::LocalFallback =>
            {
                tracing::debug!(%error, "an event is delivered on this node alone");
                let delivered = self.deliver_here(&address, event, except);
                let (id, receivers) = delivered.map_err(|_| PublishError::Closed)?;
                return Ok(Receipt { id, reach: Reach::ThisNode, receivers });
            }
            Err(error) => return Err(PublishError::Log(error)),
        };
        let receivers = match appended.receivers {
            Some(receivers) => receivers,
            None => self.ledger.lock().receivers(&address, except),
        };
        Ok(Receipt { id: appended.id, reach: Reach::Everywhere, receivers })
    }
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
