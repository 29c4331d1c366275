//! The wire format of deliveries.

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use sse_kit_broadcast::{Delivery, Goodbye, Subscription};
use sse_kit_event::control::{ControlName, Hello};
use sse_kit_event::{EncodedEvent, EventId};

/// The minimum delay before a client reconnects. Clients double their delay with each failure, and
/// twice nothing is nothing.
const MIN_RETRY: Duration = Duration::from_millis(100);

/// Returns the bytes of a delivery. The bytes of an event are shared; only gaps and goodbyes are
/// encoded here.
pub(crate) fn frame(delivery: Delivery) -> Bytes {
    match delivery {
        Delivery::Entry(entry) => entry.frame().clone(),
        Delivery::Direct(frame) => frame,
        Delivery::Gap(gap) => gap.event().encode().finish(None),
        Delivery::Heartbeat { position } => heartbeat(position),
        Delivery::Goodbye(Goodbye::ComeBack { within }) => come_back(ControlName::Shutdown, within),
        Delivery::Goodbye(Goodbye::StayAway) => ControlName::Close.event().encode().finish(None),
        // `Delivery` may gain variants. An unknown one is written as a comment, which clients
        // ignore.
        _ => Bytes::from_static(b":\n\n"),
    }
}

/// Encodes the first event of a stream. Its `retry` has a random jitter of up to half in either
/// direction, so that clients that a crash cuts off do not reconnect all at once.
pub(crate) fn hello(subscription: &Subscription, id: Option<EventId>, retry: Duration) -> Bytes {
    let heartbeat = subscription.heartbeat().unwrap_or_default();
    let mut hello = Hello::new(subscription.cursor(), subscription.connection().id().clone());
    hello.heartbeat_ms = u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX);
    hello.newest = subscription.newest();
    hello.continues = subscription.lineage().as_slice().to_vec();
    let spread = retry.as_secs_f64() * (0.5 + fastrand::f64());
    let retry = Duration::try_from_secs_f64(spread).unwrap_or(retry).max(MIN_RETRY);
    hello.event().with_retry(retry).encode().finish(id)
}

/// Encodes a last event, after which the client reconnects at a random time.
pub(crate) fn come_back(name: ControlName, within: Duration) -> Bytes {
    let retry = MIN_RETRY + within.saturating_sub(MIN_RETRY).mul_f64(fastrand::f64());
    name.event().with_retry(retry).encode().finish(None)
}

/// Encodes a heartbeat: a comment for proxies, and an event for scripts, which do not see comments.
/// If it has an id, that advances the cursor of a client that got no event of its own for a while.
fn heartbeat(position: Option<EventId>) -> Bytes {
    static HEARTBEAT: LazyLock<EncodedEvent> =
        LazyLock::new(|| ControlName::Heartbeat.event().with_comment("heartbeat").encode());
    static WITHOUT_ID: LazyLock<Bytes> = LazyLock::new(|| HEARTBEAT.clone().finish(None));
    match position {
        Some(position) => HEARTBEAT.clone().finish(Some(position)),
        None => WITHOUT_ID.clone(),
    }
}

#[cfg(test)]
mod tests {
    use sse_kit_broadcast::Hub;
    use sse_kit_event::Topics;

    use super::*;

    #[tokio::test]
    async fn clients_come_back_at_different_times() {
        fastrand::seed(sse_kit_test_support::seed());
        let subscription = Hub::new().subscribe(Topics::none()).open().unwrap();
        let mut retries: Vec<u64> =
            (0..100).map(|_| retry(&hello(&subscription, None, Duration::from_secs(3)))).collect();
        assert!(retries.iter().all(|retry| (1500..=4500).contains(retry)), "{retries:?}");
        retries.sort_unstable();
        assert!(retries[99] - retries[0] > 1000, "{retries:?}");
    }

    /// An extension that doubles its delay with each failure never gets away from zero.
    #[tokio::test]
    async fn no_client_comes_back_at_once() {
        fastrand::seed(sse_kit_test_support::seed());
        let subscription = Hub::new().subscribe(Topics::none()).open().unwrap();
        for within in [Duration::ZERO, Duration::from_micros(1), Duration::from_millis(150)] {
            for _ in 0..1000 {
                let first = retry(&hello(&subscription, None, within));
                assert!(first >= 100, "{first}");
                let last = retry(&come_back(ControlName::Shutdown, within));
                assert!((100..=150).contains(&last), "{last}");
            }
        }
    }

    #[tokio::test]
    async fn the_longest_time_there_is_does_no_harm() {
        let subscription = Hub::new().subscribe(Topics::none()).open().unwrap();
        hello(&subscription, None, Duration::MAX);
        come_back(ControlName::Busy, Duration::MAX);
    }

    /// Reads the field `retry` of an event.
    fn retry(event: &[u8]) -> u64 {
        let text = std::str::from_utf8(event).unwrap();
        let retry = text.lines().find_map(|line| line.strip_prefix("retry: "));
        retry.unwrap().parse().unwrap()
    }
}
