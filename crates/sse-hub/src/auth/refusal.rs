//! Reasons to refuse a client, and their answers.

use std::net::IpAddr;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::metrics::Metrics;
use crate::reply::{self, Reply};

/// The reason why a client is refused. None of them has any text of the token: they are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this needs a token")]
    NoToken,
    #[error("the request has several tokens; send one")]
    SeveralTokens,
    #[error("the header Authorization is not `Bearer TOKEN`")]
    NotBearer,
    #[error("the token is longer than {} bytes", super::presented::MAX_TOKEN)]
    TooLong,
    #[error("the token is not a signed JWT")]
    Malformed,
    #[error("the algorithm of the token is not that of the key")]
    WrongAlgorithm,
    #[error("no key of the hub has signed this token")]
    WrongKey,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is for another audience")]
    WrongAudience,
    #[error("the token is from another issuer")]
    WrongIssuer,
    #[error("the token lacks a claim that the hub requires, or has it in a wrong form")]
    BadClaim,
    #[error("the claims `publish`, `subscribe` and `presence` are lists of topics and patterns")]
    BadTopics,
    #[error("the token does not allow this topic")]
    BeyondToken,
    #[error("the token has no claim `inspect`")]
    NoInspector,
    #[error("the request comes from a page of another origin")]
    CrossSite,
}

impl Refusal {
    /// The labels of all refusals.
    pub(crate) const LABELS: &[&str] =
        &["no_token", "bad_token", "expired", "beyond_token", "cross_site"];

    /// Returns the refusal as a word, for labels of metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Expired => "expired",
            Self::BeyondToken | Self::NoInspector => "beyond_token",
            Self::CrossSite => "cross_site",
            _ => "bad_token",
        }
    }

    /// Logs and counts the refusal of a client, and returns the answer.
    pub(crate) fn answer(self, client: IpAddr, wish: &str, metrics: &Metrics) -> Reply {
        self.answer_with(&json!({ "error": self.to_string() }), client, wish, metrics)
    }

    /// Does the same, with this body.
    pub(crate) fn answer_with(
        self,
        body: &Value,
        client: IpAddr,
        wish: &str,
        metrics: &Metrics,
    ) -> Reply {
        tracing::info!(%client, reason = %self, "refused to {wish}");
        metrics.refused(self.label());
        self.reply(body)
    }

    /// Returns the answer: 401 without a good token, 403 for a token with too few rights.
    fn reply(self, body: &Value) -> Reply {
        let message = self.to_string();
        let (status, challenge) = match self {
            Self::CrossSite => return reply::json(StatusCode::FORBIDDEN, body),
            // RFC 6750, section 3.1: a request without a token is not told of an error.
            Self::NoToken => (StatusCode::UNAUTHORIZED, "Bearer realm=\"sse-hub\"".to_owned()),
            Self::BeyondToken | Self::NoInspector => {
                (StatusCode::FORBIDDEN, challenge("insufficient_scope", &message))
            }
            _ => (StatusCode::UNAUTHORIZED, challenge("invalid_token", &message)),
        };
        let mut reply = reply::json(status, body);
        let challenge = HeaderValue::try_from(challenge).expect("our messages are ASCII");
        reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        reply
    }
}

fn challenge(error: &str, message: &str) -> String {
    let message = message.replace('`', "'");
    format!("Bearer realm=\"sse-hub\", error=\"{error}\", error_description=\"{message}\"")
}
