//! Who may see what: the app's own decision.

use std::time::Duration;

use sse_kit_event::{Topic, TopicPattern};
use tokio::time::Instant;

/// Decides who may see what. The app implements it; a [`Gate`](crate::Gate) asks.
pub trait Authorizer: Send + Sync + 'static {
    /// Who asks: a user, a session, a token.
    type Principal: Send + Sync + 'static;

    /// Whether `principal` may see `wanted`. Asked for each topic and pattern of a stream when it is
    /// opened, and again when the grant has run out.
    ///
    /// Grant a pattern only to who may see every topic that it matches, now and later.
    fn authorize(
        &self,
        principal: &Self::Principal,
        wanted: Resource<'_>,
        access: Access,
    ) -> impl Future<Output = Result<Grant, DeniedError>> + Send;
}

/// What somebody wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource<'a> {
    /// One topic.
    Topic(&'a Topic),
    /// All topics that a pattern matches.
    Pattern(&'a TopicPattern),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Events from now on.
    Live,
    /// Events from history too: the client resumes.
    Replay,
}

/// Leave to see something, for some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it lets nobody in by itself"]
pub struct Grant {
    pub(crate) until: Option<Instant>,
}

impl Grant {
    /// Until it is revoked.
    pub fn unlimited() -> Self {
        Self { until: None }
    }

    /// For so long; then it is asked for again.
    pub fn lasting(time: Duration) -> Self {
        // Longer than an instant can be late is unlimited.
        Self { until: Instant::now().checked_add(time) }
    }

    /// Of two grants, what both allow.
    pub(crate) fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { until }
    }
}

/// It may not be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("not allowed")]
pub struct DeniedError;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_shorter_grant_counts() {
        let long = Grant::lasting(Duration::from_secs(9));
        let short = Grant::lasting(Duration::from_secs(3));
        assert_eq!(long.and(short), short);
        assert_eq!(short.and(Grant::unlimited()), short);
        assert_eq!(Grant::unlimited().and(long), long);
        assert_eq!(Grant::lasting(Duration::MAX), Grant::unlimited());
    }
}
