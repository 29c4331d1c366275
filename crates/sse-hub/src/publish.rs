//! `POST /publish`: from a request to an event, or to several.

mod batch;
mod data;
mod failure;
mod limits;
mod query;
mod rate_limit;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use hyper::body::Body;
use serde::Serialize;
use sse_kit::broadcast::{ClientKey, Publish, Receipt};
use sse_kit::event::{Audience, EventId, TopicsError, TraceContext};
use sse_kit::{Event, Hub};

use self::data::{drain, text, utf8};
use self::failure::Failure;
use self::query::{IDEMPOTENCY_KEY, Query, idempotency_key};
use crate::access_log::User;
use crate::auth::{Auth, Caller, Refusal};
use crate::metrics::Metrics;
use crate::reply::{self, Reply};

pub(crate) use self::limits::{CurrentLimits, PublishLimits};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// An event that is not published yet.
pub(crate) struct Draft {
    audience: Audience,
    event: Event,
    if_newest: Option<EventId>,
    trace: Option<TraceContext>,
}

/// A request that may be published.
enum Prepared {
    Event(Box<Draft>),
    /// The lines of a batch, and their trace.
    Batch(String, Option<TraceContext>),
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

/// A publish up to the point at which it waits for the log.
pub(crate) enum Begun {
    /// The event, in a box because it is moved several times, and the user if the token names one.
    Event(Box<Draft>, Option<Arc<str>>),
    Batch(Caller, String, Option<TraceContext>),
    /// The answer to a request that is not published.
    Refused(Box<Reply>),
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
        let begun = match self.identify(&parts) {
            Ok(caller) => {
                let data = text(body).await;
                self.begin_by(caller, &parts, data)
            }
            Err(refusal) => {
                drain(body).await;
                self.refused(refusal.into(), None)
            }
        };
        self.finish(begun).await
    }

    /// Begins to publish the event, or the events, of a request whose body has arrived, as that of most
    /// requests has. So the future that waits for the log has no room for reading it.
    pub(crate) fn begin(&self, parts: &Parts, body: Bytes) -> Begun {
        match self.identify(parts) {
            Ok(caller) => self.begin_by(caller, parts, utf8(body)),
            Err(refusal) => self.refused(refusal.into(), None),
        }
    }

    /// Publishes what has begun, and returns the answer.
    pub(crate) async fn finish(&self, begun: Begun) -> Reply {
        match begun {
            Begun::Event(draft, user) => {
                draft.answer(self.hub, user, self.client, self.metrics).await
            }
            Begun::Batch(caller, lines, trace) => {
                let published = batch::publish(self, &caller, &lines, trace).await;
                replied(published, caller.subject, self.client, self.metrics)
            }
            Begun::Refused(reply) => *reply,
        }
    }

    /// Returns the publisher, before its body is read.
    fn identify(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let caller = self.auth.rules().identify(&parts.uri, &parts.headers)?;
        caller.ensure_publisher(&parts.uri, &parts.headers)?;
        Ok(caller)
    }

    fn begin_by(&self, mut caller: Caller, parts: &Parts, data: Result<String, Failure>) -> Begun {
        match self.prepare(&mut caller, parts, data) {
            Ok(Prepared::Event(draft)) => Begun::Event(draft, caller.subject),
            Ok(Prepared::Batch(lines, trace)) => Begun::Batch(caller, lines, trace),
            Err(failure) => self.refused(failure, caller.subject),
        }
    }

    fn refused(&self, failure: Failure, user: Option<Arc<str>>) -> Begun {
        Begun::Refused(Box::new(replied(Err(failure), user, self.client, self.metrics)))
    }

