//! A node on the log under test, with helpers to publish and receive.

use std::time::Duration;

use sse_kit_event::control::GapReason;
use sse_kit_event::{ConnectionId, Event, EventId, IdempotencyKey, LastEventId, Topic};

use super::{ConformanceError, Subject};
use crate::delivery::Delivery;
use crate::hub::Hub;
use crate::log::Log;
use crate::record::Record;
use crate::subscription::Subscription;

/// The timeout of each step.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The number of events that each node publishes.
pub(super) const EVENTS: usize = 100;

/// A hub on the log.
pub(super) struct Node {
    pub(super) hub: Hub,
    pub(super) is_shared: bool,
}

impl Node {
    pub(super) fn open(&self, resume: Option<EventId>) -> Result<Subscription, ConformanceError> {
        let subscribe = self.hub.subscribe(topic()).resume(resume.map(LastEventId::Known));
        subscribe.open().map_err(|error| broken("streams open", &error))
    }
}

pub(super) async fn node<S: Subject>(subject: &mut S) -> Result<Node, ConformanceError> {
    hub_on(subject.node().await)
}

/// Builds a hub on a log.
pub(super) fn hub_on(log: impl Log) -> Result<Node, ConformanceError> {
    let is_shared = log.is_shared();
    let builder = Hub::builder().heartbeat(None).history(1000).log(log);
    let hub = builder.build().map_err(|error| broken("a hub can be built", &error))?;
    Ok(Node { hub, is_shared })
}

pub(super) fn topic() -> Topic {
    "conformance".parse().expect("a word is a topic")
}

pub(super) fn second_topic() -> Topic {
    "conformance:two".parse().expect("two words are a topic")
}

pub(super) fn record(data: &str) -> Record {
    let event = Event::new(data).encode();
    Record::new(topic(), event)
}

/// Returns an idempotency key that was not used before.
pub(super) fn random_key(promise: &'static str) -> Result<IdempotencyKey, ConformanceError> {
    let key = ConnectionId::random().map_err(|error| broken(promise, &error))?;
    key.as_str().parse().map_err(|error| broken(promise, &error))
}

pub(super) async fn publish(hub: &Hub, data: &str) -> Result<EventId, ConformanceError> {
    let receipt = hub.publish(&topic(), Event::new(data)).await;
    receipt.map(|receipt| receipt.id).map_err(|error| broken("appends succeed", &error))
}

pub(super) async fn next(
    promise: &'static str,
    stream: &mut Subscription,
) -> Result<Delivery, ConformanceError> {
    let delivery = tokio::time::timeout(PATIENCE, stream.recv()).await;
    let delivery = delivery.map_err(|_| broken(promise, "nothing was delivered"))?;
    delivery.ok_or_else(|| broken(promise, "the stream has ended"))
}

/// Returns the id and the data of the next event.
pub(super) async fn event(
    promise: &'static str,
    stream: &mut Subscription,
) -> Result<(EventId, String), ConformanceError> {
    let Delivery::Entry(entry) = next(promise, stream).await? else {
        return Err(broken(promise, "a gap was delivered instead of an event"));
    };
    let frame = String::from_utf8_lossy(entry.frame());
    let data: Vec<_> = frame.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    Ok((entry.id(), data.join("\n")))
}

pub(super) async fn gap(
    promise: &'static str,
    stream: &mut Subscription,
) -> Result<GapReason, ConformanceError> {
    match next(promise, stream).await? {
        Delivery::Gap(gap) => Ok(gap.reason),
        other => Err(broken(promise, &format!("this was delivered instead of a gap: {other:?}"))),
    }
}

pub(super) fn broken(promise: &'static str, found: &(impl ToString + ?Sized)) -> ConformanceError {
    ConformanceError { promise, found: found.to_string() }
}
