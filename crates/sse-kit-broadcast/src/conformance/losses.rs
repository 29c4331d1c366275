//! Tests that every loss causes a gap.

use sse_kit_event::control::GapReason;
use sse_kit_event::{Event, EventId};

use super::node::{PATIENCE, event, gap, node, publish, topic};
use super::{ConformanceError, Report, Subject};
use crate::ending::Goodbye;
use crate::log_status::LogHealth;
use crate::publish_error::PublishError;

pub(super) async fn future<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "an id that never existed causes a gap";
    let node = node(subject).await?;
    let id = publish(&node.hub, "x").await?;
    let mut stream = node.open(Some(EventId::new(id.epoch(), id.offset() + 1000)))?;
    let reason = gap(PROMISE, &mut stream).await?;
    report.keep(PROMISE, reason == GapReason::Future, reason)
}

pub(super) async fn close<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a log says whether it works";
    let node = node(subject).await?;
    report.keep(PROMISE, node.hub.log_health() == LogHealth::Up, node.hub.log_health())?;
    publish(&node.hub, "x").await?;
    let stats = node.hub.log_stats();
    report.keep("a log counts its appends", stats.appended == 1 && stats.failed == 0, stats)?;
    node.hub.shut_down(Goodbye::StayAway);
    let published = node.hub.publish(&topic(), Event::new("x")).await;
    let closed = matches!(published, Err(PublishError::Closed));
    report.keep("a hub that has shut down appends nothing", closed, &published)?;
    report.keep(PROMISE, node.hub.log_health() == LogHealth::Closed, node.hub.log_health())?;
    let ended = tokio::time::timeout(PATIENCE, node.hub.log_closed()).await;
    report.keep("a log that is closed ends", ended.is_ok(), "it does not end")
}

pub(super) async fn trim<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "trimmed records cause a gap";
    let first = node(subject).await?;
    let (old, kept) = (publish(&first.hub, "old").await?, publish(&first.hub, "kept").await?);
    if !first.is_shared || !subject.trim(old.offset()).await {
        report.untried.push(PROMISE);
        return Ok(());
    }
    let second = node(subject).await?;
    let before = EventId::new(old.epoch(), old.offset() - 1);
    let mut stream = second.open(Some(before))?;
    let reason = gap(PROMISE, &mut stream).await?;
    report.keep(PROMISE, reason == GapReason::Trimmed, reason)?;
    let (found, _) = event(PROMISE, &mut stream).await?;
    report.keep("records that were not trimmed are delivered", found == kept, found)
}

pub(super) async fn epoch<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a lost log begins a new epoch, and every stream gets a gap";
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
    }
    let old = publish(&nodes[0].hub, "old").await?;
    let mut streams = Vec::new();
    for node in &nodes {
        let mut stream = node.open(Some(EventId::new(old.epoch(), old.offset() - 1)))?;
        event(PROMISE, &mut stream).await?;
        streams.push(stream);
    }
    if !subject.wipe().await {
        report.untried.push(PROMISE);
        return Ok(());
    }
    for stream in &mut streams {
        let reason = gap(PROMISE, stream).await?;
        report.keep(PROMISE, reason == GapReason::UnknownEpoch, reason)?;
    }
    let new = publish(&nodes[0].hub, "new").await?;
    report.keep("no epoch is reused", new.epoch() != old.epoch(), new)?;
    for stream in &mut streams {
        let (found, _) = event(PROMISE, stream).await?;
        report.keep("streams continue in the new epoch", found == new, found)?;
    }
    Ok(())
}
