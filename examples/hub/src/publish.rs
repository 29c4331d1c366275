//! `POST /publish`: from a request to an event.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::json;
use sse_kit::broadcast::PublishError;
use sse_kit::event::{EventKey, EventName, Topic};
use sse_kit::http::ensure_same_site;
use sse_kit::{Broadcaster, Event};

use crate::reply::{self, Reply};

/// The most data that an event may have, in bytes.
const MAX_DATA: usize = 1 << 20;

pub(crate) async fn publish(hub: &Broadcaster, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    if let Err(error) = ensure_same_site(&parts.headers) {
        return reply::error(StatusCode::FORBIDDEN, &error.to_string());
    }
    let mut query = match Query::parse(parts.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(message) => return reply::error(StatusCode::BAD_REQUEST, &message),
    };
    let Some(topic) = query.topic.take() else {
        return reply::error(StatusCode::BAD_REQUEST, "name a topic: `?topic=…`");
    };
    let data = match Limited::new(body, MAX_DATA).collect().await {
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
    match hub.publish(&topic, query.event(data)).await {
        Ok(receipt) => {
            let receipt = json!({ "id": receipt.id, "receivers": receipt.receivers });
            reply::json(StatusCode::OK, &receipt)
        }
        Err(error @ (PublishError::Log(_) | PublishError::Closed)) => {
            reply::error(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
        Err(error) => reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// What the query says of the event.
#[derive(Default)]
struct Query {
    topic: Option<Topic>,
    name: Option<EventName>,
    key: Option<EventKey>,
    retry: Option<Duration>,
}

impl Query {
    fn parse(query: &str) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
            let about = |error: &dyn std::fmt::Display| format!("{parameter}: {error}");
            match &*parameter {
                "topic" if parsed.topic.is_some() => return Err("an event has one topic".into()),
                "topic" => parsed.topic = Some(value.parse().map_err(|e| about(&e))?),
                "event" => parsed.name = Some(value.parse().map_err(|e| about(&e))?),
                "key" => parsed.key = Some(value.parse().map_err(|e| about(&e))?),
                "retry" => {
                    let millis: u32 = value.parse().map_err(|e| about(&e))?;
                    parsed.retry = Some(Duration::from_millis(millis.into()));
                }
                _ => return Err(format!("there is no parameter `{parameter}`")),
            }
        }
        Ok(parsed)
    }

    fn event(self, data: String) -> Event {
        let mut event = Event::new(data);
        if let Some(name) = self.name {
            event = event.named(name);
        }
        if let Some(key) = self.key {
            event = event.keyed(key);
        }
        if let Some(retry) = self.retry {
            event = event.retry(retry);
        }
        event
    }
}
