//! The response to a request for an event stream.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use futures_util::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
#[cfg(feature = "gzip")]
use http::header::{CONTENT_ENCODING, VARY};
use http::{HeaderName, HeaderValue, Response};
use sse_kit_broadcast::Subscription;
use sse_kit_event::control::ControlName;
use sse_kit_event::{Event, EventId};
use sync_wrapper::SyncWrapper;

use crate::body::{Extras, SseBody};
use crate::frames;
use crate::last_event::LastEvent;
#[cfg(feature = "gzip")]
use crate::request::SseRequest;
use crate::source::Source;

/// The response to a request for an event stream.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::Topics;
/// use sse_kit_http::SseResponse;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new();
/// let response = SseResponse::new(hub.subscribe(Topics::none()).open()?)
///     .retry(Duration::from_secs(2))
///     .into_response();
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
/// # Ok(()) }
/// ```
#[must_use = "it becomes a response when `into_response` is called"]
pub struct SseResponse {
    subscription: Subscription,
    extras: Extras,
    retry: Duration,
    max_age: Option<Duration>,
    /// Whether the client accepts gzip, where the app wants it.
    #[cfg(feature = "gzip")]
    gzip: Option<bool>,
}

impl SseResponse {
    /// Makes a stream of what the subscription gives, which begins with the event `sse-kit:hello`: see
    /// [`Hello`](sse_kit_event::control::Hello).
    pub fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            extras: Extras::default(),
            retry: Duration::from_secs(3),
            max_age: None,
            #[cfg(feature = "gzip")]
            gzip: None,
        }
    }

    /// Sends the events of a stream to this client, such as the tokens of an LLM's answer. When the
    /// stream has ended, the response ends with `sse-kit:close`, so that the client stays away.
    ///
    /// The subscription brings all else: hello, heartbeats, the goodbye at shutdown, and what is
    /// published to its topics, if it has any. The stream is polled when the client takes bytes, so
    /// nothing piles up for one that is slow, and it is dropped when the client leaves. Without topics
    /// no event has an id but those that the stream gives one: a client that is cut off does not resume,
    /// and its next request is answered anew. For a stream that outlives a connection, see
    /// [`SharedStream`](crate::SharedStream). Replaces an earlier stream.
    ///
    /// ```
    /// use futures_util::stream;
    /// use sse_kit_broadcast::Hub;
    /// use sse_kit_event::{Event, Topics};
    /// use sse_kit_http::SseResponse;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = Hub::new();
    /// let tokens = stream::iter(["To ", "be"]).map(Event::new);
    /// # use futures_util::StreamExt;
    /// let response = SseResponse::new(hub.subscribe(Topics::none()).open()?).stream(tokens);
    /// # Ok(()) }
    /// ```
    pub fn stream(mut self, events: impl Stream<Item = Event> + Send + 'static) -> Self {
        self.extras.source = Some(Source::new(events));
        self
    }

    /// Sends the events of a stream that may fail: see [`stream`](Self::stream). At an error the client
    /// gets the event `failure`, and then the response ends. The error itself is logged and never sent.
    pub fn try_stream<E>(
        mut self,
        events: impl Stream<Item = Result<Event, E>> + Send + 'static,
        failure: Event,
    ) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.extras.source = Some(Source::fallible(events, failure));
        self
    }

    /// Ends the stream with `sse-kit:close` once everything up to an event has been sent; `last` gives
    /// that event when it is there, or `None` when the stream is to end at once.
    pub(crate) fn until(
        mut self,
        last: impl Future<Output = Option<EventId>> + Send + 'static,
    ) -> Self {
        self.extras.last_event = Some(Box::new(LastEvent::new(&self.subscription, last)));
        self
    }

    /// Sets how long a client waits before it reconnects, on average: each is told a time that is at
    /// random up to half shorter or longer, so that all those which a crash cuts off do not come back
    /// at once. Default: 3 s, which is 1.5 s to 4.5 s.
    pub fn retry(self, delay: Duration) -> Self {
        Self { retry: delay, ..self }
    }

    /// Sets how old the stream becomes at most. It ends at a random time in the last fifth of that, so
    /// that streams that began together do not end together, and the client resumes: by then a load
    /// balancer has other nodes, and a token has to be shown anew. Default: no limit.
    ///
    /// There is no timer for it. The age is looked at when the stream gives something, so a stream ends
    /// up to a heartbeat interval late.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Compresses the stream if the client [accepts it](SseRequest::accepts_gzip). Each published event
    /// is compressed once, for all streams. Caches learn by `Vary` that the response depends on it,
    /// compressed or not. Default: streams are not compressed.
    ///
    /// # Secrets
    ///
    /// The length of an event tells something of its content, the more so when it is compressed. Do
    /// not compress events that have a secret beside what a stranger may choose, such as a
    /// token in a form that quotes a search: whoever sees the length of many of them can guess
    /// the secret ([BREACH](https://www.breachattack.com/)).
    #[cfg(feature = "gzip")]
    pub fn gzip<'a>(self, request: impl Into<SseRequest<'a>>) -> Self {
        Self { gzip: Some(request.into().accepts_gzip()), ..self }
    }

    /// Keeps a value as long as the body lives, such as a [`Permit`](crate::Permit); may be called
    /// several times.
    pub fn keep(mut self, value: impl Send + 'static) -> Self {
        let kept: Box<dyn Any + Send> = match self.extras.kept.take() {
            Some(before) => Box::new((before, value)),
            None => Box::new(value),
        };
        self.extras.kept = Some(SyncWrapper::new(kept));
        self
    }

    /// Makes the response.
    pub fn into_response(self) -> Response<SseBody> {
        let is_unnumbered = self.extras.is_unnumbered(&self.subscription);
        let id = self.subscription.resumes_from().filter(|_| !is_unnumbered);
        let hello = frames::hello(&self.subscription, id, self.retry);
        let ends_at = self.max_age.and_then(|age| {
            // Rounding may overflow a longer one; what is later than an instant can be is never.
            let age = age.min(Duration::MAX / 2).mul_f64(0.8 + fastrand::f64() / 5.0);
            Instant::now().checked_add(age)
        });
        let body = SseBody::stream(hello, self.subscription, self.extras, ends_at);
        #[cfg(feature = "gzip")]
        if let Some(is_accepted) = self.gzip {
            return respond_compressed(body, is_accepted);
        }
        respond(body)
    }

    /// Sends a client away that there is no room for: it comes back at a random time `within`.
    ///
    /// That is a stream of one event, `sse-kit:busy`, and not status 429 or 503: a native
    /// `EventSource` gives up for good on [any status but 200][spec].
    ///
    /// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
    pub fn busy(within: Duration) -> Response<SseBody> {
        respond(SseBody::last_words(frames::come_back(ControlName::Busy, within)))
    }

    /// Sends a client away for good, by the event `sse-kit:close`: when it may not, or no longer,
    /// see what it asks for. A page closes its stream when it is bound to that event.
    pub fn close() -> Response<SseBody> {
        Self::only(&ControlName::Close.event())
    }

    /// A stream of one event, and no more: a client that is not bound to it by its close event comes
    /// back for another.
    ///
    /// ```
    /// use sse_kit_event::Event;
    /// use sse_kit_http::SseResponse;
    ///
    /// // For a page with `sse-close="done"`, which came back too late for the event itself.
    /// let response = SseResponse::only(&Event::new("{}").with_name("done".parse()?));
    /// # Ok::<(), sse_kit_event::EventNameError>(())
    /// ```
    pub fn only(event: &Event) -> Response<SseBody> {
        respond(SseBody::last_words(event.encode().finish(event.id())))
    }
}

impl fmt::Debug for SseResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseResponse")
            .field("subscription", &self.subscription)
            .field("retry", &self.retry)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "gzip")]
fn respond_compressed(mut body: SseBody, is_accepted: bool) -> Response<SseBody> {
    if is_accepted {
        body.compress();
    }
    let mut response = respond(body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_accepted {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn respond(body: SseBody) -> Response<SseBody> {
    /// Without it nginx holds back what it proxies.
    const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let mut response = Response::new(body);
    for (name, value) in [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store, no-transform"),
        (X_ACCEL_BUFFERING, "no"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
