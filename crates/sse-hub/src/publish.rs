//! `POST /publish`: from a request to an event.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde::Serialize;
use serde_json::json;
use sse_kit::broadcast::{AppendError, PublishError, Receipt};
use sse_kit::event::{Audience, EventId, EventKey, EventName, IdempotencyKey, Topic, TopicsError};
use sse_kit::http::query_parameters;
use sse_kit::{Event, Hub};

use crate::auth::{QUERY_PARAMETER, Refusal, Rules};
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

/// The most data that an event may have, in bytes.
const MAX_DATA: usize = 1 << 20;

/// The time in which a client has to send it.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);

/// The answer to the publisher.
#[derive(Serialize)]
struct Published {
    id: EventId,
    receivers: usize,
    /// The same publish was taken before, under this id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

pub(crate) async fn publish<B>(
    hub: &Hub,
    rules: &Rules,
    metrics: &Metrics,
    request: Request<B>,
) -> Reply
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (parts, body) = request.into_parts();
    // Read first, whatever becomes of it: a client that is still sending would lose the answer.
    let data = tokio::time::timeout(DATA_TIMEOUT, Limited::new(body, MAX_DATA).collect()).await;
    let caller = match rules.identify(&parts.uri, &parts.headers) {
        Ok(caller) => caller,
        Err(refusal) => return refuse(refusal, metrics),
    };
    let once = match idempotency_key(&parts.headers) {
        Ok(once) => once,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let mut query =
        match Query::parse(parts.uri.query().unwrap_or_default(), rules.query_may_have_token()) {
            Ok(query) => query,
            Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
        };
    let audience = match Audience::several(std::mem::take(&mut query.topics)) {
        Ok(audience) => audience,
        Err(TopicsError::Empty) => {
            return reply::error(StatusCode::BAD_REQUEST, "name a topic: `?topic=…`");
        }
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Err(refusal) = caller.ensure_may_publish(&audience, &parts.uri, &parts.headers) {
        return refuse(refusal, metrics);
    }
    let Ok(data) = data else {
        return reply::error(StatusCode::REQUEST_TIMEOUT, "the data took too long to arrive");
    };
    let data = match data {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("an event has at most {MAX_DATA} bytes of data");
            return reply::error(StatusCode::PAYLOAD_TOO_LARGE, &message);
        }
        Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let Ok(data) = String::from_utf8(data.into()) else {
        return reply::error(StatusCode::BAD_REQUEST, "the data of an event is UTF-8");
    };
    let if_newest = query.if_newest;
    let mut event = query.event(data);
    if let Some(once) = once {
        event = event.with_idempotency_key(once);
    }
    let published = match if_newest {
        Some(newest) => hub.if_newest(newest).publish(audience, event).await,
        None => hub.publish(audience, event).await,
    };
    match published {
        Ok(Receipt { id, receivers, repeated, .. }) => {
            reply::json(StatusCode::OK, &Published { id, receivers, repeated })
        }
        Err(error @ PublishError::KeyReused { .. }) => {
            reply::error(StatusCode::UNPROCESSABLE_ENTITY, &error.to_string())
        }
        Err(error @ PublishError::Conflict { newest, .. }) => {
            let body = json!({ "error": error.to_string(), "newest": newest });
            reply::json(StatusCode::PRECONDITION_FAILED, &body)
        }
        Err(PublishError::Log(error @ AppendError::TooLarge { .. })) => {
            reply::error(StatusCode::PAYLOAD_TOO_LARGE, &error.to_string())
        }
        // Whether it may have been written is what the publisher has to know.
        Err(PublishError::Log(error)) => {
            reply::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error @ PublishError::Closed) => {
            reply::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error) => reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// Refuses a publisher; its token is in no log.
fn refuse(refusal: Refusal, metrics: &Metrics) -> Reply {
    tracing::info!(reason = %refusal, "refused to publish");
    metrics.refused(refusal.label());
    refusal.reply()
}

/// Returns the name of a publish that may be tried again: a string, as [the draft] has it, or the bare text.
///
/// [the draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, String> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map_err(|_| "Idempotency-Key is ASCII".to_owned())?.trim();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let key = quoted.unwrap_or(text).parse();
    key.map(Some).map_err(|error| format!("Idempotency-Key: {error}"))
}

/// The query's fields of the event.
#[derive(Default)]
struct Query {
    topics: Vec<Topic>,
    if_newest: Option<EventId>,
    name: Option<EventName>,
    key: Option<EventKey>,
    retry: Option<Duration>,
}

impl Query {
    fn parse(query: &str, may_have_token: bool) -> Result<Self, String> {
        let mut parsed = Self::default();
        for pair in query_parameters(query) {
            let (parameter, value) = pair.map_err(|error| error.to_string())?;
            let about = |error: &dyn std::fmt::Display| format!("{parameter}: {error}");
            match &*parameter {
                // One too many, which the audience then refuses, and no more.
                "topic" if parsed.topics.len() > Audience::MAX_TOPICS => {}
                "topic" => parsed.topics.push(value.parse().map_err(|e| about(&e))?),
                "if_newest" => parsed.if_newest = Some(value.parse().map_err(|e| about(&e))?),
                "event" => parsed.name = Some(value.parse().map_err(|e| about(&e))?),
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

    fn event(self, data: String) -> Event {
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn data_that_never_arrives_is_not_waited_for() {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = Request::post("/publish?topic=a").body(body).unwrap();
        let reply =
            publish(&Hub::new(), &Rules::default(), &Metrics::new().unwrap(), request).await;
        assert_eq!(reply.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
