//! The responses to what goes wrong.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use sse_kit_broadcast::{PublishError, SendError, SubscribeError};
use sse_kit_event::{TextError, TopicsError};
use sse_kit_http::{
    CrossSiteError, DeniedError, GateOpenError, QueryError, QuotaError, SseResponse,
};

type BoxError = Box<dyn StdError + Send + Sync>;

/// The default delay after which a client may come back.
const RETRY_WITHIN: Duration = Duration::from_secs(5);

/// The response to what goes wrong: a status and a fixed text for each kind. The cause is logged, as an
/// error where it is internal, and never sent.
///
/// Errors of `sse-kit` become one by `?`, each with its status:
///
/// ```
/// use axum::http::StatusCode;
/// use sse_kit_axum::Error;
/// use sse_kit_http::{CrossSiteError, QuotaError};
///
/// assert_eq!(Error::from(CrossSiteError::Host).status(), StatusCode::FORBIDDEN);
/// assert_eq!(Error::from(QuotaError::PerClient).status(), StatusCode::TOO_MANY_REQUESTS);
/// let own = Error::internal("connection to the database lost: password=hunter2");
/// assert_eq!(own.to_string(), "something went wrong here");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    retry_within: Duration,
    is_for_stream: bool,
    source: Option<BoxError>,
}

/// The kind of an [`Error`], which is its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody is signed in: status 401.
    Unauthorized,
    /// The client may not see or do this: status 403.
    Forbidden,
    /// The requested resource does not exist: status 404.
    NotFound,
    /// Something else came first: status 409.
    Conflict,
    /// The request can be read, but what it says is wrong: status 422.
    Invalid,
    /// The client has or does too much; it may come back later: status 429.
    TooMany,
    /// The server cannot answer now; the client may come back later: status 503.
    Unavailable,
    /// Something is wrong in the server: status 500.
    Internal,
}

impl Error {
    /// Makes an error without a cause.
    pub fn new(kind: ErrorKind) -> Self {
        Self { kind, retry_within: RETRY_WITHIN, is_for_stream: false, source: None }
    }

    /// Makes an error of the server, which is logged with its cause.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::Internal).caused_by(cause)
    }

    /// Sets the cause, for the log.
    pub fn caused_by(self, cause: impl Into<BoxError>) -> Self {
        Self { source: Some(cause.into()), ..self }
    }

    /// Sets within what time a client may come back, where it may. Default: 5 s.
    pub fn retry_within(self, time: Duration) -> Self {
        Self { retry_within: time, ..self }
    }

    /// Sets whether the request is for an event stream. Temporary errors of such a request are answered
    /// with the event `sse-kit:busy`: see [`Live`](crate::Live#errors-for-streams).
    pub(crate) fn for_stream(self, is_for_stream: bool) -> Self {
        Self { is_for_stream, ..self }
    }

    /// Returns its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the status of its kind.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::TooMany => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns `true` if the client may come back later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.kind, ErrorKind::TooMany | ErrorKind::Unavailable)
    }

    fn log(&self) {
        let cause = self.source.as_deref().map(|source| source as &dyn StdError);
        if self.kind == ErrorKind::Internal {
            tracing::error!(cause, "a request failed");
        } else {
            tracing::debug!(kind = ?self.kind, cause, "a request is refused");
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        if self.is_for_stream && self.is_temporary() {
            return SseResponse::busy(self.retry_within).into_response();
        }
        let headers = [(CACHE_CONTROL, "no-store")];
        let mut response = (self.status(), headers, self.to_string()).into_response();
        if self.is_temporary() {
            response.headers_mut().insert(RETRY_AFTER, self.retry_within.as_secs().max(1).into());
        }
        response
    }
}

/// A text that may be sent to the client.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Unauthorized => "sign in first",
            ErrorKind::Forbidden => "this is not allowed",
            ErrorKind::NotFound => "there is nothing here",
            ErrorKind::Conflict => "something else came first",
            ErrorKind::Invalid => "the request is not valid",
            ErrorKind::TooMany => "this is too much; try again later",
            ErrorKind::Unavailable => "this is not possible now; try again later",
            ErrorKind::Internal => "something went wrong here",
        })
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Implements `From` by the kind of each error.
macro_rules! kinds {
    ($($error:ty => $kind:expr;)*) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                let kind: fn(&$error) -> ErrorKind = $kind;
                Self::new(kind(&error)).caused_by(error)
            }
        }
    )*};
}

kinds! {
    SubscribeError => of_subscribe;
    GateOpenError => |error| match error {
        GateOpenError::Denied => ErrorKind::Forbidden,
        GateOpenError::NoAnswer => ErrorKind::Unavailable,
        GateOpenError::Subscribe(error) => of_subscribe(error),
        _ => ErrorKind::Internal,
    };
    QueryError => |error| match error {
        QueryError::NotAllowed { .. } => ErrorKind::Forbidden,
        _ => ErrorKind::Invalid,
    };
    QuotaError => |error| match error {
        QuotaError::PerClient => ErrorKind::TooMany,
        _ => ErrorKind::Unavailable,
    };
    PublishError => |error| ErrorKind::from(error);
    SendError => |error| match error {
        SendError::NotConnected => ErrorKind::NotFound,
        SendError::QueueFull => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    DeniedError => |_| ErrorKind::Forbidden;
    CrossSiteError => |_| ErrorKind::Forbidden;
    TextError => |_| ErrorKind::Invalid;
    TopicsError => |_| ErrorKind::Invalid;
    BoxError => |_| ErrorKind::Internal;
}

#[cfg(unix)]
kinds! {
    sse_kit_shutdown::ShuttingDownError => |_| ErrorKind::Unavailable;
}

impl From<&PublishError> for ErrorKind {
    fn from(error: &PublishError) -> Self {
        match error {
            PublishError::Vetoed => Self::Forbidden,
            PublishError::KeyReused { .. } | PublishError::Conflict { .. } => Self::Conflict,
            PublishError::Closed | PublishError::HooksBusy | PublishError::Log(_) => {
                Self::Unavailable
            }
            _ => Self::Internal,
        }
    }
}

fn of_subscribe(error: &SubscribeError) -> ErrorKind {
    match error {
        SubscribeError::Closed | SubscribeError::HooksLag | SubscribeError::TooManyPatterns => {
            ErrorKind::Unavailable
        }
        SubscribeError::TooManyReplays => ErrorKind::TooMany,
        _ => ErrorKind::Internal,
    }
}
