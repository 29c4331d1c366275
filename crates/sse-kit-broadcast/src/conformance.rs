//! Whether a [`Log`] keeps its promises: a suite that its author can run.
//!
//! ```
//! use sse_kit_broadcast::conformance::{self, Subject};
//! use sse_kit_broadcast::{BoxFuture, MemoryLog};
//!
//! struct Memory;
//!
//! impl Subject for Memory {
//!     type Log = MemoryLog;
//!
//!     fn node(&mut self) -> BoxFuture<'_, MemoryLog> {
//!         Box::pin(async { MemoryLog::new().expect("random numbers") })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), conformance::Broken> {
//! let report = conformance::check(&mut Memory).await?;
//! assert!(report.kept.contains(&"offsets are dense"));
//! assert!(report.untried.contains(&"a lost reply makes no duplicate"));
//! # Ok(()) }
//! ```

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use sse_kit_event::control::GapReason;
use sse_kit_event::{
    Audience, ConnectionId, Epoch, Event, EventId, IdempotencyKey, LastEventId, Topic,
};

use crate::broadcaster::Broadcaster;
use crate::connection_set::ConnectionSet;
use crate::delivery::Delivery;
use crate::ending::Goodbye;
use crate::log::{AppendError, Log, ReadError};
use crate::publish_error::PublishError;
use crate::record::{Append, Once, Record};
use crate::subscription::Subscription;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many events each node publishes.
const EVENTS: usize = 100;

/// The log that is tried, and what can be done to it.
///
/// What a log cannot have done to it stays as it is here, and the promises about it are not tried.
pub trait Subject: Send {
    /// The log.
    type Log: Log;

    /// One more node on the log. All of them are the same log where it is
    /// [shared](Log::is_shared); where it is not, this is called once for each check.
    fn node(&mut self) -> BoxFuture<'_, Self::Log>;

    /// Loses all records, and everything else that the log knows; true when it did.
    fn wipe(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }

    /// Drops all records but those that come after this offset; true when it did.
    fn trim(&mut self, through: u64) -> BoxFuture<'_, bool> {
        let _ = through;
        Box::pin(async { false })
    }

    /// The next append of any node is carried out, but the node is not told: the reply gets lost. True
    /// when that will be so.
    fn lose_reply(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The promises that were kept.
    pub kept: Vec<&'static str>,
    /// The promises that could not be tried on this log.
    pub untried: Vec<&'static str>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{promise}: {found}")]
#[non_exhaustive]
pub struct Broken {
    /// Which one.
    pub promise: &'static str,
    /// What was found instead.
    pub found: String,
}

/// Tries every promise, one after another, on a Tokio runtime with time.
///
/// The log must have no other nodes meanwhile.
///
/// # Errors
///
/// The first promise that was not kept.
pub async fn check<S: Subject>(subject: &mut S) -> Result<Report, Broken> {
    let mut report = Report::default();
    order(subject, &mut report).await?;
    contents(subject, &mut report).await?;
    tail(subject, &mut report).await?;
    reading(subject, &mut report).await?;
    once(subject, &mut report).await?;
    follow_ups(subject, &mut report).await?;
    conditions(subject, &mut report).await?;
    ambiguity(subject, &mut report).await?;
    future(subject, &mut report).await?;
    close(subject, &mut report).await?;
    trim(subject, &mut report).await?;
    epoch(subject, &mut report).await?;
    Ok(report)
}

async fn order<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
        nodes.push(node(subject).await?);
    }
    let begin = nodes[0].hub.cursor().offset();
    let mut streams = Vec::new();
    for node in &nodes {
        streams.push(node.open(None)?);
    }
    let mut published = Vec::new();
    let publishing: Vec<_> = nodes
        .iter()
        .enumerate()
        .map(|(n, node)| tokio::spawn(publish_many(node.hub.clone(), n)))
        .collect();
    for task in publishing {
        published.push(task.await.map_err(|error| broken("appends succeed", &error))??);
    }
    let mut seen = Vec::new();
    for stream in &mut streams {
        let mut events = Vec::new();
        for _ in 0..EVENTS * nodes.len() {
            events.push(event("every append is delivered", stream).await?);
        }
        seen.push(events);
    }
    report.keep("every append is delivered", true, "")?;
    let offsets: Vec<u64> = seen[0].iter().map(|(id, _)| id.offset()).collect();
    let dense = offsets.iter().zip(begin + 1..).all(|(found, expected)| *found == expected);
    report.keep("offsets are dense", dense, &offsets)?;
    let same = seen.iter().all(|events| *events == seen[0]);
    report.keep("all nodes deliver the same order", same, &seen)?;
    for (n, ids) in published.iter().enumerate() {
        let own = seen[0].iter().filter(|(_, data)| data.starts_with(&format!("{n}.")));
        let (found, data): (Vec<_>, Vec<_>) = own.map(|(id, data)| (*id, data.clone())).unzip();
        report.keep("an append returns the id that is delivered", found == *ids, &found)?;
        let expected: Vec<_> = (0..EVENTS).map(|i| format!("{n}.{i}")).collect();
        report.keep("one publisher's events keep their order", data == expected, &data)?;
    }
    Ok(())
}

