//! Tests that a log survives its process, and that a log that was set back is found out.

use std::sync::Arc;

use parking_lot::Mutex;
use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, EventId, IdempotencyKey};

use super::node::{
    EVENTS, Node, PATIENCE, broken, event, gap, hub_on, next, node, publish, random_key, topic,
};
use super::{ConformanceError, Report, Subject};
use crate::delivery::Delivery;
use crate::ending::Goodbye;
use crate::hub::Hub;
use crate::publish_error::PublishError;
use crate::receipt::Receipt;

pub(super) async fn resuming<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a restart keeps every record, and pages resume over it";
    let first = node(subject).await?;
    let mut ids = Vec::new();
    for i in 0..EVENTS {
        ids.push(publish(&first.hub, &i.to_string()).await?);
    }
    let key = random_key(PROMISE)?;
    let keyed = || Event::new("keyed").with_idempotency_key(key.clone());
    let keyed_at = first.hub.publish(&topic(), keyed()).await;
    let keyed_at = keyed_at.map_err(|error| broken(PROMISE, &error))?.id;
    ids.push(keyed_at);
    drop(first);
    let Some(second) = reopened(subject).await? else {
        report.untried.push(PROMISE);
        return Ok(());
    };
    for seen in [EVENTS / 2, EVENTS - 1, EVENTS] {
        let mut stream = second.open(Some(ids[seen]))?;
        for id in &ids[seen + 1..] {
            let (found, _) = event(PROMISE, &mut stream).await?;
            report.keep(PROMISE, found.offset() == id.offset(), (id, found))?;
        }
    }
    let again = second.hub.publish(&topic(), keyed()).await;
    let same =
        matches!(&again, Ok(again) if again.repeated && again.id.offset() == keyed_at.offset());
    report.keep("an idempotency key survives a restart", same, &again)?;
    let late = second.hub.if_newest(ids[0]).publish(&topic(), Event::new("late")).await;
    let told = matches!(late, Err(PublishError::Conflict { .. }));
    report.keep("a condition holds over a restart", told, &late)?;
    let more = second.hub.if_newest(keyed_at).publish(&topic(), Event::new("more")).await;
    let next = more.map_err(|error| broken("a condition holds over a restart", &error))?.id;
    let dense = next.offset() == keyed_at.offset() + 1;
    report.keep("offsets continue over a restart", dense, (keyed_at, next))
}

/// The publishers of the node that crashes.
const PUBLISHERS: usize = 8;

/// The appends that were acknowledged: their keys, which are their texts too, and ids.
type Acknowledged = Arc<Mutex<Vec<(IdempotencyKey, EventId)>>>;

pub(super) async fn crash<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a crash loses nothing that was acknowledged";
    const ONCE: &str = "a publish that was interrupted by a crash may be retried";
    let first = node(subject).await?;
    let acknowledged = Acknowledged::default();
    let publishing: Vec<_> = (0..PUBLISHERS)
        .map(|_| tokio::spawn(publish_until_closed(first.hub.clone(), Arc::clone(&acknowledged))))
        .collect();
    let acknowledging = async {
        while acknowledged.lock().len() < EVENTS {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, acknowledging).await;
    report.keep("appends succeed", in_time.is_ok(), "they do not")?;
    let before = acknowledged.lock().clone();
    let has_crashed = subject.crash().await;
    first.hub.shut_down(Goodbye::StayAway);
    let mut last_keys = Vec::new();
    for publisher in publishing {
        last_keys.push(publisher.await.map_err(|error| broken(PROMISE, &error))??);
    }
    drop(first);
    if !has_crashed {
        report.untried.push(PROMISE);
        return Ok(());
    }
    let Some(second) = reopened(subject).await? else {
        return Err(broken(PROMISE, "the log has crashed and could not be opened"));
    };
    for key in last_keys {
        // It is in the log or not; the retry finds out.
        keyed(&second, &key).await.map_err(|error| broken(ONCE, &error))?;
        let again = keyed(&second, &key).await;
        report.keep(ONCE, matches!(again, Ok(Receipt { repeated: true, .. })), &again)?;
    }
    for (key, id) in &before {
        let again = keyed(&second, key).await;
        let is_there =
            matches!(&again, Ok(again) if again.repeated && again.id.offset() == id.offset());
        report.keep(PROMISE, is_there, (id, &again))?;
    }
    let newest = before.iter().map(|(_, id)| *id).max_by_key(|id| id.offset());
    let more = publish(&second.hub, "more").await?;
    let mut stream = second.open(newest)?;
    let mut found = event(PROMISE, &mut stream).await?.0;
    while found != more {
        found = event(PROMISE, &mut stream).await?.0;
    }
    Ok(())
}

/// Publishes until the hub is closed. Returns the key of the last attempt.
async fn publish_until_closed(
    hub: Hub,
    acknowledged: Acknowledged,
) -> Result<IdempotencyKey, ConformanceError> {
    loop {
        let key = random_key("appends succeed")?;
        let event = Event::new(key.as_str()).with_idempotency_key(key.clone());
        match hub.publish(&topic(), event).await {
            Ok(receipt) => acknowledged.lock().push((key, receipt.id)),
            Err(PublishError::Closed | PublishError::Log(_)) => return Ok(key),
            Err(error) => return Err(broken("appends succeed", &error)),
        }
        // A log that answers at once must not keep the runtime.
        tokio::task::yield_now().await;
    }
}

async fn keyed(node: &Node, key: &IdempotencyKey) -> Result<Receipt, PublishError> {
    let event = Event::new(key.as_str()).with_idempotency_key(key.clone());
    node.hub.publish(&topic(), event).await
}

pub(super) async fn fork<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a log that was set back gives no offset twice in one epoch";
    const TOLD: &str = "a page that has seen what was lost gets a gap, and no other page";
    let first = node(subject).await?;
    let kept = publish(&first.hub, "kept").await?;
    if !subject.save().await {
        report.untried.push(PROMISE);
        return Ok(());
    }
    let lost = publish(&first.hub, "lost").await?;
    drop(first);
    if !subject.restore().await {
        return Err(broken(PROMISE, "the subject saved the log and did not restore it"));
    }
    let Some(second) = reopened(subject).await? else {
        return Err(broken(PROMISE, "the log was restored and could not be opened"));
    };
    let before = second.open(Some(lost))?;
    let new = publish(&second.hub, "new").await?;
    report.keep(PROMISE, new != lost, new)?;
    for mut stream in [before, second.open(Some(lost))?] {
        let reason = gap(TOLD, &mut stream).await?;
        report.keep(TOLD, reason == GapReason::UnknownEpoch, reason)?;
    }
    let mut stream = second.open(Some(kept))?;
    let Delivery::Entry(entry) = next(TOLD, &mut stream).await? else {
        return Err(broken(TOLD, "a page that has seen nothing of it got a gap"));
    };
    report.keep(TOLD, entry.id() == new, &entry)?;
    let never = EventId::new(kept.epoch(), lost.offset() + 1);
    let reason = gap(TOLD, &mut second.open(Some(never))?).await?;
    report.keep(TOLD, reason == GapReason::UnknownEpoch, reason)
}

async fn reopened<S: Subject>(subject: &mut S) -> Result<Option<Node>, ConformanceError> {
    subject.reopen().await.map(hub_on).transpose()
}
