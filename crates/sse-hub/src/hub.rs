//! The routes of the hub, and the state behind them.

mod streams;

use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use serde_json::json;
use sse_kit::Hub;
use sse_kit::broadcast::Stats;
use sse_kit::http::{Cors, Gate, GzipWindow, HostRules, Quota};
use sse_kit::serve::{RequestBody, ServeStatus};
use sse_kit::shutdown::{GoodbyePolicy, ReconnectSpread, Shutdown};
use tokio::time::MissedTickBehavior;

use crate::access_log;
use crate::auth::{self, Auth, TokenAuthorizer};
use crate::cross_origin;
use crate::event_log::{EventLog, LogStatus};
use crate::inspection::{self, Inspection};
use crate::metrics::{Format, Metrics, Route};
use crate::options::Options;
use crate::presence;
use crate::publish::{Begun, CurrentLimits, Intake, PublishLimits};
use crate::reply::{self, Reply};
use crate::status::{Rate, Status};

/// The time within which clients come back that were refused, at random.
const COME_BACK_WITHIN: Duration = Duration::from_secs(5);

/// The maximum number of open streams of status pages.
const MAX_STATUS_STREAMS: usize = 100;

/// The paths of the streams.
const EVENTS: &str = "/events";
const STATUS_EVENTS: &str = "/status/events";

/// The part of an answer that may have to wait. In a box, as a server moves the future of each answer.
type Step = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// The parts of a request that are needed once its answer is there.
struct Noted {
    method: Method,
    path: String,
    origin: HeaderMap,
}

/// The state that all requests share.
pub(crate) struct HubApp {
    events: Hub,
    auth: Auth,
    gate: Gate<TokenAuthorizer>,
    pub(crate) status: Status,
    server: ServeStatus,
    metrics: Metrics,
    limits: Quota,
    /// The limits of the status page, whose streams need no token: they must not take the room of others.
    status_limits: Quota,
    publish_limits: PublishLimits,
    cors: Option<Cors>,
    access_log: bool,
    /// The events that a compressed one may refer to; `None` without compression.
    gzip: Option<GzipWindow>,
    log: LogStatus,
    pub(crate) shutdown: Shutdown,
    hosts: HostRules,
    inspection: Option<Inspection>,
}

impl HubApp {
    pub(crate) fn new(
        options: &Options,
        auth: Auth,
        log: EventLog,
        server: ServeStatus,
    ) -> anyhow::Result<Self> {
        let events = Hub::builder()
            .queue(options.queue)
            .max_delay(options.max_delay())
            .heartbeat(options.heartbeat());
        let events = options.limits.retain(events);
        let access_log = options.access_log;
        let events = if access_log { access_log::of_streams(events) } else { events };
        let (events, log) = log.serve(events);
        let events = events.build()?;
        let gate = Gate::new(events.clone(), TokenAuthorizer::new(auth.clone(), events.clone()));
        let metrics = Metrics::new()?;
        let status = Status::new()?;
        let limits = Quota::new().total(options.max_connections).per_client(options.max_per_ip);
        let hosts = HostRules::new(options.hosts.iter().cloned());
        let shutdown = Shutdown::builder()
            .hub(events.clone())
            .hub(status.stream.clone())
            .goodbye(GoodbyePolicy::ComeBack(ReconnectSpread::Within(options.reconnect_spread())))
            .pre_drain(options.pre_drain())
            .shutdown_delay(options.shutdown_delay())
            .deadline(options.pre_drain() + options.shutdown_delay())
            .build();
        let window = if options.gzip_window { GzipWindow::Stream } else { GzipWindow::Event };
        let gzip = options.gzip.then_some(window);
        let inspection = Inspection::new(options, &auth, events.clone())?;
        Ok(Self {
            events,
            auth,
            gate,
            status,
            server,
            metrics,
            limits,
            status_limits: Quota::new().total(MAX_STATUS_STREAMS),
            publish_limits: PublishLimits::new(&options.limits),
            cors: cross_origin::rules(&options.cors),
            access_log,
            gzip,
            log,
            shutdown,
            hosts,
            inspection,
        })
    }

    /// Reads the keys and rules and the limits on publishing again, and asks for each open stream whether it
    /// may stay.
    pub(crate) fn reload(&self, options: &Options) -> anyhow::Result<()> {
        let was_open = self.auth.rules().are_open();
        self.auth.reload(&options.auth)?;
        self.publish_limits.reload(&options.limits);
        self.gate.renew(|_, _| true);
        if was_open && !self.auth.rules().are_open() {
            auth::end_open_streams(&self.events, COME_BACK_WITHIN);
        }
        Ok(())
    }