async fn publish_many(hub: Broadcaster, n: usize) -> Result<Vec<EventId>, Broken> {
    let mut ids = Vec::new();
    for i in 0..EVENTS {
        ids.push(publish(&hub, &format!("{n}.{i}")).await?);
    }
    Ok(ids)
}

async fn contents<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a record comes back as it was appended";
    let node = node(subject).await?;
    let me: ConnectionId = "me".parse().map_err(|error| broken(PROMISE, &error))?;
    let subscribe = node.hub.subscribe(topic()).id(me.clone());
    let mut left_out = subscribe.open().map_err(|error| broken(PROMISE, &error))?;
    let mut other = node.open(None)?;
    let key = "key".parse().map_err(|error| broken(PROMISE, &error))?;
    let name = "name".parse().map_err(|error| broken(PROMISE, &error))?;
    let data = "two\nlines, \u{1f980} and \0";
    let sent = Event::new(data).named(name).keyed(key).retry(Duration::from_millis(5)).comment("c");
    let except = node.hub.except([me]);
    let receipt = except.publish(&topic(), sent.clone()).await;
    let id = receipt.map_err(|error| broken(PROMISE, &error))?.id;
    let everybody = node.hub.broadcast(Event::new("everybody")).await;
    everybody.map_err(|error| broken(PROMISE, &error))?;
    let Delivery::Entry(entry) = next(PROMISE, &mut other).await? else {
        return Err(broken(PROMISE, "something else came"));
    };
    let same = *entry.frame() == sent.encode().finish(Some(id))
        && entry.key() == sent.key()
        && entry.topic() == Some(&topic());
    report.keep(PROMISE, same, &entry)?;
    for stream in [&mut left_out, &mut other] {
        let (_, data) = event(PROMISE, stream).await?;
        report.keep("who is left out gets the rest", data == "everybody", &data)?;
    }
    let several = Audience::several([topic(), second_topic()]);
    let several = several.map_err(|error| broken(PROMISE, &error))?;
    let published = node.hub.publish(&several, Event::new("several")).await;
    published.map_err(|error| broken(PROMISE, &error))?;
    let Delivery::Entry(entry) = next(PROMISE, &mut other).await? else {
        return Err(broken(PROMISE, "something else came"));
    };
    report.keep(PROMISE, *entry.audience() == several, &entry)
}

async fn tail<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a node that has just started serves those who resume";
    let first = node(subject).await?;
    if !first.is_shared {
        report.untried.push(PROMISE);
        return Ok(());
    }
    let mut ids = Vec::new();
    for i in 0..EVENTS {
        ids.push(publish(&first.hub, &i.to_string()).await?);
    }
    drop(first);
    let second = node(subject).await?;
    let position = second.hub.cursor();
    report.keep("a new node begins where the log is", position == ids[EVENTS - 1], position)?;
    let mut stream = second.open(Some(ids[EVENTS / 2]))?;
    for id in &ids[EVENTS / 2 + 1..] {
        let (found, _) = event(PROMISE, &mut stream).await?;
        report.keep(PROMISE, found == *id, found)?;
    }
    let id = publish(&second.hub, "more").await?;
    let (found, _) = event(PROMISE, &mut stream).await?;
    report.keep("offsets go on where other nodes left off", found == id, found)
}

