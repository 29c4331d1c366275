//! The conversions by which axum gets the hub out of [`SseKit`], and responses out of its errors.

use axum_core::extract::FromRef;
use sse_kit_axum::{Error, ErrorKind};
use sse_kit_broadcast::Hub;
use sse_kit_dispatch::DispatchError;

use crate::kit::{ChangeError, EmitError, EmitErrorKind, SseKit};

/// An app whose state is a kit has its hub.
impl<S: Send + Sync + 'static> FromRef<SseKit<S>> for Hub {
    fn from_ref(kit: &SseKit<S>) -> Self {
        kit.hub().clone()
    }
}

/// The status of the cause: of a publish that fails as without a kit; 429 beyond a rate limit; 503 when
/// an event with the same key is being handled; and otherwise 500.
impl From<EmitError> for Error {
    fn from(error: EmitError) -> Self {
        let response = match error.kind() {
            EmitErrorKind::Publish(error) => Self::new(ErrorKind::from(error)),
            EmitErrorKind::Dispatch(DispatchError::RateLimited { retry_after, .. }) => {
                Self::new(ErrorKind::TooMany).retry_within(*retry_after)
            }
            EmitErrorKind::Dispatch(DispatchError::InFlight { .. }) => {
                Self::new(ErrorKind::Unavailable)
            }
            _ => Self::new(ErrorKind::Internal),
        };
        response.caused_by(error)
    }
}

/// As of an [`EmitError`]: the state has changed, and pages were not told.
impl<V> From<ChangeError<V>> for Error {
    fn from(error: ChangeError<V>) -> Self {
        EmitError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::time::Duration;

    use sse_kit_broadcast::{Goodbye, PublishError, Verdict};
    use sse_kit_dispatch::middleware::{Deduplicate, RateLimit};
    use sse_kit_dispatch::{BoxError, DomainEvent};
    use sse_kit_htmx::{Html, Update};

    use super::*;

    type TestResult = Result<(), Box<dyn std::error::Error>>;

    fn kit(hub: Hub) -> Result<SseKit, Box<dyn std::error::Error>> {
        let kit = SseKit::new(hub);
        kit.updater().on("t", |text: String| -> Result<_, BoxError> {
            Ok(Update::fill("t".parse()?, &Html::text(text))?)
        })?;
        Ok(kit)
    }

    async fn kind(kit: &SseKit) -> Option<ErrorKind> {
        let event = DomainEvent::new("t", &"x").expect("a type");
        kit.emit(event).await.err().map(|error| Error::from(error).kind())
    }

    #[tokio::test]
    async fn a_publish_that_fails_has_the_status_that_it_has_without_a_kit() -> TestResult {
        let closed = Hub::new();
        closed.shut_down(Goodbye::StayAway);
        let vetoing = Hub::builder().guard(|_| Verdict::Veto).build()?;
        let failing = Hub::builder().guard(|_| Err::<Verdict, _>("no answer")).build()?;
        for (hub, expected) in [
            (closed, ErrorKind::Unavailable),
            (vetoing, ErrorKind::Forbidden),
            (failing, ErrorKind::Internal),
        ] {
            assert_eq!(kind(&kit(hub)?).await, Some(expected));
        }
        assert_eq!(Error::from(PublishError::HooksBusy).kind(), ErrorKind::Unavailable);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_middleware_delays_may_come_back() -> TestResult {
        let limited = kit(Hub::new())?;
        let minute = Duration::from_secs(60);
        limited.dispatcher().middleware(RateLimit::new(NonZero::<u32>::MIN, minute));
        assert_eq!(kind(&limited).await, None);
        assert_eq!(kind(&limited).await, Some(ErrorKind::TooMany));

        let slow = kit(Hub::new())?;
        slow.dispatcher().middleware(Deduplicate::new(minute, |_| Some(17)));
        slow.updater().on("t", |_: String| tokio::time::sleep(Duration::from_secs(30)))?;
        let (first, twin) = tokio::join!(kind(&slow), kind(&slow));
        assert_eq!((first, twin), (None, Some(ErrorKind::Unavailable)));
        Ok(())
    }
}
