//! The response to a request for an event stream.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
#[cfg(feature = "gzip")]
use http::header::{CONTENT_ENCODING, VARY};
use http::{HeaderName, HeaderValue, Response};
use sse_kit_broadcast::Subscription;
use sse_kit_event::control::ControlName;
use sse_kit_event::{Event, EventId};
use sync_wrapper::SyncWrapper;

use crate::age::Age;
use crate::body::{Extras, SseBody};
use crate::frames;
#[cfg(feature = "gzip")]
use crate::gzip_window::GzipWindow;
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
    /// `true` if the client accepts gzip and the app enabled it.
    #[cfg(feature = "gzip")]
    gzip: Option<bool>,
    #[cfg(feature = "gzip")]
    gzip_window: GzipWindow,
}

impl SseResponse {
    /// Creates a response that sends the deliveries of a subscription, beginning with the event
    /// `sse-kit:hello`: see [`Hello`](sse_kit_event::control::Hello).
    pub fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            extras: Extras::default(),
            retry: Duration::from_secs(3),
            max_age: None,
            #[cfg(feature = "gzip")]
            gzip: None,
            #[cfg(feature = "gzip")]
            gzip_window: GzipWindow::default(),
        }
    }

    /// Sends the events of a stream to this client, such as the tokens of an LLM's answer. When the
    /// stream ends, the response ends with `sse-kit:close`, so that the client does not reconnect.
    ///
    /// The subscription provides the rest: hello, heartbeats, the goodbye at shutdown, and events
    /// on its topics, if it has any. The stream is polled when the client takes bytes, so nothing
    /// accumulates for a slow client, and it is dropped when the client disconnects. Without
    /// topics, only events with an id from the stream have one: a client that is cut off does not
    /// resume, and its next request starts over. For a stream that outlives a connection, see
    /// [`SharedStream`](crate::SharedStream). A second call replaces the stream.
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

    /// Sends the events of a stream that may fail: see [`stream`](Self::stream). On an error, the
    /// client gets the event `failure`, and the response ends. The error itself is logged and never
    /// sent.
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

    /// Ends the response with `sse-kit:close` once everything up to an event was sent. `last`
    /// yields that event, or `None` to end at once.
    pub(crate) fn until(
        mut self,
        last: impl Future<Output = Option<EventId>> + Send + 'static,
    ) -> Self {
        self.extras.last_event = Some(Box::new(LastEvent::new(last)));
        self
    }

    /// Sets the average delay before a browser's `EventSource` reconnects. Each client gets a random
    /// delay, up to half shorter or longer, so that clients that a crash cuts off do not reconnect
    /// all at once. Default: 3 s, which means 1.5 s to 4.5 s. No client gets less than 100 ms.
    ///
    /// Pages with the script of `sse-kit-monitor` or `sse-kit-tabs` wait as their own setting
    /// `reconnect_delay` says; they follow only the delay of a goodbye, which the shutdown sets.
    pub fn retry(self, delay: Duration) -> Self {
        Self { retry: delay, ..self }
    }

    /// Sets the maximum age of the stream. It ends at a random time in the last fifth of that, so
    /// that streams that began together do not end together, and the client resumes. Use it to
    /// spread streams over new nodes of a load balancer, and to have tokens presented again.
    /// Default: no limit.
    ///
    /// The body must be polled within a Tokio runtime that has timers.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Compresses the stream if the client [accepts it](SseRequest::accepts_gzip). Each published
    /// event is compressed once for all streams. The response has `Vary: accept-encoding` in both
    /// cases, for caches. Default: no compression.
    ///
    /// # Secrets
    ///
    /// The length of an event reveals information about its content, even more if it is compressed.
    /// Do not compress events that contain both a secret and text that a stranger can choose, such
    /// as a token in a form that quotes a search: an observer of many lengths can guess the secret
    /// ([BREACH](https://www.breachattack.com/)).
    #[cfg(feature = "gzip")]
    pub fn gzip<'a>(self, request: impl Into<SseRequest<'a>>) -> Self {
        Self { gzip: Some(request.into().accepts_gzip()), ..self }
    }

    /// Sets what a compressed event may refer to. Default: [`GzipWindow::Event`]. It has no effect
    /// without [`gzip`](Self::gzip).
    ///
    /// With [`GzipWindow::Stream`], an event is compressed once for all streams that were sent the same
    /// events last, up to four times for streams that were sent others, and once for all the rest. The first
    /// event of a stream, and the first after a heartbeat or a direct message, is compressed alone.
    ///
    /// # Secrets
    ///
    /// With [`GzipWindow::Stream`], the length of an event also tells what it has in common with the four
    /// events before it. So a secret and text that a stranger can choose must not be in the same stream, even in
    /// events of their own.
    ///
    /// ```
    /// use http::Request;
    /// use sse_kit_broadcast::Hub;
    /// use sse_kit_event::Topic;
    /// use sse_kit_http::{GzipWindow, SseResponse};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let request = Request::get("/").header("accept-encoding", "gzip").body(())?;
    /// let progress: Topic = "jobs:17:progress".parse()?;
    /// let response = SseResponse::new(Hub::new().subscribe(&progress).open()?)
    ///     .gzip(&request)
    ///     .gzip_window(GzipWindow::Stream)
    ///     .into_response();
    /// assert_eq!(response.headers()["content-encoding"], "gzip");
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "gzip")]
    pub fn gzip_window(self, window: GzipWindow) -> Self {
        Self { gzip_window: window, ..self }
    }

    /// Keeps a value as long as the body lives, such as a [`Permit`](crate::Permit). It may be
    /// called several times.
    pub fn keep(mut self, value: impl Send + 'static) -> Self {
        let kept: Box<dyn Any + Send> = match self.extras.kept.take() {
            Some(before) => Box::new((before, value)),
            None => Box::new(value),
        };
        self.extras.kept = Some(SyncWrapper::new(kept));
        self
    }

    /// Builds the response.
    pub fn into_response(self) -> Response<SseBody> {
        let is_unnumbered = self.extras.is_unnumbered(&self.subscription);
        let id = self.subscription.resumes_from().filter(|_| !is_unnumbered);
        let hello = frames::hello(&self.subscription, id, self.retry);
        let age = self.max_age.and_then(Age::new);
        let body = SseBody::stream(hello, self.subscription, self.extras, age);
        #[cfg(feature = "gzip")]
        if let Some(is_accepted) = self.gzip {
            return respond_compressed(body, is_accepted.then_some(self.gzip_window));
        }
        respond(body)
    }

    /// Asks a client to retry at a random time `within` this duration, and after 100 ms at the
    /// earliest, because a limit is reached.
    ///
    /// The response is a stream with the single event `sse-kit:busy`, not status 429 or 503,
    /// because a native `EventSource` stops for good on [any status except 200][spec].
    ///
    /// [spec]: https://html.spec.whatwg.org/multipage/server-sent-events.html#sse-processing-model
    pub fn busy(within: Duration) -> Response<SseBody> {
        respond(SseBody::last_words(frames::come_back(ControlName::Busy, within)))
    }

    /// Asks a client not to reconnect, with the event `sse-kit:close`, because it may not, or no
    /// longer, see what it requests. A page that is bound to that event closes its stream.
    pub fn close() -> Response<SseBody> {
        Self::only(&ControlName::Close.event())
    }

    /// Returns a stream with a single event. A client that does not treat this event as its close
    /// event reconnects.
    ///
    /// ```
    /// use sse_kit_event::Event;
    /// use sse_kit_http::SseResponse;
    ///
    /// // For a page with `sse-close="done"`, which came back too late for the event itself.
    /// let response = SseResponse::only(&Event::new("{}").with_name("done".parse()?));
    /// # Ok::<(), sse_kit_event::TextError>(())
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

/// Compresses the body with this window; with none, the client does not accept it.
#[cfg(feature = "gzip")]
fn respond_compressed(mut body: SseBody, window: Option<GzipWindow>) -> Response<SseBody> {
    if let Some(window) = window {
        body.compress(window);
    }
    let mut response = respond(body);
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if window.is_some() {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn respond(body: SseBody) -> Response<SseBody> {
    /// Without this header nginx buffers the stream.
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
