//! The extractor of handlers that answer with a stream.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use futures_core::Stream;
use sse_kit_broadcast::{ClientKey, Hub, Subscription, SubscriptionBuilder};
use sse_kit_event::{Event, Topics};
#[cfg(feature = "gzip")]
use sse_kit_http::GzipWindow;
use sse_kit_http::{Authorizer, Gate, Permit, Quota, SharedProgress, SharedStream, SseResponse};

use crate::error::{Error, ErrorKind};
use crate::live_request::LiveRequest;

/// An extractor for handlers that answer with an event stream.
///
/// It takes the [`Hub`] from the app's state, which is a hub or has one
/// ([`FromRef`](axum::extract::FromRef)), and dereferences to the [`LiveRequest`].
///
/// ```
/// use axum::Router;
/// use axum::extract::{FromRef, Path, State};
/// use axum::routing::get;
/// use sse_kit_axum::{Error, Live};
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::Topic;
/// use sse_kit_http::SseResponse;
///
/// #[derive(Clone)]
/// struct App {
///     hub: Hub,
/// }
///
/// impl FromRef<App> for Hub {
///     fn from_ref(app: &App) -> Hub {
///         app.hub.clone()
///     }
/// }
///
/// async fn events(Path(room): Path<String>, live: Live) -> Result<SseResponse, Error> {
///     live.open(Topic::from_segments(["rooms", &*room])?).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app: Router =
///     Router::new().route("/rooms/{room}", get(events)).with_state(App { hub: Hub::new() });
/// # }
/// ```
///
/// # Errors for streams
///
/// For temporary errors, `Live` answers an event-stream request with one `sse-kit:busy` event instead of
/// 429 or 503, because an `EventSource` gives up for good on any status but 200. The event has the delay
/// after which to reconnect. A client without access gets 401 or 403, and gives up.
#[derive(Debug)]
pub struct Live {
    hub: Hub,
    request: LiveRequest,
    client: Option<ClientKey>,
    permits: Vec<Permit>,
    #[cfg(feature = "gzip")]
    gzip: bool,
    #[cfg(feature = "gzip")]
    gzip_window: GzipWindow,
}