async fn reading<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "what is kept can be read again";
    let node = node(subject).await?;
    let (begin, mut stream) = (node.hub.cursor(), node.open(None)?);
    let mut published = Vec::new();
    for n in 0..5 {
        published.push((publish(&node.hub, &n.to_string()).await?, n.to_string()));
        event(PROMISE, &mut stream).await?; // it is in the log, and has come back
    }
    let mut read = Vec::new();
    let mut at = begin;
    while at != published[4].0 {
        let page = match node.hub.publisher().log.read(at, 2).await {
            Ok(page) => page,
            // Of a log that keeps nothing for this, nothing more is asked.
            Err(ReadError::NotKept) if read.is_empty() => {
                report.untried.push(PROMISE);
                return Ok(());
            }
            Err(error) => return Err(broken(PROMISE, &error)),
        };
        let few = page.records.len() <= 2 && page.through.offset() > at.offset();
        report.keep("it is read in portions", few, &page)?;
        at = page.through;
        for (id, record) in page.records {
            let data = String::from_utf8_lossy(record.event.as_bytes()).into_owned();
            let data = data.trim_start_matches("data: ").trim_end().to_owned();
            let whole = record.audience == topic().into() && record.except.is_empty();
            report.keep(PROMISE, whole, &record)?;
            read.push((id, data));
        }
    }
    report.keep(PROMISE, read == published, &read)?;
    let never = [1, 2].map(Epoch::new).into_iter().find(|epoch| *epoch != begin.epoch());
    let never = EventId::new(never.unwrap_or(begin.epoch()), begin.offset());
    let other = node.hub.publisher().log.read(never, 2).await;
    report.keep("another epoch cannot be read", other.is_err(), &other)
}

async fn once<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "what is published twice under one key is appended once";
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
    }
    let mut stream = nodes[0].open(None)?;
    let key = random_key(PROMISE)?;
    let mut ids = Vec::new();
    for node in nodes.iter().chain(&nodes) {
        let keyed = node.hub.publish(&topic(), Event::new("once").once(key.clone())).await;
        let receipt = keyed.map_err(|error| broken(PROMISE, &error))?;
        report.keep(PROMISE, receipt.repeated != ids.is_empty(), receipt)?;
        ids.push(receipt.id);
    }
    report.keep(PROMISE, ids.iter().all(|id| *id == ids[0]), &ids)?;
    let other = Event::new("something else").once(key.clone());
    let reused = nodes[0].hub.publish(&topic(), other).await;
    let refused = matches!(reused, Err(PublishError::KeyReused { .. }));
    report.keep("a key that was used for something else is refused", refused, &reused)?;
    let elsewhere = Event::new("elsewhere").once(key);
    let elsewhere = nodes[0].hub.publish(&second_topic(), elsewhere).await;
    let new = matches!(elsewhere, Ok(receipt) if !receipt.repeated);
    report.keep("a key is known for its audience alone", new, &elsewhere)?;
    let last = publish(&nodes[0].hub, "last").await?;
    let first = event(PROMISE, &mut stream).await?;
    report.keep(PROMISE, first == (ids[0], "once".to_owned()), &first)?;
    let second = event(PROMISE, &mut stream).await?;
    report.keep(PROMISE, second.0 == last, &second)
}

