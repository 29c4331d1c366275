//! Tests that every appended record is delivered, in one order, and can be read later.

use std::time::Duration;

use sse_kit_event::{Audience, ConnectionId, Epoch, Event, EventId, Topics};

use super::node::{EVENTS, broken, event, next, node, publish, second_topic, topic};
use super::{ConformanceError, Report, Subject};
use crate::delivery::Delivery;
use crate::hub::Hub;
use crate::log::ReadError;

pub(super) async fn order<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
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

async fn publish_many(hub: Hub, n: usize) -> Result<Vec<EventId>, ConformanceError> {
    let mut ids = Vec::new();
    for i in 0..EVENTS {
        ids.push(publish(&hub, &format!("{n}.{i}")).await?);
    }
    Ok(ids)
}

pub(super) async fn contents<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a record is delivered unchanged";
    let node = node(subject).await?;
    let me: ConnectionId = "me".parse().map_err(|error| broken(PROMISE, &error))?;
    let subscribe = node.hub.subscribe(topic()).id(me.clone());
    let mut left_out = subscribe.open().map_err(|error| broken(PROMISE, &error))?;
    let mut other = node.open(None)?;
    let key = "key".parse().map_err(|error| broken(PROMISE, &error))?;
    let name = "name".parse().map_err(|error| broken(PROMISE, &error))?;
    let data = "two\nlines, \u{1f980} and \0";
    let sent = Event::new(data)
        .with_name(name)
        .with_key(key)
        .with_retry(Duration::from_millis(5))
        .with_comment("c");
    let except = node.hub.except([me]);
    let receipt = except.publish(&topic(), sent.clone()).await;
    let id = receipt.map_err(|error| broken(PROMISE, &error))?.id;
    let everybody = node.hub.broadcast(Event::new("everybody")).await;
    everybody.map_err(|error| broken(PROMISE, &error))?;
    let Delivery::Entry(entry) = next(PROMISE, &mut other).await? else {
        return Err(broken(PROMISE, "something else was delivered"));
    };
    let same = *entry.frame() == sent.encode().finish(Some(id))
        && entry.key() == sent.key()
        && entry.topic() == Some(&topic());
    report.keep(PROMISE, same, &entry)?;
    for stream in [&mut left_out, &mut other] {
        let (_, data) = event(PROMISE, stream).await?;
        report.keep(
            "an excluded connection receives the other events",
            data == "everybody",
            &data,
        )?;
    }
    let several = Audience::several([topic(), second_topic()]);
    let several = several.map_err(|error| broken(PROMISE, &error))?;
    let published = node.hub.publish(&several, Event::new("several")).await;
    published.map_err(|error| broken(PROMISE, &error))?;
    let Delivery::Entry(entry) = next(PROMISE, &mut other).await? else {
        return Err(broken(PROMISE, "something else was delivered"));
    };
    report.keep(PROMISE, *entry.audience() == several, &entry)
}

pub(super) async fn tail<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a new node serves clients that resume";
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
    report.keep(
        "a new node begins at the end of the log",
        position == ids[EVENTS - 1],
        position,
    )?;
    let mut stream = second.open(Some(ids[EVENTS / 2]))?;
    for id in &ids[EVENTS / 2 + 1..] {
        let (found, _) = event(PROMISE, &mut stream).await?;
        report.keep(PROMISE, found == *id, found)?;
    }
    let id = publish(&second.hub, "more").await?;
    let (found, _) = event(PROMISE, &mut stream).await?;
    report.keep("offsets continue across nodes", found == id, found)
}

pub(super) async fn reading<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "stored records can be read";
    let node = node(subject).await?;
    let (begin, mut stream) = (node.hub.cursor(), node.open(None)?);
    let mut published = Vec::new();
    for n in 0..5 {
        published.push((publish(&node.hub, &n.to_string()).await?, n.to_string()));
        event(PROMISE, &mut stream).await?; // it was appended and delivered
    }
    let mut read = Vec::new();
    let mut at = begin;
    while at != published[4].0 {
        let page = match node.hub.publisher().log.read(at, 2).await {
            Ok(page) => page,
            // A log that stores no records need not support reads.
            Err(ReadError::NotKept) if read.is_empty() => {
                report.untried.push(PROMISE);
                return Ok(());
            }
            Err(error) => return Err(broken(PROMISE, &error)),
        };
        let few = page.records.len() <= 2 && page.through.offset() > at.offset();
        report.keep("a read respects its limit", few, &page)?;
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

pub(super) async fn reading_by_topic<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a read by topics has every record for them";
    let node = node(subject).await?;
    let begin = node.hub.cursor();
    let mut wanted = Vec::new();
    let mut last = begin;
    for n in 0..10 {
        let audience = match n % 5 {
            0 => second_topic().into(),
            1 => Audience::Everyone,
            _ => topic().into(),
        };
        let receipt = node.hub.publish(audience, Event::new(n.to_string())).await;
        last = receipt.map_err(|error| broken(PROMISE, &error))?.id;
        if n % 5 < 2 {
            wanted.push(last);
        }
    }
    let topics = Topics::from(second_topic());
    let (mut read, mut at) = (Vec::new(), begin);
    while at != last {
        let page = match node.hub.publisher().log.read_topics(at, &topics, 2).await {
            Ok(page) => page,
            Err(ReadError::NotKept) if read.is_empty() => {
                report.untried.push(PROMISE);
                return Ok(());
            }
            Err(error) => return Err(broken(PROMISE, &error)),
        };
        let leads_on = page.records.len() <= 2 && page.through.offset() > at.offset();
        report.keep("a read respects its limit", leads_on, &page)?;
        let (from, to) = (at.offset(), page.through.offset());
        let is_within = |id: &EventId| id.offset() > from && id.offset() <= to;
        let ids: Vec<_> = page.records.iter().map(|(id, _)| *id).collect();
        report.keep(
            PROMISE,
            ids.iter().all(is_within) && ids.is_sorted_by_key(|id| id.offset()),
            &page,
        )?;
        // A log may return others too.
        let found = page.records.iter().filter(|(_, record)| topics.include(&record.audience));
        read.extend(found.map(|(id, _)| *id));
        at = page.through;
    }
    report.keep(PROMISE, read == wanted, (&read, &wanted))
}