    /// Checks all that can be checked before the log gets the event.
    fn prepare(
        &self,
        caller: &mut Caller,
        parts: &Parts,
        data: Result<String, Failure>,
    ) -> Result<Prepared, Failure> {
        // The body may have taken long to arrive, and the rights may have ended meanwhile.
        let rules = self.auth.rules();
        rules.renew(caller)?;
        let query = parts.uri.query().unwrap_or_default();
        let query = Query::parse(query, rules.query_may_have_token());
        let mut query = query.map_err(|message| Failure::bad_request(&message))?;
        let told = Told::by(&parts.headers);
        let trace = told.has_trace.then(|| traceparent(&parts.headers)).flatten();
        if told.content_type.is_some_and(is_batch) {
            if !query.is_empty() || told.once.is_some() {
                let message = "the lines of a batch have all parameters, `idempotency_key` too";
                return Err(Failure::bad_request(&message));
            }
            return Ok(Prepared::Batch(data?, trace));
        }
        let once = told.once.map(idempotency_key).transpose();
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
        Ok(Prepared::Event(Box::new(Draft { audience, event, if_newest, trace })))
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
}

impl Draft {
    /// Publishes the event, and returns the answer for this user of this client. It is no `async fn`, which
    /// would have room for its arguments twice.
    pub(crate) fn answer(
        self,
        hub: &Hub,
        user: Option<Arc<str>>,
        client: IpAddr,
        metrics: &Metrics,
    ) -> impl Future<Output = Reply> + Send {
        let (publish, audience, event) = self.with_terms(hub);
        async move {
            let published = publish.publish(audience, event).await.map(Published::from);
            let reply = published.map(|published| reply::written(StatusCode::OK, published.json()));
            let reply = reply.map_err(Failure::from);
            replied(reply, user, client, metrics)
        }
    }

    async fn publish(self, hub: &Hub) -> Result<Published, Failure> {
        let (publish, audience, event) = self.with_terms(hub);
        Ok(publish.publish(audience, event).await?.into())
    }

    fn with_terms(self, hub: &Hub) -> (Publish<'_>, Audience, Event) {
        let Self { audience, event, if_newest, trace } = self;
        let publish = hub.except([]).trace_context(trace);
        let publish = match if_newest {
            Some(newest) => publish.if_newest(newest),
            None => publish,
        };
        (publish, audience, event)
    }
}

impl Published {
    /// Returns the JSON of `Serialize`, in half the time: an id has no character that JSON escapes.
    fn json(self) -> String {
        let Self { id, receivers, repeated } = self;
        let mut json = String::with_capacity(Self::USUAL_LEN);
        json.push_str(r#"{"id":""#);
        json.push_str(&String::from(id));
        json.push_str(r#"","receivers":"#);
        json.push_str(&receivers.to_string());
        json.push_str(if repeated { r#","repeated":true}"# } else { "}" });
        json
    }

    /// The room for an answer, in bytes, enough for most.
    const USUAL_LEN: usize = 64;
}

impl From<Receipt> for Published {
    fn from(receipt: Receipt) -> Self {
        let Receipt { id, receivers, repeated, .. } = receipt;
        Self { id, receivers, repeated }
    }
}

/// Returns the trace of a request. As its specification has it, one that is not valid counts as none.
fn traceparent(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()?.parse().ok()
}

/// The headers of a publish, found in one pass: a look-up by name takes about as long, and most requests have
/// at most one of them.
#[derive(Default)]
struct Told<'a> {
    content_type: Option<&'a HeaderValue>,
    once: Option<&'a HeaderValue>,
    has_trace: bool,
}

impl<'a> Told<'a> {
    fn by(headers: &'a HeaderMap) -> Self {
        let mut told = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                told.content_type.get_or_insert(value);
            } else if *name == IDEMPOTENCY_KEY {
                told.once.get_or_insert(value);
            } else if *name == TRACEPARENT {
                told.has_trace = true;
            }
        }
        told
    }
}

/// Returns `true` for the content type of a batch, whatever its parameters and its case.
fn is_batch(kind: &HeaderValue) -> bool {
    if kind.len() < batch::CONTENT_TYPE.len() {
        return false;
    }
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(batch::CONTENT_TYPE)
}

/// Returns the answer to a publisher, for the access log with its user.
fn replied(
    published: Result<Reply, Failure>,
    user: Option<Arc<str>>,
    client: IpAddr,
    metrics: &Metrics,
) -> Reply {
    let mut reply = published.unwrap_or_else(|failure| failure.reply(client, metrics));
    if let Some(user) = user {
        reply.extensions_mut().extend(User::extension(user));
    }
    reply
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::Parser;
    use futures_util::{StreamExt, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use sse_kit::event::Epoch;

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

    #[test]
    fn an_answer_is_the_json_of_its_fields() {
        for (epoch, offset, receivers) in
            [(0, 0, 0), (0xc0_ffee, 42, 1), (u64::MAX, u64::MAX, usize::MAX)]
        {
            for repeated in [false, true] {
                let id = EventId::new(Epoch::new(epoch), offset);
                let fields = serde_json::to_string(&Published { id, receivers, repeated }).unwrap();
                assert_eq!(Published { id, receivers, repeated }.json(), fields);
            }
        }
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