impl Live {
    /// Opens a stream of these topics, which resumes after the last event that the client has seen.
    ///
    /// # Errors
    ///
    /// [`Error`] when the hub is shutting down or has no room.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open(self, topics: impl Into<Topics> + Send) -> Result<SseResponse, Error> {
        match self.subscribe(topics).backfill().await {
            Ok(subscription) => Ok(self.respond(subscription)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Opens a stream of these topics if the gate lets the principal see all of them. Without a principal
    /// nobody is signed in, and the answer is 401.
    ///
    /// ```
    /// use axum::Router;
    /// use axum::extract::{FromRef, State};
    /// use axum::http::HeaderMap;
    /// use axum::routing::get;
    /// use sse_kit_axum::{Error, ErrorKind, Live};
    /// use sse_kit_broadcast::Hub;
    /// use sse_kit_event::Topic;
    /// use sse_kit_http::{Authorizer, Gate, SseResponse};
    ///
    /// struct App<A: Authorizer> {
    ///     hub: Hub,
    ///     gate: Gate<A>,
    /// }
    /// # impl<A: Authorizer> Clone for App<A> {
    /// #     fn clone(&self) -> Self { Self { hub: self.hub.clone(), gate: self.gate.clone() } }
    /// # }
    /// # impl<A: Authorizer> FromRef<App<A>> for Hub {
    /// #     fn from_ref(app: &App<A>) -> Self { app.hub.clone() }
    /// # }
    /// # struct User { id: String }
    /// # fn signed_in(_: &HeaderMap) -> Option<User> { None }
    ///
    /// async fn events<A: Authorizer<Principal = User>>(
    ///     State(app): State<App<A>>,
    ///     headers: HeaderMap,
    ///     live: Live,
    /// ) -> Result<SseResponse, Error> {
    ///     let user = signed_in(&headers).ok_or(Error::new(ErrorKind::Unauthorized))?;
    ///     let own = Topic::from_segments(["users", &*user.id])?;
    ///     live.open_for(user, &app.gate, own).await
    /// }
    ///
    /// fn routes<A: Authorizer<Principal = User>>(app: App<A>) -> Router {
    ///     Router::new().route("/events", get(events::<A>)).with_state(app)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`] with status 401 or 403, and those of [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open_for<A: Authorizer>(
        self,
        principal: impl Into<Option<A::Principal>> + Send,
        gate: &Gate<A>,
        topics: impl Into<Topics> + Send,
    ) -> Result<SseResponse, Error> {
        let Some(principal) = principal.into() else {
            return Err(Error::new(ErrorKind::Unauthorized));
        };
        match gate.open(principal, self.subscribe(topics)).await {
            Ok(response) => Ok(self.complete(response)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Streams the events of the app's own to this client alone, such as the tokens of an LLM's answer: see
    /// [`SseResponse::stream`].
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn stream(
        self,
        events: impl Stream<Item = Event> + Send + 'static,
    ) -> Result<SseResponse, Error> {
        Ok(self.open_alone()?.stream(events))
    }

    /// Streams the events of the app's own that may fail: see [`SseResponse::try_stream`].
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    pub fn try_stream<E>(
        self,
        events: impl Stream<Item = Result<Event, E>> + Send + 'static,
        failure: Event,
    ) -> Result<SseResponse, Error>
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Ok(self.open_alone()?.try_stream(events, failure))
    }

    /// Opens a stream of what a [`SharedStream`] produces, which goes on after the last event that the
    /// client has seen, and ends when that is done.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open).
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open_shared<P: SharedProgress>(
        self,
        stream: &SharedStream<P>,
    ) -> Result<SseResponse, Error> {
        let subscribe = self.identify(stream.subscribe(self.request.last_event_id()));
        match subscribe.backfill().await {
            Ok(subscription) => Ok(stream.end_with(self.respond(subscription))),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// Sets the client that owns the stream, such as the user's name. Streams of one client share the
    /// turns for reading the log: see [`SubscriptionBuilder::client`]. Default: the client's
    /// [address](LiveRequest::client).
    pub fn for_client(self, client: impl Into<ClientKey>) -> Self {
        Self { client: Some(client.into()), ..self }
    }

    /// Counts the stream towards a quota, by a user or by the [address](LiveRequest::client) of the
    /// client, as long as it is open.
    ///
    /// # Errors
    ///
    /// [`Error`] when the quota is reached.
    pub fn admit(mut self, quota: &Quota, client: impl Into<ClientKey>) -> Result<Self, Error> {
        match quota.admit(client) {
            Ok(permit) => self.permits.push(permit),
            Err(error) => return Err(self.refuse(error)),
        }
        Ok(self)
    }

    /// Compresses the stream if the client accepts it: see [`SseResponse::gzip`].
    #[cfg(feature = "gzip")]
    pub fn gzip(self) -> Self {
        Self { gzip: true, ..self }
    }

    /// Sets what a compressed event may refer to, and has no effect without [`gzip`](Self::gzip): see
    /// [`SseResponse::gzip_window`]. Default: [`GzipWindow::Event`].
    #[cfg(feature = "gzip")]
    pub fn gzip_window(self, window: GzipWindow) -> Self {
        Self { gzip_window: window, ..self }
    }

    /// Returns the hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Begins a subscription to these topics, for an app that sets more about it, and passes it to
    /// [`respond`](Self::respond).
    pub fn subscribe(&self, topics: impl Into<Topics>) -> SubscriptionBuilder {
        self.identify(self.hub.subscribe(topics)).resume(self.request.last_event_id())
    }

    /// Names the client of a subscription.
    fn identify(&self, builder: SubscriptionBuilder) -> SubscriptionBuilder {
        match self.client.clone().or_else(|| self.request.client().map(ClientKey::from)) {
            Some(client) => builder.client(client),
            None => builder,
        }
    }

    /// Makes the response of a subscription.
    pub fn respond(self, subscription: Subscription) -> SseResponse {
        self.complete(SseResponse::new(subscription))
    }

    /// Turns an error into the answer to this request. A client that asks for an event stream, and may
    /// come back later, gets the delay after which to do so.
    pub fn refuse(&self, error: impl Into<Error>) -> Error {
        error.into().for_stream(self.request.is_for_stream())
    }

    fn open_alone(self) -> Result<SseResponse, Error> {
        match self.subscribe(Topics::none()).resume(None).open() {
            Ok(subscription) => Ok(self.respond(subscription)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    fn complete(self, response: SseResponse) -> SseResponse {
        #[cfg(feature = "gzip")]
        let response = if self.gzip { response.gzip(self.request.as_sse()) } else { response };
        #[cfg(feature = "gzip")]
        let response = response.gzip_window(self.gzip_window);
        response.keep(self.permits)
    }
}

impl Deref for Live {
    type Target = LiveRequest;

    fn deref(&self) -> &LiveRequest {
        &self.request
    }
}

impl<S> FromRequestParts<S> for Live
where
    S: Send + Sync,
    Hub: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let request = LiveRequest::from_request_parts(parts, state).await?;
        Ok(Self {
            hub: Hub::from_ref(state),
            request,
            client: None,
            permits: Vec::new(),
            #[cfg(feature = "gzip")]
            gzip: false,
            #[cfg(feature = "gzip")]
            gzip_window: GzipWindow::default(),
        })
    }
}
