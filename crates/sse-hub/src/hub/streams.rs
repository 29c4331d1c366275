//! The answers to requests for streams.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{Request, StatusCode};
use sse_kit::Hub;
use sse_kit::broadcast::SubscribeError;
use sse_kit::event::{ConnectionId, Topics};
use sse_kit::http::{GateOpenError, Permit, SseRequest, SseResponse};

use super::{COME_BACK_WITHIN, EVENTS, HubApp, STATUS_EVENTS};
use crate::access_log::{self, User, Visitor};
use crate::auth::{Caller, Listener, Refusal};
use crate::metrics::Route;
use crate::reply::{self, Reply};
use crate::status;

/// The wish of a client that is refused a stream, for the log.
const LISTEN: &str = "listen";

/// The rights of a client that opens a stream.
enum Rights {
    /// The client may listen: the hub has no key, or the stream is that of the status page.
    All,
    /// The rights of a token, or of no token, which may end before the stream does.
    Of(Caller),
}

impl HubApp {
    /// Returns whether a request is for [`HubApp::answer_stream`].
    pub(crate) fn is_stream(request: &Request<()>) -> bool {
        matches!(request.uri().path(), EVENTS | STATUS_EVENTS)
    }

    /// Answers a request for a stream.
    pub(crate) async fn answer_stream(
        self: Arc<Self>,
        request: Request<()>,
        client: SocketAddr,
    ) -> Result<Reply, Infallible> {
        let began = Instant::now();
        let mut reply = match self.misnamed(request.uri(), request.headers()) {
            Some(refusal) => refusal,
            None => self.stream(&request, client).await,
        };
        let path = request.uri().path();
        self.metrics.answered(Route::of(request.method(), path), reply.status(), began);
        if self.access_log {
            access_log::answer(request.method(), path, client.ip(), &reply, began);
        }
        if let (Some(cors), EVENTS) = (&self.cors, path) {
            cors.allow(request.headers(), reply.headers_mut());
        }
        Ok(reply)
    }

    async fn stream(&self, head: &Request<()>, client: SocketAddr) -> Reply {
        let request = SseRequest::from(head);
        if head.uri().path() == STATUS_EVENTS {
            let Ok(permit) = self.status_limits.admit(client.ip()) else {
                return reply::stream(SseResponse::busy(COME_BACK_WITHIN));
            };
            let topics = status::topic().into();
            let (hub, rights) = (&self.status.stream, Rights::All);
            return self.subscribe(hub, topics, request, client, permit, rights).await;
        }
        let rules = self.auth.rules();
        let refuse = |refusal: Refusal| refusal.answer(client.ip(), LISTEN, &self.metrics);
        let caller = match rules.identify(head.uri(), head.headers()) {
            Ok(caller) => caller,
            Err(refusal) => return refuse(refusal),
        };
        let topics = match request.topics("topic") {
            Ok(topics) if topics.is_empty() => {
                return reply::error(StatusCode::BAD_REQUEST, "name a topic: `?topic=…`");
            }
            Ok(topics) => topics,
            Err(error) => return reply::error(StatusCode::BAD_REQUEST, &error.to_string()),
        };
        if let Err(error) = request.start() {
            return reply::error(StatusCode::BAD_REQUEST, &error.to_string());
        }
        if let Err(refusal) = rules.listen(&caller, &topics) {
            return refuse(refusal);
        }
        let permit = match self.limits.admit(client.ip()) {
            Ok(permit) => permit,
            Err(error) => {
                tracing::debug!(%client, %error, "a client is asked to come back later");
                return reply::stream(SseResponse::busy(COME_BACK_WITHIN));
            }
        };
        let rights = if rules.are_open() { Rights::All } else { Rights::Of(caller) };
        let is_open = matches!(rights, Rights::All);
        let reply = self.subscribe(&self.events, topics, request, client, permit, rights).await;
        if is_open && !self.auth.rules().are_open() {
            // A reload has ended the open streams, perhaps just before this one was there.
            return refuse(Refusal::NoToken);
        }
        reply
    }

