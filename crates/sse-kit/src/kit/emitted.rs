//! The outcome of an event, and its failures.

use std::error::Error;
use std::fmt;

use sse_kit_broadcast::{PublishError, Receipt};
use sse_kit_dispatch::{
    CallbackError, DispatchError, Dispatched, DomainEventError, EventType, HandlerError,
};
use sse_kit_htmx::MarkupError;
use sse_kit_update::{UpdateError, Updated};

/// The outcome of an event that was emitted.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Emitted {
    /// The results and failures of the dispatcher's handlers; `None` for an event that was published as
    /// it is.
    pub dispatched: Option<Dispatched>,
    /// The changes of the pages, and the failures of the updater's handlers.
    pub updated: Updated,
    /// The id of the message, and the number of connections that it was handed to; `None` when nothing
    /// changes.
    pub receipt: Option<Receipt>,
}

impl Emitted {
    /// Returns the failures of handlers, the dispatcher's first. They are logged already.
    pub fn errors(&self) -> impl Iterator<Item = &HandlerError> {
        let dispatched = self.dispatched.iter().flat_map(|dispatched| &dispatched.errors);
        dispatched.chain(&self.updated.errors)
    }

    /// Returns the number of handlers that were called, of the dispatcher and the updater.
    pub fn handlers(&self) -> usize {
        let dispatched = self.dispatched.as_ref();
        dispatched.map_or(0, |it| it.results.len() + it.errors.len()) + self.updated.handlers
    }
}

/// The reason why an event did not come through in full.
///
/// Its message names all causes, for logs and people; so it has no [`source`](Error::source) that would
/// repeat them. Programs ask for the [`kind`](Self::kind). Do not show the message to clients: it holds
/// what handlers said.
#[derive(Debug)]
pub struct EmitError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    event_type: Option<EventType>,
    kind: EmitErrorKind,
    emitted: Option<Emitted>,
}

/// The step at which an event failed, and the cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmitErrorKind {
    /// The data of the event cannot be written as JSON.
    Event(DomainEventError),
    /// The event did not come to the dispatcher's handlers.
    Dispatch(DispatchError),
    /// The event came to no updates: a pre- or postprocessor failed. What its handlers did before that
    /// is in [`EmitError::emitted`], and not in here.
    Update(UpdateError),
    /// No handler of the dispatcher and none of the updater takes the event.
    Unhandled,
    /// The pages' htmx cannot make the updates.
    Message(MarkupError),
    /// The function of [`SseKit::topic`](crate::SseKit::topic) failed.
    Topic(CallbackError),
    /// The message was not published, or the log has not confirmed it: see [`EmitError::is_ambiguous`].
    Publish(PublishError),
    /// Handlers failed. What the others made has reached the pages: see [`EmitError::emitted`].
    Handlers,
    /// Too many changes joined this one: see [`SseKit::change`](crate::SseKit::change).
    TooManyChanges,
}

impl EmitError {
    pub(super) fn new(event_type: Option<EventType>, kind: EmitErrorKind) -> Self {
        Self(Box::new(Inner { event_type, kind, emitted: None }))
    }

    pub(super) fn with_emitted(mut self, emitted: Emitted) -> Self {
        self.0.emitted = Some(emitted);
        self
    }

    /// Returns the step at which the event failed, and the cause.
    pub fn kind(&self) -> &EmitErrorKind {
        &self.0.kind
    }

    /// Returns the full type of the event, if there is one.
    pub fn event_type(&self) -> Option<&EventType> {
        self.0.event_type.as_ref()
    }

    /// Returns what was done before the failure, if the event came to its handlers.
    pub fn emitted(&self) -> Option<&Emitted> {
        self.0.emitted.as_ref()
    }

    /// Returns `true` if the event was not published because the hub has shut down. The pages know, so
    /// most apps ignore this.
    pub fn is_shutdown(&self) -> bool {
        matches!(self.kind(), EmitErrorKind::Publish(PublishError::Closed))
    }

    /// Returns `true` if the log has not confirmed the message, so it is not known whether the pages get
    /// it. [`SseKit::emit_once`](crate::SseKit::emit_once) makes it safe to try again.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self.kind(), EmitErrorKind::Publish(error) if error.is_ambiguous())
    }

    /// Logs the error, unless its handlers have.
    pub(super) fn log(&self) {
        match self.kind() {
            EmitErrorKind::Handlers => {}
            _ if self.is_shutdown() => tracing::debug!(error = %self, "an event was not published"),
            _ if self.is_ambiguous() => {
                tracing::error!(error = %self, "an event may not have been published");
            }
            _ => tracing::error!(error = %self, "an event was not published"),
        }
    }

    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self.kind() {
            EmitErrorKind::Event(error) => error,
            EmitErrorKind::Dispatch(error) => error,
            EmitErrorKind::Update(error) => error,
            EmitErrorKind::Message(error) => error,
            EmitErrorKind::Topic(error) => error,
            EmitErrorKind::Publish(error) => error,
            EmitErrorKind::Handlers => self.emitted()?.errors().next()?,
            EmitErrorKind::Unhandled | EmitErrorKind::TooManyChanges => return None,
        })
    }
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event_type() {
            Some(event_type) => write!(f, "`{event_type}` ")?,
            None => f.write_str("an event ")?,
        }
        f.write_str(match self.kind() {
            EmitErrorKind::Handlers => "was not handled in full",
            EmitErrorKind::Topic(_) => "has no topic",
            EmitErrorKind::Unhandled => {
                "did not reach the pages: no handler takes it; register one, or see \
                 `SseKit::on_unhandled`"
            }
            EmitErrorKind::TooManyChanges => {
                "did not reach the pages: its handlers change the state again and again"
            }
            _ if self.is_ambiguous() => "may not have reached the pages",
            _ => "did not reach the pages",
        })?;
        let mut cause = self.cause();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for EmitError {}

/// A change of the state whose events did not come through in full.
///
/// The state has changed all the same, and the value of the change is in here. As the failure is logged
/// already, an app to which open pages are not vital goes on with
/// [`unwrap_or_else(ChangeError::into_value)`](Self::into_value). As with [`EmitError`], the message
/// names all causes.
pub struct ChangeError<V = ()> {
    value: V,
    error: EmitError,
}

impl<V> ChangeError<V> {
    pub(super) fn new(value: V, error: EmitError) -> Self {
        Self { value, error }
    }

    /// Returns the value of the change.
    pub fn into_value(self) -> V {
        self.value
    }

    /// Returns the failure of the first event that failed.
    pub fn error(&self) -> &EmitError {
        &self.error
    }

    /// Returns `true` if it is not known whether the pages get the first event that failed, as
    /// [`EmitError::is_ambiguous`] does.
    pub fn is_ambiguous(&self) -> bool {
        self.error.is_ambiguous()
    }

    /// Returns `true` if the hub has shut down, as [`EmitError::is_shutdown`] does.
    pub fn is_shutdown(&self) -> bool {
        self.error.is_shutdown()
    }
}

impl<V> From<ChangeError<V>> for EmitError {
    fn from(error: ChangeError<V>) -> Self {
        error.error
    }
}

impl<V> fmt::Debug for ChangeError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangeError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<V> fmt::Display for ChangeError<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state has changed, but {}", self.error)
    }
}

impl<V> Error for ChangeError<V> {}
