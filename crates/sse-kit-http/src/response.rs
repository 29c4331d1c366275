//! The response to a request for an event stream.

use std::any::Any;
use std::time::{Duration, Instant};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
#[cfg(feature = "gzip")]
use http::header::{CONTENT_ENCODING, VARY};
use http::{HeaderName, HeaderValue, Response};
use sse_kit_broadcast::Subscription;
use sse_kit_event::Event;
use sse_kit_event::control::ControlName;

use crate::body::SseBody;
use crate::frames;

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
#[derive(Debug)]
#[must_use = "it becomes a response when `into_response` is called"]
pub struct SseResponse {
    subscription: Subscription,
    retry: Duration,
    max_age: Option<Duration>,
    kept: Option<Box<dyn Any + Send>>,
    #[cfg(feature = "gzip")]
    gzip: bool,
}

impl SseResponse {
    /// A stream of what the subscription gives, which begins with the event `sse-kit:hello`: see
    /// [`Hello`](sse_kit_event::control::Hello).
    pub fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            retry: Duration::from_secs(3),
            max_age: None,
            kept: None,
            #[cfg(feature = "gzip")]
            gzip: false,
        }
    }

    /// How long a client waits before it reconnects, on average: each is told a time that is at
    /// random up to half shorter or longer, so that all those which a crash cuts off do not come back
    /// at once. Default: 3 s, which is 1.5 s to 4.5 s.
    pub fn retry(self, delay: Duration) -> Self {
        Self { retry: delay, ..self }
    }

    /// How old the stream becomes at most. It ends at a random time in the last fifth of that, so that
    /// streams that began together do not end together, and the client resumes: by then a load
    /// balancer has other nodes, and a token has to be shown anew. Default: as old as it gets.
    ///
    /// There is no timer for it. It is looked at when the stream gives something, and so ends up to a
    /// heartbeat interval late.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Compresses the stream for a client that [accepts it](crate::SseRequest::accepts_gzip). Each event
    /// is compressed once, for all streams. Default: it is not.
    ///
    /// # Secrets
    ///
    /// How long an event is tells something of what is in it, the more so when it is compressed. Do
    /// not compress events that have a secret beside what a stranger may choose, such as a
    /// token in a form that quotes a search: whoever sees the length of many of them can guess
    /// the secret ([BREACH](https://www.breachattack.com/)).
    #[cfg(feature = "gzip")]
    pub fn gzip(self, accepted: bool) -> Self {
        Self { gzip: accepted, ..self }
    }

    /// Keeps a value as long as the body lives, such as a [`Permit`](crate::Permit); may be called
    /// several times.
    pub fn keep(self, value: impl Send + 'static) -> Self {
        let kept: Box<dyn Any + Send> = match self.kept {
            Some(before) => Box::new((before, value)),
            None => Box::new(value),
        };
        Self { kept: Some(kept), ..self }
    }

    /// The response.
    pub fn into_response(self) -> Response<SseBody> {
        let hello = frames::hello(&self.subscription, self.retry);
        let ends_at = self.max_age.and_then(|age| {
            // Rounding may overflow a longer one; what is later than an instant can be is never.
            let age = age.min(Duration::MAX / 2).mul_f64(0.8 + fastrand::f64() / 5.0);
            Instant::now().checked_add(age)
        });
        let mut body = SseBody::stream(hello, self.subscription, ends_at);
        if let Some(kept) = self.kept {
            body.keep(kept);
        }
        #[cfg(feature = "gzip")]
        if self.gzip {
            body.compress();
            let mut response = respond(body);
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
            return response;
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