    async fn subscribe(
        &self,
        hub: &Hub,
        topics: Topics,
        request: SseRequest<'_>,
        client: SocketAddr,
        permit: Permit,
        rights: Rights,
    ) -> Reply {
        let start = request.start().unwrap_or_default();
        let subscribe = hub.subscribe(topics).start(start).resume(request.last_event_id());
        let mut subscribe = subscribe.client(client.ip());
        let user = match &rights {
            Rights::All => None,
            Rights::Of(caller) => caller.subject.clone(),
        };
        if self.access_log || self.inspection.is_some() || user.is_some() {
            let user = user.clone();
            subscribe = subscribe.metadata(Visitor { client: client.ip(), user });
        }
        let opened = match rights {
            Rights::All => {
                subscribe.backfill().await.map(SseResponse::new).map_err(GateOpenError::from)
            }
            Rights::Of(caller) => match ConnectionId::random() {
                Ok(connection) => {
                    let listener = Listener::new(caller, connection.clone());
                    self.gate.open(listener, subscribe.id(connection)).await
                }
                Err(error) => Err(SubscribeError::Random(error).into()),
            },
        };
        match opened {
            Ok(response) => {
                let mut response = response.keep((permit, self.metrics.stream()));
                if let Some(window) = self.gzip {
                    response = response.gzip(request).gzip_window(window);
                }
                let mut reply = reply::stream(response.into_response());
                reply.extensions_mut().extend(user.map(User::extension).unwrap_or_default());
                reply
            }
            // The token or its rights ended while the stream was opened.
            Err(GateOpenError::Denied) => {
                Refusal::Expired.answer(client.ip(), LISTEN, &self.metrics)
            }
            Err(GateOpenError::Subscribe(SubscribeError::Random(error))) => {
                reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
            Err(_later) => reply::stream(SseResponse::busy(COME_BACK_WITHIN)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use http_body_util::BodyExt;
    use sse_kit::broadcast::{
        Append, AppendError, Appended, BoxFuture, Inlet, Log, LogPage, MemoryLog, ReadError,
    };
    use sse_kit::event::{Event, EventId, Topic};

    use super::super::tests::app;
    use super::*;

    /// A log that takes ten seconds to answer a read, and then has nothing.
    #[derive(Debug)]
    struct SlowLog(MemoryLog);

    impl Log for SlowLog {
        fn position(&self) -> EventId {
            self.0.position()
        }

        fn attach(&self, inlet: Inlet) {
            self.0.attach(inlet);
        }

        fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
            self.0.append(append)
        }

        fn read(&self, _: EventId, _: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
            Box::pin(async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                Err(ReadError::NotKept)
            })
        }
    }

    /// 100 streams of one client lack what only the log has.
    #[tokio::test(start_paused = true)]
    async fn a_client_with_too_many_long_replays_is_asked_to_come_back_later() -> anyhow::Result<()>
    {
        let app = app(&["--max-per-ip=1000"]).await?;
        let hub = Hub::builder().log(SlowLog(MemoryLog::new()?)).history(1).build()?;
        let start = hub.cursor();
        for data in ["1", "2", "3"] {
            hub.publish("a".parse::<Topic>()?, Event::new(data)).await?;
        }
        let request = Request::get("/events?topic=a").header("last-event-id", start.to_string());
        let request = request.body(())?;
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let stream = || {
            let topics = Topics::from("a".parse::<Topic>().expect("a topic"));
            let permit = app.limits.admit(client.ip()).expect("there is room");
            app.subscribe(&hub, topics, SseRequest::from(&request), client, permit, Rights::All)
        };
        let replies = join_all((0..100).map(|_| stream())).await;
        let (mut open, mut busy) = (0, 0);
        for mut reply in replies {
            let first = reply.body_mut().frame().await.expect("an event").expect("it is open");
            let first = String::from_utf8_lossy(first.data_ref().expect("its bytes")).into_owned();
            open += usize::from(first.contains("event: sse-kit:hello"));
            busy += usize::from(first.contains("event: sse-kit:busy"));
        }
        assert_eq!(open + busy, 100);
        assert!(open > 0 && busy > 0, "{open} open, {busy} busy");
        Ok(())
    }
}
