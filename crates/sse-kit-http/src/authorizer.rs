//! Authorisation: the app's decision who may see what.

use std::time::Duration;

use sse_kit_event::{Topic, TopicPattern};
use tokio::time::Instant;

/// Decides which users may see which topics. The app implements it; a [`Gate`](crate::Gate) calls
/// it.
pub trait Authorizer: Send + Sync + 'static {
    /// The identity to authorise: a user, a session, a token.
    type Principal: Send + Sync + 'static;

    /// Decides whether `principal` may see `wanted`. The gate calls it for each topic and pattern
    /// of a stream before the stream opens, and again when the grant expires.
    ///
    /// Grant a pattern only to a principal that may see every topic that the pattern matches, now
    /// and later.
    fn authorize(
        &self,
        principal: &Self::Principal,
        wanted: Resource<'_>,
        access: Access,
    ) -> impl Future<Output = Result<Grant, DeniedError>> + Send;
}

/// The resource that a principal wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resource<'a> {
    /// One topic.
    Topic(&'a Topic),
    /// All topics that a pattern matches.
    Pattern(&'a TopicPattern),
}

/// The kind of access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// Events from now on.
    Live,
    /// Events from history too, because the client resumes.
    Replay,
}

/// The permission to see a resource, possibly for a limited time.
///
/// ```
/// use std::time::Duration;
///
/// use sse_kit_http::{DeniedError, Grant};
///
/// /// The gate asks again after five minutes.
/// fn access(is_member: bool) -> Result<Grant, DeniedError> {
///     if is_member { Ok(Grant::lasting(Duration::from_secs(300))) } else { Err(DeniedError) }
/// }
///
/// assert!(access(false).is_err());
/// let _of_staff: Grant = Grant::unlimited();
/// # let _ = access(true);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a grant has no effect until it is returned"]
pub struct Grant {
    pub(crate) until: Option<Instant>,
}

impl Grant {
    /// Grants access until it is revoked.
    pub fn unlimited() -> Self {
        Self { until: None }
    }

    /// Grants access for this duration; after that, the gate asks again.
    pub fn lasting(time: Duration) -> Self {
        // A time beyond the range of `Instant` means no limit.
        Self { until: Instant::now().checked_add(time) }
    }

    /// Returns the intersection of two grants.
    pub(crate) fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { until }
    }
}

/// The error for a denied access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("access denied")]
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
