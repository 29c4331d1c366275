//! `POST /publish`: from a request to an event, or to several.

mod batch;
mod failure;
mod limits;
mod query;
mod rate_limit;

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use serde::Serialize;
use sse_kit::broadcast::{ClientKey, Receipt};
use sse_kit::event::{Audience, EventId, TopicsError, TraceContext};
use sse_kit::{Event, Hub};
use tokio::time::error::Elapsed;

use self::failure::Failure;
use self::query::{Query, idempotency_key};
use crate::access_log::User;
use crate::auth::{Auth, Caller};
use crate::limit_options::MAX_DATA;
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

pub(crate) use self::limits::{CurrentLimits, PublishLimits};

/// The time in which a client has to send it.
const DATA_TIMEOUT: Duration = Duration::from_secs(30);

/// An event that is not published yet.
struct Draft {
    audience: Audience,
    event: Event,
    if_newest: Option<EventId>,
    trace: Option<TraceContext>,
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
    pub(crate) auth: &'a Auth,
    pub(crate) limits: &'a CurrentLimits,
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
        let caller = self.auth.rules().identify(&parts.uri, &parts.headers).and_then(|caller| {
            caller.ensure_publisher(&parts.uri, &parts.headers)?;
            Ok(caller)
        });
        let (user, published) = match caller {
            Ok(mut caller) => {
                let data = text(body).await;
                let published = self.publish_by(&mut caller, &parts, data).await;
                (caller.subject, published)
            }
            Err(refusal) => {
                drain(body).await;
                (None, Err(refusal.into()))
            }
        };
        let mut reply =
            published.unwrap_or_else(|failure| failure.reply(self.client, self.metrics));
        reply.extensions_mut().extend(user.map(User::extension).unwrap_or_default());
        reply
    }

    async fn publish_by(
        &self,
        caller: &mut Caller,
        parts: &Parts,
        data: Result<String, Failure>,
    ) -> Result<Reply, Failure> {
        // The body may have taken long to arrive, and the rights may have ended meanwhile.
        let rules = self.auth.rules();
        rules.renew(caller)?;
        let query = parts.uri.query().unwrap_or_default();
        let query = Query::parse(query, rules.query_may_have_token());
        let mut query = query.map_err(|message| Failure::bad_request(&message))?;
        if is_batch(&parts.headers) {
            if !query.is_empty() || parts.headers.contains_key("idempotency-key") {
                let message = "the lines of a batch have all parameters, `idempotency_key` too";
                return Err(Failure::bad_request(&message));
            }
            let trace = traceparent(&parts.headers);
            // In a box, as it is large and most requests have no batch.
            return Box::pin(batch::publish(self, caller, &data?, trace)).await;
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
        caller.ensure_may_publish(&audience)?;
        let data = data?;
        self.limits.ensure_fits(&audience, &data)?;
        let if_newest = query.if_newest;
        let mut event = query.event(data);
        if let Some(once) = once {
            event = event.with_idempotency_key(once);
        }
        self.admit(caller, std::iter::once(&audience))?;
        let trace = traceparent(&parts.headers);
        let published = self.publish_one(Draft { audience, event, if_newest, trace }).await?;
        Ok(ok(&published))
    }

    /// Counts events against the limit of their publisher.
    fn admit<'a>(
        &self,
        caller: &Caller,
        events: impl Iterator<Item = &'a Audience>,
    ) -> Result<(), Failure> {
        let user = caller.subject.as_deref();
        let publisher = || user.map_or_else(|| ClientKey::from(self.client), ClientKey::from);
        self.limits.admit(publisher, events)
    }

    async fn publish_one(&self, draft: Draft) -> Result<Published, Failure> {
        let Draft { audience, event, if_newest, trace } = draft;
        let mut publish = self.hub.except([]).trace_context(trace);
        if let Some(newest) = if_newest {
            publish = publish.if_newest(newest);
        }
        let Receipt { id, receivers, repeated, .. } = publish.publish(audience, event).await?;
        Ok(Published { id, receivers, repeated })
    }
}

/// Returns the trace of a request. As its specification has it, one that is not valid counts as none.
fn traceparent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all("traceparent").iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()?.parse().ok()
}

/// Returns `true` if the body is a batch, whatever the parameters and the case of its media type.
fn is_batch(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(batch::CONTENT_TYPE)
}

fn ok(value: &impl Serialize) -> Reply {
    reply::json(StatusCode::OK, value)
}

