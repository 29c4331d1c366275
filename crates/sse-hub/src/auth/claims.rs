//! The claims of a token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use sse_kit::event::Topics;

use super::presented::Token;
use super::{Caller, Refusal, TopicRights};

/// The claims of a token as they are written.
#[derive(Deserialize)]
pub(super) struct RawClaims {
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    exp: Option<f64>,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    publish: Vec<String>,
    #[serde(default)]
    subscribe: Vec<String>,
    #[serde(default)]
    presence: Vec<String>,
    #[serde(default)]
    inspect: bool,
}

/// The claims that the hub looks at, checked.
pub(super) struct Claims {
    subject: Option<String>,
    begins: Option<SystemTime>,
    expires: Option<SystemTime>,
    rights: TopicRights,
    inspect: bool,
}

impl TryFrom<RawClaims> for Claims {
    type Error = Refusal;

    fn try_from(raw: RawClaims) -> Result<Self, Refusal> {
        let topics = |texts: &[String]| Topics::parse(texts).map_err(|_| Refusal::BadTopics);
        Ok(Self {
            subject: raw.sub,
            // A time beyond the range of the clock is no limit; the library has refused such a beginning.
            begins: raw.nbf.and_then(time),
            expires: raw.exp.and_then(time),
            rights: TopicRights {
                publish: topics(&raw.publish)?,
                subscribe: topics(&raw.subscribe)?,
                presence: topics(&raw.presence)?,
            },
            inspect: raw.inspect,
        })
    }
}

impl Claims {
    /// Returns the client that these claims describe.
    pub(super) fn caller(self, token: Token, leeway: Duration, generation: u64) -> Caller {
        Caller {
            subject: self.subject.map(Into::into),
            rights: self.rights.into(),
            inspect: self.inspect,
            expires: self.expires.and_then(|expires| expires.checked_add(leeway)),
            token: Some(token),
            generation,
        }
    }

    /// Fails before the time from which the token is accepted.
    pub(super) fn ensure_begun(&self, leeway: Duration) -> Result<(), Refusal> {
        let now = SystemTime::now();
        match self.begins {
            Some(begins) if now.checked_add(leeway).is_some_and(|now| now < begins) => {
                Err(Refusal::NotYet)
            }
            _ => Ok(()),
        }
    }
}

/// Returns the time of a claim, in seconds since 1970.
fn time(seconds: f64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}
