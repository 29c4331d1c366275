//! The routes of the hub.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use serde_json::json;
use sse_kit::Hub;
use sse_kit::broadcast::{BuildError, Stats, SubscribeError};
use sse_kit::event::Topics;
use sse_kit::http::{HostRules, Quota, SseRequest, SseResponse};
use sse_kit::serve::{RequestBody, ServeStats};
use sse_kit::shutdown::{GoodbyePolicy, ReconnectSpread, Shutdown};

use crate::event_log::{EventLog, LogStatus};
use crate::options::Options;
use crate::publish;
use crate::reply::{self, Reply};
use crate::status::{self, Rate, Status};

/// After how long clients come back that were sent away: at most this, at random.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// The paths of the streams.
const EVENTS: &str = "/events";
const STATUS_EVENTS: &str = "/status/events";

/// The state that all requests share.
pub(crate) struct HubApp {
    events: Hub,
    pub(crate) status: Status,
    server: Arc<ServeStats>,
    limits: Quota,
    gzip: bool,
    log: LogStatus,
    pub(crate) shutdown: Shutdown,
    hosts: HostRules,
}

impl HubApp {
    pub(crate) fn new(
        options: &Options,
        log: EventLog,
        server: Arc<ServeStats>,
    ) -> Result<Self, BuildError> {
        let events = Hub::builder()
            .history(options.history)
            .queue(options.queue)
            .max_delay(options.max_delay())
            .heartbeat(options.heartbeat());
        let (events, log) = log.serve(events);
        let events = events.build()?;
        let status = Status::new()?;
        let limits = Quota::new().total(options.max_connections).per_client(options.max_per_ip);
        let hosts = HostRules::new(options.hosts.iter().cloned());
        let shutdown = Shutdown::builder()
            .hub(events.clone())
            .hub(status.stream.clone())
            .goodbye(GoodbyePolicy::ComeBack(ReconnectSpread::Within(COME_BACK_WITHIN)))
            .pre_drain(options.pre_drain())
            .shutdown_delay(options.shutdown_delay())
            .deadline(options.pre_drain() + options.shutdown_delay())
            .build();
        let gzip = options.gzip;
        Ok(Self { events, status, server, limits, gzip, log, shutdown, hosts })
    }

    /// Answers a request that is not for a stream.
    pub(crate) async fn answer(&self, request: Request<RequestBody>) -> Result<Reply, Infallible> {
        if let Some(refusal) = self.misnamed(&request) {
            return Ok(refusal);
        }
        // The server leaves the body away by itself.
        let head = request.method() == Method::HEAD;
        let method = if head { &Method::GET } else { request.method() };
        Ok(match (method, request.uri().path()) {
            (&Method::POST, "/publish") => publish::publish(&self.events, request).await,
            (&Method::GET, "/") => self.status.page(),
            (&Method::GET, "/status.js") => Status::script(),
            (&Method::GET, "/status.css") => Status::style(),
            (&Method::GET, "/icon.svg") => Status::icon(),
            (&Method::GET, "/stats") => reply::json(StatusCode::OK, &self.stats()),
            (&Method::GET, "/healthz") => self.health(),
            (_, "/publish") => reply::not_allowed("POST"),
            (_, "/" | "/status.js" | "/status.css" | "/icon.svg" | "/stats" | "/healthz") => {
                reply::not_allowed("GET, HEAD")
            }
            // Of another method than those that the server takes for streams.
            (_, EVENTS | STATUS_EVENTS) => reply::not_allowed("GET, HEAD"),
            _ => reply::error(StatusCode::NOT_FOUND, "there is nothing here"),
        })
    }

    /// Returns whether a request is for [`HubApp::answer_stream`].
    pub(crate) fn is_stream(request: &Request<()>) -> bool {
        matches!(request.uri().path(), EVENTS | STATUS_EVENTS)
    }

    /// Answers a request for a stream.
    pub(crate) async fn answer_stream(
        &self,
        request: Request<()>,
        client: SocketAddr,
    ) -> Result<Reply, Infallible> {
        Ok(match self.misnamed(&request) {
            Some(refusal) => refusal,
            None => self.stream(SseRequest::from(&request), request.uri().path(), client).await,
        })
    }

