//! The reasons why an event was not published or sent.

use sse_kit_event::{EventId, IdempotencyKey};

use crate::connection_set::ConnectionSet;
use crate::log::AppendError;

/// The failure of a publish. The event was not published, unless the failure
/// [is ambiguous](Self::is_ambiguous).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event has a name that begins with `sse-kit:`.
    #[error("the event has a name that begins with `sse-kit:`, which is reserved; choose another")]
    Reserved,
    /// The event already has an id.
    #[error("the event already has an id; publish it without one, as the log assigns ids")]
    HasId,
    /// More connections are excluded than a [`ConnectionSet`] can hold.
    #[error(
        "too many connections: an event may exclude at most {max}",
        max = ConnectionSet::MAX_LEN
    )]
    TooManyExcluded,
    /// A hook vetoed the event.
    #[error("a hook vetoed the event")]
    Vetoed,
    /// A guard failed, panicked or timed out, so the event was not allowed.
    #[error("a guard failed, so the event was not published; see the log of the app for the cause")]
    GuardFailed,
    /// The hooks were busy with other events for longer than
    /// [`HubBuilder::turn_timeout`](crate::HubBuilder::turn_timeout).
    #[error(
        "the broadcast hooks were busy with other events for too long; retry, or raise `turn_timeout`"
    )]
    HooksBusy,
    /// A broadcast hook published to its own hub, which would deadlock.
    #[error(
        "a broadcast hook cannot publish to its own hub; use `Draft::follow_up`, or publish from a spawned task"
    )]
    InsideHook,
    /// The idempotency key was used for another event for the same audience; that event stays.
    #[error("the idempotency key `{key}` was already used for another event; choose a new key")]
    KeyReused {
        /// The idempotency key.
        key: IdempotencyKey,
    },
    /// The audience has a newer event than the publisher expected.
    #[error("the newest event is {newest}, not {expected}; read the state again and retry")]
    Conflict {
        /// The newest id that the publisher expected.
        expected: EventId,
        /// An upper bound for the newest id of an event for the audience.
        newest: EventId,
    },
    /// The hub has shut down.
    #[error("the hub has shut down")]
    Closed,
    /// The log did not accept the event, or did not confirm it.
    #[error("the log did not accept or confirm the event")]
    Log(#[source] AppendError),
}

impl PublishError {
    /// Returns `true` if the log has not confirmed the event, so it is not known whether the event is
    /// published. Retry with an [idempotency key](sse_kit_event::Event::with_idempotency_key).
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, Self::Log(AppendError::Ambiguous(_)))
    }
}

impl From<AppendError> for PublishError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Closed => Self::Closed,
            AppendError::KeyReused { key } => Self::KeyReused { key },
            AppendError::Conflict { expected, newest } => Self::Conflict { expected, newest },
            error => Self::Log(error),
        }
    }
}

/// The reason why an event was not sent to a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The event has a name that begins with `sse-kit:`.
    #[error("the event has a name that begins with `sse-kit:`, which is reserved; choose another")]
    Reserved,
    /// The event has an id; a client would resume from it.
    #[error("the event has an id; send it without one, as only the log assigns ids")]
    HasId,
    /// No connection with this id is open.
    #[error("no connection with this id is open")]
    NotConnected,
    /// The queue of the connection is full.
    #[error("the queue of the connection is full; retry later")]
    QueueFull,
}
