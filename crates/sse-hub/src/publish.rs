//! `POST /publish`: from a request to an event, or to several.

mod batch;
mod failure;
mod query;
mod rate_limit;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde::Serialize;
use sse_kit::broadcast::Receipt;
use sse_kit::event::{Audience, EventId, TopicsError};
use sse_kit::{Event, Hub};

use self::failure::Failure;
use self::query::{Query, idempotency_key};
use self::rate_limit::Publisher;
use crate::auth::{Caller, Rules};
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

pub(crate) use self::rate_limit::RateLimit;

/// The most data that an event may have, in bytes.
const MAX_DATA: usize = 1 << 20;

/// The time in which a client has to send it.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);

/// An event that is not published yet.
struct Draft {
    audience: Audience,
    event: Event,
    if_newest: Option<EventId>,
}

/// The answer to the publisher.
#[derive(Debug, Serialize)]
struct Published {
    id: EventId,
    receivers: usize,
    /// The same publish was taken before, under this id.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
}

/// The parts of the hub that publishing needs, for one request.
pub(crate) struct Intake<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) rules: &'a Rules,
    pub(crate) rates: &'a RateLimit,
    pub(crate) metrics: &'a Metrics,
    pub(crate) client: IpAddr,
}

impl Intake<'_> {
    /// Publishes the event, or the events, of a request.
    pub(crate) async fn publish<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let (parts, body) = request.into_parts();
        // Read first, whatever becomes of it: a client that is still sending would lose the answer.
        let data = text(body).await;
        let published = match self.rules.identify(&parts.uri, &parts.headers) {
            Ok(caller) => self.publish_by(&caller, &parts, data).await,
            Err(refusal) => Err(refusal.into()),
        };
        published.unwrap_or_else(|failure| failure.reply(self.client, self.metrics))
    }

    async fn publish_by(
        &self,
        caller: &Caller,
        parts: &Parts,
        data: Result<String, Failure>,
    ) -> Result<Reply, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let query = Query::parse(query, self.rules.query_may_have_token());
        let mut query = query.map_err(|message| Failure::bad_request(&message))?;
        if parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == batch::CONTENT_TYPE) {
            if !query.is_empty() {
                return Err(Failure::bad_request(&"the lines of a batch have all parameters"));
            }
            return batch::publish(self, caller, parts, &data?).await;
        }
        let once = idempotency_key(&parts.headers);
        let once = once.map_err(|message| Failure::bad_request(&message))?;
        let audience = match Audience::several(std::mem::take(&mut query.topics)) {
            Ok(audience) => audience,
            Err(TopicsError::Empty) => {
                return Err(Failure::bad_request(&"name a topic: `?topic=…`"));
            }
            Err(error) => return Err(Failure::bad_request(&error)),
        };
        caller.ensure_may_publish(&audience, &parts.uri, &parts.headers)?;
        let if_newest = query.if_newest;
        let mut event = query.event(data?);
        if let Some(once) = once {
            event = event.with_idempotency_key(once);
        }
        self.admit(caller, 1)?;
        let published = self.publish_one(Draft { audience, event, if_newest }).await?;
        Ok(ok(&published))
    }

    /// Counts events against the limit of their publisher.
    fn admit(&self, caller: &Caller, events: usize) -> Result<(), Failure> {
        let address = || Publisher::Address(self.client);
        let publisher = caller.subject.clone().map_or_else(address, Publisher::User);
        let events = u32::try_from(events).unwrap_or(u32::MAX);
        self.rates.admit(publisher, events).map_err(Failure::TooFast)
    }

    async fn publish_one(&self, draft: Draft) -> Result<Published, Failure> {
        let Draft { audience, event, if_newest } = draft;
        let published = match if_newest {
            Some(newest) => self.hub.if_newest(newest).publish(audience, event).await,
            None => self.hub.publish(audience, event).await,
        };
        let Receipt { id, receivers, repeated, .. } = published?;
        Ok(Published { id, receivers, repeated })
    }
}

fn ok(value: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, value)
}

/// Reads the text of a body.
async fn text<B>(body: B) -> Result<String, Failure>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let body = tokio::time::timeout(DATA_TIMEOUT, Limited::new(body, MAX_DATA).collect()).await;
    let Ok(body) = body else {
        let message = "the data took too long to arrive";
        return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, &message));
    };
    let bytes = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("an event has at most {MAX_DATA} bytes of data");
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, &message));
        }
        Err(error) => return Err(Failure::bad_request(&error)),
    };
    String::from_utf8(bytes.into())
        .map_err(|_| Failure::bad_request(&"the data of an event is UTF-8"))
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
        let intake = Intake {
            hub: &Hub::new(),
            rules: &Rules::default(),
            rates: &RateLimit::new(0),
            metrics: &Metrics::new().unwrap(),
            client: [127, 0, 0, 1].into(),
        };
        let reply = intake.publish(request).await;
        assert_eq!(reply.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
