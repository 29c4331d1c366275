//! Tests that an append happens once, with its follow-ups, and only under its conditions.

use std::sync::Arc;

use sse_kit_event::{Audience, Event, EventId};

use super::node::{
    EVENTS, Node, broken, event, node, publish, random_key, record, second_topic, topic,
};
use super::{ConformanceError, Report, Subject};
use crate::log::AppendError;
use crate::publish_error::PublishError;
use crate::record::{Append, Once};

pub(super) async fn once<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a publish repeated with the same key is appended once";
    let mut nodes = vec![node(subject).await?];
    if nodes[0].is_shared {
        nodes.push(node(subject).await?);
    }
    let mut stream = nodes[0].open(None)?;
    let key = random_key(PROMISE)?;
    let mut ids = Vec::new();
    for node in nodes.iter().chain(&nodes) {
        let keyed =
            node.hub.publish(&topic(), Event::new("once").with_idempotency_key(key.clone())).await;
        let receipt = keyed.map_err(|error| broken(PROMISE, &error))?;
        report.keep(PROMISE, receipt.repeated != ids.is_empty(), receipt)?;
        ids.push(receipt.id);
    }
    report.keep(PROMISE, ids.iter().all(|id| *id == ids[0]), &ids)?;
    let other = Event::new("something else").with_idempotency_key(key.clone());
    let reused = nodes[0].hub.publish(&topic(), other).await;
    let refused = matches!(reused, Err(PublishError::KeyReused { .. }));
    report.keep("a key that was used for other content is refused", refused, &reused)?;
    let elsewhere = Event::new("elsewhere").with_idempotency_key(key);
    let elsewhere = nodes[0].hub.publish(&second_topic(), elsewhere).await;
    let new = matches!(elsewhere, Ok(receipt) if !receipt.repeated);
    report.keep("a key is scoped to its audience", new, &elsewhere)?;
    let last = publish(&nodes[0].hub, "last").await?;
    let first = event(PROMISE, &mut stream).await?;
    report.keep(PROMISE, first == (ids[0], "once".to_owned()), &first)?;
    let second = event(PROMISE, &mut stream).await?;
    report.keep(PROMISE, second.0 == last, &second)
}

pub(super) async fn follow_ups<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
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
            Ok::<_, ConformanceError>(())
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
    report.keep("follow-ups are not repeated either", dense, (next, mark))
}

pub(super) async fn conditions<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
    const PROMISE: &str = "a conditional publish fails if its topics have a newer event";
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
    report.keep("a condition on an id that never existed fails", refused, &lie)?;
    let third = hub(0).if_newest(second).publish(&topic(), Event::new("third")).await;
    let dense = matches!(&third, Ok(third) if third.id.offset() == second.offset() + 1);
    report.keep("a refused append uses no offset", dense, &third)
}

pub(super) async fn ambiguity<S: Subject>(
    subject: &mut S,
    report: &mut Report,
) -> Result<(), ConformanceError> {
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
        Err(error) => {
            return Err(broken("an append that may have been written fails as ambiguous", &error));
        }
    };
    report.keep(PROMISE, kept, &seen)
}
