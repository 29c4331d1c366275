//! The reasons why an event was not published or sent.

use sse_kit_event::{EventId, IdempotencyKey};

use crate::connection_set::ConnectionSetError;
use crate::log::AppendError;

/// The reason why an event was not published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The event has a name that is reserved for sse-kit itself.
    #[error("events that begin with `sse-kit:` are sent by sse-kit alone")]
    Reserved,
    /// The event has an id of its own.
    #[error("the log gives the ids; publish the event without one")]
    HasId,
    /// The event leaves out too many connections.
    #[error(transparent)]
    LeavesOut(#[from] ConnectionSetError),
    /// A hook vetoed the event.
    #[error("a hook vetoed the event")]
    Vetoed,
    /// A guard failed, panicked or took too long, so nobody said that the event may pass.
    #[error("a guard failed, so the event was not published")]
    GuardFailed,
    /// Hooks were busy with other events for longer than
    /// [`HubBuilder::turn_timeout`](crate::HubBuilder::turn_timeout).
    #[error("the broadcast hooks were busy with other events for too long")]
    HooksBusy,
    /// A broadcast hook of the same hub published, for which it would have to wait for itself.
    #[error("a broadcast hook cannot publish; use `Draft::follow_up`, or spawn a task that does")]
    InsideHook,
    /// The idempotency key was used for another event for the same audience, which stays as it is.
    #[error("the idempotency key `{key}` was used for another event")]
    KeyReused {
        /// The key.
        key: IdempotencyKey,
    },
    /// There is a newer event for the audience than the publisher expected.
    #[error("the newest event there is {newest}, not {expected}")]
    Conflict {
        /// The id that the publisher expected to be the newest, or newer.
        expected: EventId,
        /// An id that is at least as new as the newest event for the audience.
        newest: EventId,
    },
    /// The hub has shut down.
    #[error("the hub has shut down")]
    Closed,
    /// The log did not take the event.
    #[error("the log did not take the event")]
    Log(#[source] AppendError),
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