async fn follow_ups<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a record and its follow-ups are appended together";
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
    }
    let mut stream = nodes[0].open(None)?;
    let appending = |(n, node): (usize, &Node)| {
        let log = Arc::clone(&node.hub.publisher().log);
        tokio::spawn(async move {
            for i in 0..EVENTS / 10 {
                let [record, one, two] =
                    ["", "+", "++"].map(|end| record(&format!("{n}.{i}{end}")));
                let append = Append { follow_ups: vec![one, two], ..record.into() };
                log.append(append).await.map_err(|error| broken(PROMISE, &error))?;
            }
            Ok::<_, Broken>(())
        })
    };
    let appending: Vec<_> = nodes.iter().enumerate().map(appending).collect();
    for task in appending {
        task.await.map_err(|error| broken(PROMISE, &error))??;
    }
    let mut last = None;
    for _ in 0..nodes.len() * (EVENTS / 10) {
        let (id, data) = event(PROMISE, &mut stream).await?;
        for (nth, end) in ["+", "++"].into_iter().enumerate() {
            let found = event(PROMISE, &mut stream).await?;
            let expected = id.offset() + 1 + nth as u64;
            let follows = found.0.offset() == expected && found.1 == format!("{data}{end}");
            report.keep(PROMISE, follows, (&data, &found))?;
            last = Some(found.0);
        }
    }
    let next = publish(&nodes[0].hub, "next").await?;
    let dense = last.is_some_and(|last| next.offset() == last.offset() + 1);
    report.keep(PROMISE, dense, (last, next))?;

    let key = random_key(PROMISE)?;
    let again = || Append {
        follow_ups: vec![record("once+")],
        once: Some(Once { scope: topic().into(), key: key.clone(), digest: 1 }),
        ..record("once").into()
    };
    for _ in 0..2 {
        let appended = nodes[0].hub.publisher().log.append(again()).await;
        appended.map_err(|error| broken(PROMISE, &error))?;
    }
    let mark = publish(&nodes[0].hub, "mark").await?;
    let dense = mark.offset() == next.offset() + 3;
    report.keep("what follows is not repeated either", dense, (next, mark))
}

async fn conditions<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a publish is refused where something newer came to its topics";
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
    }
    let hub = |n: usize| &nodes[n % nodes.len()].hub;
    let first = publish(hub(0), "first").await?;
    let other = hub(1).publish(&second_topic(), Event::new("other")).await;
    other.map_err(|error| broken("appends succeed", &error))?;
    let allowed = hub(1).if_newest(first).publish(&topic(), Event::new("second")).await;
    let second = allowed.map_err(|error| broken(PROMISE, &error))?.id;
    for n in 0..2 {
        let late = hub(n).if_newest(first).publish(&topic(), Event::new("late")).await;
        let told = matches!(late, Err(PublishError::Conflict { newest, .. }) if newest == second);
        report.keep(PROMISE, told, &late)?;
    }
    let several = Audience::several([topic(), second_topic()]);
    let several = several.map_err(|error| broken(PROMISE, &error))?;
    let late = hub(0).if_newest(first).publish(&several, Event::new("late")).await;
    report.keep(PROMISE, matches!(late, Err(PublishError::Conflict { .. })), &late)?;
    let never = EventId::new(second.epoch(), second.offset() + 1000);
    let lie = hub(0).if_newest(never).publish(&topic(), Event::new("lie")).await;
    let refused = matches!(lie, Err(PublishError::Conflict { .. }));
    report.keep("an id that never was is no condition", refused, &lie)?;
    let third = hub(0).if_newest(second).publish(&topic(), Event::new("third")).await;
    let dense = matches!(&third, Ok(third) if third.id.offset() == second.offset() + 1);
    report.keep("what is refused spends no offset", dense, &third)
}

async fn ambiguity<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a lost reply makes no duplicate";
    let node = node(subject).await?;
    let mut stream = node.open(None)?;
    if !subject.lose_reply().await {
        report.untried.push(PROMISE);
        return Ok(());
    }
    let published = node.hub.publish(&topic(), Event::new("once")).await;
    let mark = publish(&node.hub, "mark").await?;
    let mut seen = Vec::new();
    loop {
        let (id, data) = event(PROMISE, &mut stream).await?;
        if id == mark {
            break;
        }
        seen.push((id, data));
    }
    let kept = match published {
        Ok(receipt) => seen == [(receipt.id, "once".to_owned())],
        Err(PublishError::Log(AppendError::Ambiguous(_))) => seen.len() <= 1,
        Err(error) => return Err(broken("what may be written is told as ambiguous", &error)),
    };
    report.keep(PROMISE, kept, &seen)
}

async fn future<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "an id that never was is told as a gap";
    let node = node(subject).await?;
    let id = publish(&node.hub, "x").await?;
    let mut stream = node.open(Some(EventId::new(id.epoch(), id.offset() + 1000)))?;
    let reason = gap(PROMISE, &mut stream).await?;
    report.keep(PROMISE, reason == GapReason::Future, reason)
}

