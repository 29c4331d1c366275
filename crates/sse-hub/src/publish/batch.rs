//! A batch: a publish for each line of a body in NDJSON.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use sse_kit::Event;
use sse_kit::event::{Audience, EventId, Topic, TraceContext};

use super::failure::Failure;
use super::query::event_name;
use super::{Draft, Intake};
use crate::auth::Caller;
use crate::reply::{self, Reply};

/// The maximum number of events in a batch.
const MAX_EVENTS: usize = 1000;

/// The content type of a batch.
pub(super) const CONTENT_TYPE: &str = "application/x-ndjson";

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    topic: Topics,
    data: String,
    event: Option<String>,
    key: Option<String>,
    retry: Option<u32>,
    if_newest: Option<String>,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Topics {
    One(String),
    Several(Vec<String>),
}

/// Publishes the lines in their order. All of them are checked before the first is published; if one
/// fails after that, the answer says which, and what was published before it.
pub(super) async fn publish(
    intake: &Intake<'_>,
    caller: &Caller,
    body: &str,
    trace: Option<TraceContext>,
) -> Result<Reply, Failure> {
    let mut drafts = Vec::new();
    for (at, line) in body.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let number = at + 1;
        if drafts.len() == MAX_EVENTS {
            let message = format!("a batch has at most {MAX_EVENTS} events");
            return Err(Failure::bad_request(&message).with("line", json!(number)));
        }
        let draft = draft(line).and_then(|draft| {
            caller.ensure_may_publish(&draft.audience)?;
            intake.limits.ensure_fits(&draft.audience, draft.event.data())?;
            Ok(draft)
        });
        drafts.push((number, draft.map_err(|failure| failure.with("line", json!(number)))?));
    }
    intake.admit(caller, drafts.iter().map(|(_, draft)| &draft.audience))?;
    let mut published = Vec::new();
    for (number, draft) in drafts {
        let draft = Draft { trace, ..draft };
        match draft.publish(intake.hub).await {
            Ok(receipt) => published.push(receipt),
            Err(failure) => {
                let failure = failure.with("line", json!(number));
                return Err(failure.with("published", json!(published)));
            }
        }
    }
    Ok(reply::json(StatusCode::OK, &json!({ "published": published })))
}

fn draft(line: &str) -> Result<Draft, Failure> {
    let line: Line = serde_json::from_str(line).map_err(|error| Failure::bad_request(&error))?;
    let bad = |error: &dyn std::fmt::Display| Failure::bad_request(error);
    let texts = match line.topic {
        Topics::One(topic) => vec![topic],
        Topics::Several(topics) => topics,
    };
    let topics = texts.iter().map(|topic| topic.parse::<Topic>());
    let topics: Vec<_> = topics.collect::<Result<_, _>>().map_err(|error| bad(&error))?;
    let audience = Audience::several(topics).map_err(|error| bad(&error))?;
    let mut event = Event::new(line.data);
    if let Some(name) = line.event {
        event = event.with_name(event_name(&name).map_err(|error| bad(&error))?);
    }
    if let Some(key) = line.key {
        event = event.with_key(key.parse().map_err(|error| bad(&error))?);
    }
    if let Some(millis) = line.retry {
        event = event.with_retry(std::time::Duration::from_millis(millis.into()));
    }
    if let Some(once) = line.idempotency_key {
        event = event.with_idempotency_key(once.parse().map_err(|error| bad(&error))?);
    }
    let newest = line.if_newest.map(|id| id.parse::<EventId>());
    let if_newest = newest.transpose().map_err(|error| bad(&error))?;
    Ok(Draft { audience, event, if_newest, trace: None })
}
