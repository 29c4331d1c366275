//! Reasons why an event is not published, and their answers.

use std::fmt::Display;
use std::net::IpAddr;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use sse_kit::broadcast::{AppendError, PublishError};

use super::rate_limit::TooFast;
use crate::auth::Refusal;
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

/// The seconds after which a publisher may retry while the log does not answer, or while the hub restarts.
const SOON: &str = "1";

/// The reason why an event is not published.
#[derive(Debug)]
pub(super) enum Failure {
    /// With the body of the answer.
    Refused(Refusal, Value),
    TooFast(TooFast),
    Other(StatusCode, Value),
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: &dyn Display) -> Self {
        Self::Other(status, json!({ "error": message.to_string() }))
    }

    pub(super) fn bad_request(message: &dyn Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Adds a field to the body.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        if let Self::Refused(_, body) | Self::Other(_, body) = &mut self {
            body[name] = value;
        }
        self
    }

    /// Returns the answer. The token of a refused publisher is in no log.
    pub(super) fn reply(self, client: IpAddr, metrics: &Metrics) -> Reply {
        match self {
            Self::Refused(refusal, body) => refusal.answer_with(&body, client, "publish", metrics),
            Self::TooFast(TooFast { wait, rule }) => {
                let seconds = wait.as_secs_f64().ceil().max(1.0);
                let limit = rule.map_or_else(
                    || "`--publish-rate`".into(),
                    |rule| format!("the limit of `{rule}`"),
                );
                let message = format!("more events than {limit} allows; retry later");
                let mut reply = reply::error(StatusCode::TOO_MANY_REQUESTS, &message);
                let seconds = HeaderValue::try_from(format!("{seconds:.0}")).expect("digits");
                reply.headers_mut().insert(RETRY_AFTER, seconds);
                reply
            }
            Self::Other(status, body) => {
                let mut reply = reply::json(status, &body);
                if status == StatusCode::SERVICE_UNAVAILABLE {
                    reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(SOON));
                }
                reply
            }
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal, json!({ "error": refusal.to_string() }))
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        let status = match &error {
            PublishError::KeyReused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            PublishError::Conflict { newest, .. } => {
                let failure = Self::new(StatusCode::PRECONDITION_FAILED, &error);
                return failure.with("newest", json!(newest));
            }
            PublishError::Log(inner @ AppendError::TooLarge { .. }) => {
                return Self::new(StatusCode::PAYLOAD_TOO_LARGE, inner);
            }
            // The publisher has to know whether the event may have been written.
            PublishError::Log(inner) => return Self::new(StatusCode::SERVICE_UNAVAILABLE, inner),
            PublishError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, &error)
    }
}