    /// Answers a request that is not for a stream.
    ///
    /// Everything up to the log happens before the future begins. So it has no room for the request, nor for the
    /// state of rarer routes: each request moves it.
    pub(crate) fn answer(
        self: Arc<Self>,
        mut request: Request<RequestBody>,
        client: SocketAddr,
    ) -> impl Future<Output = Result<Reply, Infallible>> + Send + 'static {
        let began = Instant::now();
        let route = Route::of(request.method(), request.uri().path());
        let noted = self.noted(&request);
        let arrived =
            (route == Route::Publish).then(|| request.body_mut().take_arrived()).flatten();
        let step = match arrived {
            Some(body) => Arc::clone(&self).begin(&request.into_parts().0, body, client),
            None => Box::pin(Arc::clone(&self).route(request, client)),
        };
        async move {
            let mut reply = step.await;
            self.metrics.answered(route, reply.status(), began);
            if let Some(noted) = noted {
                self.note(&noted, client, &mut reply, began);
            }
            Ok(reply)
        }
    }

    /// Begins to publish by a request whose body has arrived.
    fn begin(self: Arc<Self>, parts: &Parts, body: Bytes, client: SocketAddr) -> Step {
        if let Some(refusal) = self.misnamed(&parts.uri, &parts.headers) {
            return Box::pin(ready(refusal));
        }
        match self.intake(&self.publish_limits.current(), client).begin(parts, body) {
            // In a future of its own, without the room that a batch takes.
            Begun::Event(draft, user) => Box::pin(async move {
                draft.answer(&self.events, user, client.ip(), &self.metrics).await
            }),
            begun => Box::pin(async move {
                self.intake(&self.publish_limits.current(), client).finish(begun).await
            }),
        }
    }

    fn intake<'a>(&'a self, limits: &'a CurrentLimits, client: SocketAddr) -> Intake<'a> {
        let Self { events, auth, metrics, .. } = self;
        Intake { hub: events, auth, limits, metrics, client: client.ip() }
    }

    /// Returns the parts of a request that the access log and the rules for pages of other origins need, as the
    /// request is used up when its answer is there.
    fn noted(&self, request: &Request<RequestBody>) -> Option<Box<Noted>> {
        (self.access_log || self.cors.is_some()).then(|| {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            Box::new(Noted { method, path, origin: cross_origin::headers(request.headers()) })
        })
    }

    fn note(&self, noted: &Noted, client: SocketAddr, reply: &mut Reply, began: Instant) {
        let Noted { method, path, origin } = noted;
        if self.access_log {
            access_log::answer(method, path, client.ip(), reply, began);
        }
        if let (Some(cors), "/publish" | EVENTS) = (&self.cors, &**path) {
            cors.allow(origin, reply.headers_mut());
        }
    }

    async fn route(self: Arc<Self>, request: Request<RequestBody>, client: SocketAddr) -> Reply {
        if let Some(refusal) = self.misnamed(request.uri(), request.headers()) {
            return refusal;
        }
        let is_preflight = request.method() == Method::OPTIONS
            && self.cors.is_some()
            && cross_origin::is_preflight(request.headers());
        if is_preflight {
            return reply::no_content();
        }
        if let Some(inspection) = &self.inspection
            && inspection::is_route(request.uri().path())
        {
            // In a box, as it is large and few requests are for it.
            return Box::pin(inspection.answer(request, client.ip(), &self.metrics)).await;
        }
        // The server leaves the body away by itself.
        let head = request.method() == Method::HEAD;
        let method = if head { &Method::GET } else { request.method() };
        if let Some(topic) = presence::topic_of(request.uri().path()) {
            return match *method {
                Method::GET => presence::presence(
                    &self.events,
                    &self.auth.rules(),
                    &self.metrics,
                    topic,
                    &request,
                    client.ip(),
                ),
                _ => reply::not_allowed("GET, HEAD"),
            };
        }
        match (method, request.uri().path()) {
            (&Method::POST, "/publish") => {
                self.intake(&self.publish_limits.current(), client).publish(request).await
            }
            (&Method::GET, "/") => self.status.page(),
            (&Method::GET, "/status.js") => Status::script(),
            (&Method::GET, "/status.css") => Status::style(),
            (&Method::GET, "/icon.svg") => Status::icon(),
            (&Method::GET, "/stats") => reply::json(StatusCode::OK, &self.stats()),
            (&Method::GET, "/metrics") => {
                let (core, log) = (self.core_stats(), self.log.stats());
                let format = Format::accepted(request.headers());
                self.metrics.reply(&core, &self.stats(), log.as_ref(), format)
            }
            (&Method::GET, "/healthz") => self.health(),
            (&Method::GET, "/readyz") => self.readiness(),
            (_, "/publish") => reply::not_allowed("POST"),
            // A path of the hub, with another method: the server takes only GET and HEAD for streams.
            (_, path)
                if !matches!(Route::of(&Method::GET, path), Route::Other | Route::Inspector) =>
            {
                reply::not_allowed("GET, HEAD")
            }
            _ => reply::error(StatusCode::NOT_FOUND, "there is nothing here"),
        }
    }

    /// Returns the refusal of a request to a host name that is not the hub's.
    fn misnamed(&self, uri: &Uri, headers: &HeaderMap) -> Option<Reply> {
        let error = self.hosts.ensure(uri, headers).err()?;
        Some(reply::error(StatusCode::FORBIDDEN, &format!("{error}; see `--host`")))
    }

    /// Keeps the status page up to date; never ends.
    pub(crate) async fn publish_status(self: Arc<Self>) {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        // A busy runtime is late; two ticks at once would be a second with nothing.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut rate, mut sampled) = (Rate::default(), interval.tick().await);
        loop {
            let (stats, now) = (self.events.stats(), tokio::time::Instant::now());
            rate.sample(stats.published, now - sampled);
            sampled = now;
            self.status.publish(&stats, self.evicted(&stats), &rate).await;
            interval.tick().await;
        }
    }

    /// Returns the statistics of the core, with the clients that the server and the limits turned away.
    fn core_stats(&self) -> Stats {
        let mut stats = self.events.stats();
        stats.evicted = self.evicted(&stats);
        stats.refused += self.limits.refused() + self.status_limits.refused();
        stats
    }

    fn stats(&self) -> serde_json::Value {
        let mut all = json!(self.core_stats());
        let server = self.server.stats();
        all["accepted"] = server.accepted.into();
        all["handshake_failures"] = server.handshake_failures.into();
        all["fast_path"] = server.fast_path.into();
        if let Some((name, stats)) = self.log.stats() {
            all[name] = stats;
        }
        all["ready"] = self.not_ready().is_none().into();
        all["tasks"] = tokio::runtime::Handle::current().metrics().num_alive_tasks().into();
        all
    }

    /// Returns the number of evicted clients. A client that took no bytes for too long counts as one, like a
    /// client whose queue overflowed.
    fn evicted(&self, stats: &Stats) -> u64 {
        stats.evicted + self.server.stats().write_timeouts
    }

    /// Returns why the hub should get no new clients, if there is a reason.
    fn not_ready(&self) -> Option<&'static str> {
        if !self.shutdown.is_ready() {
            return Some("draining");
        }
        (!self.log.is_up()).then_some("the log cannot be reached")
    }

    fn readiness(&self) -> Reply {
        match self.not_ready() {
            None => reply::json(StatusCode::OK, &json!({ "status": "ready" })),
            Some(reason) => reply::error(StatusCode::SERVICE_UNAVAILABLE, reason),
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
    use http_body_util::BodyExt;
    use sse_kit::event::{Event, Topic};
    use sse_kit::serve::{Listener, Server};

    use super::*;

    pub(super) async fn app(arguments: &[&str]) -> anyhow::Result<Arc<HubApp>> {
        let always = ["hub", "--listen=127.0.0.1:0"];
        let options = Options::try_parse_from(always.iter().chain(arguments))?;
        let server = Server::new(Listener::bind(&options.listen).await?);
        let app = HubApp::new(&options, Auth::default(), EventLog::Memory, server.monitor())?;
        Ok(Arc::new(app))
    }

    fn size<R, F: Future>(_: impl Fn(R) -> F) -> usize {
        size_of::<F>()
    }

    /// Each request copies such a future to the heap, as large as that of the largest route. Beyond
    /// 1 KiB the allocator has a slower way, too.
    #[tokio::test]
    async fn the_future_of_an_answer_is_small() -> anyhow::Result<()> {
        let app = app(&[]).await?;
        let client = SocketAddr::from(([127, 0, 0, 1], 1));
        let answer = size(|request| Arc::clone(&app).answer(request, client));
        assert!(answer <= 1_024, "{answer} bytes");
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn the_status_page_shows_the_rate_of_a_second_however_late_it_is() -> anyhow::Result<()> {
        let app = app(&[]).await?;
        let status = tokio::spawn(Arc::clone(&app).publish_status());
        tokio::task::yield_now().await;
        for _ in 0..330 {
            app.events.publish(&"a".parse::<Topic>()?, Event::new("x")).await?;
        }
        tokio::time::advance(Duration::from_millis(3_300)).await;
        tokio::task::yield_now().await;
        let page = app.status.page().into_body().collect().await.expect("a page").to_bytes();
        let page = String::from_utf8_lossy(&page);
        assert!(page.contains("<dt>Messages/s</dt><dd>100</dd>"), "{page}");
        assert!(page.contains("points=\"117,1.0 118,1.0 119,1.0\""), "{page}");
        status.abort();
        Ok(())
    }
}
