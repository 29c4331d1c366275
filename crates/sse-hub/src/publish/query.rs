//! The query and the headers of a publish.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sse_kit::Event;
use sse_kit::event::{Audience, EventId, EventKey, EventName, IdempotencyKey, TextError, Topic};
use sse_kit::http::query_parameters;

use crate::auth::QUERY_PARAMETER;

/// The header that names a publish which may be tried again.
pub(super) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The query's fields of the event.
#[derive(Default)]
pub(super) struct Query {
    pub(super) topics: Vec<Topic>,
    pub(super) if_newest: Option<EventId>,
    name: Option<EventName>,
    key: Option<EventKey>,
    retry: Option<Duration>,
}

impl Query {
    pub(super) fn parse(query: &str, may_have_token: bool) -> Result<Self, String> {
        // Most events have one topic, and the usual room is for four.
        let mut parsed = Self { topics: Vec::with_capacity(1), ..Self::default() };
        for pair in query_parameters(query) {
            let (parameter, value) = pair.map_err(|error| error.to_string())?;
            let about = |error: &dyn std::fmt::Display| format!("{parameter}: {error}");
            match &*parameter {
                // One too many, which the audience then refuses, and no more.
                "topic" if parsed.topics.len() > Audience::MAX_TOPICS => {}
                "topic" => parsed.topics.push(value.parse().map_err(|e| about(&e))?),
                "if_newest" => parsed.if_newest = Some(value.parse().map_err(|e| about(&e))?),
                "event" => parsed.name = Some(event_name(&value).map_err(|e| about(&e))?),
                "key" => parsed.key = Some(value.parse().map_err(|e| about(&e))?),
                "retry" => {
                    // As on the wire: digits, and no sign.
                    if value.starts_with('+') {
                        return Err(about(&"not a whole number of milliseconds"));
                    }
                    let millis: u32 = value.parse().map_err(|e| about(&e))?;
                    parsed.retry = Some(Duration::from_millis(millis.into()));
                }
                QUERY_PARAMETER if may_have_token => {}
                _ => return Err(format!("there is no parameter `{parameter}`")),
            }
        }
        Ok(parsed)
    }

    /// Returns `true` if the query has none of them.
    pub(super) fn is_empty(&self) -> bool {
        let Self { topics, if_newest, name, key, retry } = self;
        topics.is_empty()
            && if_newest.is_none()
            && name.is_none()
            && key.is_none()
            && retry.is_none()
    }

    pub(super) fn event(self, data: String) -> Event {
        let mut event = Event::new(data);
        if let Some(name) = self.name {
            event = event.with_name(name);
        }
        if let Some(key) = self.key {
            event = event.with_key(key);
        }
        if let Some(retry) = self.retry {
            event = event.with_retry(retry);
        }
        event
    }
}

/// Returns the name of an event that a publisher may give.
pub(super) fn event_name(name: &str) -> Result<EventName, String> {
    if name.starts_with("hub:") {
        return Err("names that begin with `hub:` are the hub's own".to_owned());
    }
    name.parse().map_err(|error: TextError| error.to_string())
}

/// Returns the name of a publish that may be tried again: a string, as [the draft] has it, or the bare text.
///
/// [the draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
pub(super) fn idempotency_key(value: &HeaderValue) -> Result<IdempotencyKey, String> {
    let text = value.to_str().map_err(|_| "Idempotency-Key is ASCII".to_owned())?.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    quoted.unwrap_or(text).parse().map_err(|error: TextError| format!("Idempotency-Key: {error}"))
}