async fn close<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    let node = node(subject).await?;
    node.hub.shut_down(Goodbye::StayAway);
    let published = node.hub.publish(&topic(), Event::new("x")).await;
    let closed = matches!(published, Err(PublishError::Closed));
    report.keep("a broadcaster that has shut down appends nothing", closed, &published)
}

async fn trim<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "what is trimmed is told as a gap";
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
    report.keep("what is not trimmed is still there", found == kept, found)
}

async fn epoch<S: Subject>(subject: &mut S, report: &mut Report) -> Result<(), Broken> {
    const PROMISE: &str = "a log that was lost begins a new epoch, and every stream is told";
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
    report.keep("no epoch comes back", new.epoch() != old.epoch(), new)?;
    for stream in &mut streams {
        let (found, _) = event(PROMISE, stream).await?;
        report.keep("streams go on in the new epoch", found == new, found)?;
    }
    Ok(())
}

impl Report {
    fn keep(
        &mut self,
        promise: &'static str,
        kept: bool,
        found: impl std::fmt::Debug,
    ) -> Result<(), Broken> {
        if !kept {
            return Err(Broken { promise, found: format!("{found:?}") });
        }
        if !self.kept.contains(&promise) {
            self.kept.push(promise);
        }
        Ok(())
    }
}

/// A broadcaster on the log.
struct Node {
    hub: Broadcaster,
    is_shared: bool,
}

impl Node {
    fn open(&self, resume: Option<EventId>) -> Result<Subscription, Broken> {
        let subscribe = self.hub.subscribe(topic()).resume(resume.map(LastEventId::Known));
        subscribe.open().map_err(|error| broken("streams open", &error))
    }
}

async fn node<S: Subject>(subject: &mut S) -> Result<Node, Broken> {
    let log = subject.node().await;
    let is_shared = log.is_shared();
    let builder = Broadcaster::builder().heartbeat(None).history(1000).log(log);
    let hub = builder.build().map_err(|error| broken("a broadcaster can be built", &error))?;
    Ok(Node { hub, is_shared })
}

fn topic() -> Topic {
    "conformance".parse().expect("a word is a topic")
}

fn second_topic() -> Topic {
    "conformance:two".parse().expect("two words are a topic")
}

fn record(data: &str) -> Record {
    let event = Event::new(data).encode();
    Record { audience: topic().into(), key: None, except: ConnectionSet::default(), event }
}

/// A key that nobody has used.
fn random_key(promise: &'static str) -> Result<IdempotencyKey, Broken> {
    let key = ConnectionId::random().map_err(|error| broken(promise, &error))?;
    key.as_str().parse().map_err(|error| broken(promise, &error))
}

async fn publish(hub: &Broadcaster, data: &str) -> Result<EventId, Broken> {
    let receipt = hub.publish(&topic(), Event::new(data)).await;
    receipt.map(|receipt| receipt.id).map_err(|error| broken("appends succeed", &error))
}

async fn next(promise: &'static str, stream: &mut Subscription) -> Result<Delivery, Broken> {
    let delivery = tokio::time::timeout(PATIENCE, stream.recv()).await;
    let delivery = delivery.map_err(|_| broken(promise, "nothing came"))?;
    delivery.ok_or_else(|| broken(promise, "the stream has ended"))
}

/// The id and the data of the next event.
async fn event(
    promise: &'static str,
    stream: &mut Subscription,
) -> Result<(EventId, String), Broken> {
    let Delivery::Entry(entry) = next(promise, stream).await? else {
        return Err(broken(promise, "a gap came instead of an event"));
    };
    let frame = String::from_utf8_lossy(entry.frame());
    let data: Vec<_> = frame.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    Ok((entry.id(), data.join("\n")))
}

async fn gap(promise: &'static str, stream: &mut Subscription) -> Result<GapReason, Broken> {
    match next(promise, stream).await? {
        Delivery::Gap(gap) => Ok(gap.reason),
        other => Err(broken(promise, &format!("this came instead of a gap: {other:?}"))),
    }
}

fn broken(promise: &'static str, found: &(impl ToString + ?Sized)) -> Broken {
    Broken { promise, found: found.to_string() }
}