/// Takes what a client sends that was refused, and keeps nothing of it: while it is still sending, it would
/// lose the answer.
async fn drain<B>(body: B)
where
    B: Body<Data = Bytes>,
{
    let taken = async {
        let mut body = pin!(body);
        let mut len = 0;
        while len <= MAX_DATA
            && let Some(Ok(frame)) = body.frame().await
        {
            len += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // A client that takes longer loses the answer.
    let _ = tokio::time::timeout(DATA_TIMEOUT, taken).await;
}

/// Awaits what a client sends for as long as it may take; without a timer if all of it is here.
async fn in_time<T>(sent: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut sent = pin!(sent);
    match poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::time::timeout(DATA_TIMEOUT, sent).await,
    }
}

/// Reads the text of a body.
async fn text<B>(body: B) -> Result<String, Failure>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let Ok(body) = in_time(Limited::new(body, MAX_DATA).collect()).await else {
        let message = "the data took too long to arrive";
        return Err(Failure::new(StatusCode::REQUEST_TIMEOUT, &message));
    };
    let bytes = match body {
        Ok(collected) => collected.to_bytes(),
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::Parser;
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;
    use crate::auth::AuthOptions;
    use crate::options::Options;

    #[tokio::test(start_paused = true)]
    async fn data_that_never_arrives_is_not_waited_for() {
        let body = StreamBody::new(stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = Request::post("/publish?topic=a").body(body).unwrap();
        let intake = Intake {
            hub: &Hub::new(),
            auth: &Auth::default(),
            limits: &limits(),
            metrics: &Metrics::new().unwrap(),
            client: [127, 0, 0, 1].into(),
        };
        let reply = intake.publish(request).await;
        assert_eq!(reply.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn events_have_the_trace_of_their_request() {
        const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let hub = Hub::new();
        let intake = Intake {
            hub: &hub,
            auth: &Auth::default(),
            limits: &limits(),
            metrics: &Metrics::new().unwrap(),
            client: [127, 0, 0, 1].into(),
        };
        let line = r#"{"topic":"a","data":"x"}"#;
        for (traces, batch, kept) in [
            (&[TRACE][..], false, Some(TRACE)),
            (&[TRACE], true, Some(TRACE)),
            (&[], false, None),
            (&["nonsense"], false, None),
            (&[TRACE, TRACE], false, None),
        ] {
            let path = if batch { "/publish" } else { "/publish?topic=a" };
            let mut request = Request::post(path);
            for trace in traces {
                request = request.header("traceparent", *trace);
            }
            if batch {
                request = request.header(CONTENT_TYPE, batch::CONTENT_TYPE);
            }
            let body = http_body_util::Full::new(Bytes::from(line));
            let reply = intake.publish(request.body(body).unwrap()).await;
            assert_eq!(reply.status(), StatusCode::OK);
            let entry = hub.history(&"a".parse().unwrap(), 1).remove(0);
            assert_eq!(entry.trace_context().map(|trace| trace.to_string()).as_deref(), kept);
        }
    }

    /// Returns the limits of a hub without options.
    fn limits() -> Arc<CurrentLimits> {
        let options = Options::try_parse_from(["hub"]).unwrap();
        PublishLimits::new(&options.limits).current()
    }

    /// A chunk of a body that counts how many of its like are kept.
    struct Kept(Arc<AtomicUsize>);

    impl AsRef<[u8]> for Kept {
        fn as_ref(&self) -> &[u8] {
            b"data"
        }
    }

    impl Drop for Kept {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn auth(arguments: &[&str]) -> AuthOptions {
        Options::try_parse_from(["hub"].iter().chain(arguments)).unwrap().auth
    }

    /// Publishes with a body of many chunks; returns the status, and how many were kept at most at once.
    async fn publish_in_chunks(auth: &Auth, at_half: impl Fn() + Send) -> (StatusCode, usize) {
        let (kept, most) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
        let chunks = stream::iter(0..100).map(|number| {
            if number == 50 {
                at_half();
            }
            most.fetch_max(1 + kept.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_owner(Kept(Arc::clone(&kept)))))
        });
        let request = Request::post("/publish?topic=a").body(StreamBody::new(chunks)).unwrap();
        let intake = Intake {
            hub: &Hub::new(),
            auth,
            limits: &limits(),
            metrics: &Metrics::new().unwrap(),
            client: [127, 0, 0, 1].into(),
        };
        let status = intake.publish(request).await.status();
        (status, most.into_inner())
    }

    #[tokio::test]
    async fn nothing_is_kept_of_what_a_refused_client_sends() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("jwt.key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
        let with_key = auth(&["--jwt-key-file", key.to_str().unwrap()]);
        let keyed = Auth::new(&with_key).unwrap();
        assert_eq!(publish_in_chunks(&keyed, || {}).await, (StatusCode::UNAUTHORIZED, 1));

        let open = Auth::default();
        assert_eq!(publish_in_chunks(&open, || {}).await, (StatusCode::OK, 100));
        // Rights that end while the body arrives have ended.
        let (status, _) = publish_in_chunks(&open, || open.reload(&with_key).unwrap()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
}