    /// Returns the refusal of a request to a host name that is not the hub's.
    fn misnamed<B>(&self, request: &Request<B>) -> Option<Reply> {
        let error = self.hosts.ensure(request.uri(), request.headers()).err()?;
        Some(reply::error(StatusCode::FORBIDDEN, &format!("{error}; see `--host`")))
    }

    /// Keeps the status page up to date; never ends.
    pub(crate) async fn publish_status(self: Arc<Self>) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        let mut rate = Rate::default();
        loop {
            interval.tick().await;
            let stats = self.events.stats();
            rate.sample(stats.published);
            self.status.publish(&stats, self.evicted(&stats), &rate).await;
        }
    }

    fn stats(&self) -> serde_json::Value {
        let stats = self.events.stats();
        let mut all = json!(stats);
        all["evicted"] = self.evicted(&stats).into();
        all["refused"] = (stats.refused + self.limits.refused()).into();
        all["accepted"] = self.server.accepted().into();
        all["fast_path"] = self.server.fast_path().into();
        if let Some((name, stats)) = self.log.stats() {
            all[name] = stats;
        }
        all["tasks"] = tokio::runtime::Handle::current().metrics().num_alive_tasks().into();
        all
    }

    /// Returns the number of evicted clients. A client that took no bytes for too long counts as one, like a
    /// client whose queue overflowed.
    fn evicted(&self, stats: &Stats) -> u64 {
        stats.evicted + self.server.write_timeouts()
    }

    async fn stream(&self, request: SseRequest<'_>, path: &str, client: SocketAddr) -> Reply {
        if path == STATUS_EVENTS {
            let topics = status::topic().into();
            return self.subscribe(&self.status.stream, topics, request, client).await;
        }
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
        self.subscribe(&self.events, topics, request, client).await
    }

    async fn subscribe(
        &self,
        hub: &Hub,
        topics: Topics,
        request: SseRequest<'_>,
        client: SocketAddr,
    ) -> Reply {
        let permit = match self.limits.admit(client.ip()) {
            Ok(permit) => permit,
            Err(error) => {
                tracing::debug!(%client, %error, "a client is asked to come back later");
                return reply::stream(SseResponse::busy(COME_BACK_WITHIN));
            }
        };
        let start = request.start().unwrap_or_default();
        let subscribe = hub.subscribe(topics).start(start).resume(request.last_event_id());
        match subscribe.client(client.ip()).backfill().await {
            Ok(subscription) => {
                let mut response = SseResponse::new(subscription).keep(permit);
                if self.gzip {
                    response = response.gzip(request);
                }
                reply::stream(response.into_response())
            }
            Err(SubscribeError::Random(error)) => {
                reply::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
            }
            Err(_later) => reply::stream(SseResponse::busy(COME_BACK_WITHIN)),
        }
    }

    fn health(&self) -> Reply {
        if self.shutdown.is_ready() {
            reply::json(StatusCode::OK, &json!({ "status": "ok" }))
        } else {
            reply::error(StatusCode::SERVICE_UNAVAILABLE, "draining")
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use futures_util::future::join_all;
    use http_body_util::BodyExt;
    use sse_kit::broadcast::{
        Append, AppendError, Appended, BoxFuture, Inlet, Log, MemoryLog, Page, ReadError,
    };
    use sse_kit::event::{Event, EventId, Topic};
    use sse_kit::serve::{Listener, Server};

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

        fn read(&self, _: EventId, _: usize) -> BoxFuture<'_, Result<Page, ReadError>> {
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
        let options =
            Options::try_parse_from(["hub", "--max-per-ip=1000", "--listen=127.0.0.1:0"])?;
        let server = Server::new(Listener::bind(&options.listen).await?);
        let app = HubApp::new(&options, EventLog::Memory, server.stats())?;
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
            app.subscribe(&hub, topics, SseRequest::from(&request), client)
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
