//! Every setting takes the largest value of its type: it works, or is refused with a typed error. "No
//! limit" can be said that way.
//!
//! A second test finds all such settings in the sources, so that none is forgotten here.
#![cfg(all(
    feature = "axum",
    feature = "gzip",
    feature = "kit",
    feature = "monitor",
    feature = "redis",
    feature = "serve",
    feature = "tabs"
))]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::response::IntoResponse;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::json;
use sse_kit::axum::ErrorKind;
use sse_kit::broadcast::{HubBuildError, HubBuilder, Start};
use sse_kit::dispatch::middleware::{Deduplicate, RateLimit, Timeout};
use sse_kit::event::{Event, Topic};
use sse_kit::htmx::{Html, MessageFormat, Update, Updates};
use sse_kit::http::{Access, Authorizer, DeniedError, Gate, Grant, Quota, Resource, SseResponse};
use sse_kit::monitor::MonitorConfig;
use sse_kit::serve::{RequestBody, Server};
use sse_kit::shutdown::{ProgressLine, Shutdown};
use sse_kit::tabs::{Identity, TabsConfig};
use sse_kit::{Dispatcher, DomainEvent, Hub};
use sse_kit_test_support::{TestResult, in_time};

const FOR_EVER: Duration = Duration::MAX;

/// Sets one thing.
type Set = fn(HubBuilder) -> HubBuilder;

/// The settings that are tried here, by file and name.
const TRIED: &[&str] = &[
    "sse-kit-axum/error::retry_within",
    "sse-kit-broadcast/builder::backfill_bytes",
    "sse-kit-broadcast/builder::heartbeat",
    "sse-kit-broadcast/builder::hook_timeout",
    "sse-kit-broadcast/builder::log_buffer",
    "sse-kit-broadcast/builder::max_delay",
    "sse-kit-broadcast/builder::max_patterns_per_prefix",
    "sse-kit-broadcast/builder::queue",
    "sse-kit-broadcast/builder::queue_bytes",
    "sse-kit-broadcast/builder::shards",
    "sse-kit-broadcast/builder::turn_timeout",
    "sse-kit-broadcast/presence_by_key::gather",
    "sse-kit-broadcast/presence_by_key::linger",
    "sse-kit-broadcast/retention::history",
    "sse-kit-broadcast/retention::history_age",
    "sse-kit-broadcast/retention::history_age_for",
    "sse-kit-broadcast/retention::history_bytes",
    "sse-kit-broadcast/retention::history_for",
    "sse-kit-broadcast/subscribe::queue",
    "sse-kit-dispatch/deduplicate::keys",
    "sse-kit-dispatch/deduplicate::new",
    "sse-kit-dispatch/deduplicate::wait",
    "sse-kit-dispatch/rate_limit::new",
    "sse-kit-dispatch/rate_limit::types",
    "sse-kit-dispatch/timeout::new",
    "sse-kit-event/event::with_retry",
    "sse-kit-htmx/update::settle",
    "sse-kit-http/gate::grace",
    "sse-kit-http/gate::open_timeout",
    "sse-kit-http/quota::per_client",
    "sse-kit-http/quota::total",
    "sse-kit-http/response::max_age",
    "sse-kit-http/response::retry",
    "sse-kit-monitor/config::heartbeat_timeout",
    "sse-kit-monitor/config::reconnect_delay",
    "sse-kit-serve/server::body_timeout",
    "sse-kit-serve/server::header_timeout",
    "sse-kit-serve/server::idle_timeout",
    "sse-kit-serve/server::receive_buffer",
    "sse-kit-serve/server::send_buffer",
    "sse-kit-serve/server::tcp_keepalive",
    "sse-kit-serve/server::user_timeout",
    "sse-kit-serve/server::write_timeout",
    "sse-kit-shutdown/builder::deadline",
    "sse-kit-shutdown/builder::pre_drain",
    "sse-kit-shutdown/builder::shutdown_delay",
    "sse-kit-shutdown/builder::streams_per_second",
    "sse-kit-tabs/config::heartbeat_timeout",
    "sse-kit-tabs/config::reconnect_delay",
    "sse-kit-tabs/config::replay_characters",
    "sse-kit-tabs/config::replay_events",
];

/// Crates whose settings are tried in tests of their own: those of the log on Redis against a server, and those of
/// the test crate, which no app ships, against an app.
const TRIED_ELSEWHERE: [&str; 4] =
    ["sse-kit-file/", "sse-kit-postgres/", "sse-kit-redis/", "sse-kit-test/"];

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

/// Publishes to a stream, resumes one, waits for a heartbeat's time, and ends them.
async fn works(hub: &Hub) -> TestResult {
    let mut stream = hub.subscribe(topic()).queue(usize::MAX).open()?;
    hub.publish(&topic(), Event::new("x").with_retry(FOR_EVER)).await?;
    assert!(stream.recv().await.is_some());
    let mut begun = hub.subscribe(topic()).start(Start::Last(usize::MAX)).open()?;
    tokio::time::sleep(Duration::from_secs(100)).await;
    hub.publish(&topic(), Event::new("y")).await?;
    assert!(begun.recv().await.is_some());
    hub.drain().end(usize::MAX, sse_kit::broadcast::Goodbye::ComeBack { within: FOR_EVER });
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_hub() -> TestResult {
    let most = usize::MAX;
    let settings: [(&str, Set); 11] = [
        ("backfill_bytes", |b| b.backfill_bytes(usize::MAX)),
        ("heartbeat", |b| b.heartbeat(FOR_EVER)),
        ("history", |b| b.history(usize::MAX)),
        ("history_age", |b| b.history_age(FOR_EVER)),
        ("history_age_for", |b| b.history_age_for(topic(), FOR_EVER)),
        ("history_bytes", |b| b.history_bytes(usize::MAX)),
        ("history_for", |b| b.history_for(topic(), usize::MAX)),
        ("hook_timeout", |b| b.hook_timeout(FOR_EVER)),
        ("turn_timeout", |b| b.turn_timeout(FOR_EVER)),
        ("queue", |b| b.queue(usize::MAX).queue_bytes(usize::MAX)),
        ("max_patterns_per_prefix", |b| b.max_patterns_per_prefix(usize::MAX)),
    ];
    for (setting, set) in settings {
        let keep = |_| sse_kit::broadcast::Verdict::Keep;
        let hub = set(Hub::builder()).on_broadcast(keep).build()?;
        works(&hub).await.map_err(|error| format!("{setting}: {error}"))?;
    }
    let refused = Hub::builder().log_buffer(most).build();
    assert!(matches!(refused, Err(HubBuildError::TooMany { setting: "log_buffer", .. })));
    let refused = Hub::builder().shards(most).build();
    assert!(matches!(refused, Err(HubBuildError::TooMany { setting: "shards", .. })));
    let refused = Hub::builder().max_delay(FOR_EVER).build();
    assert!(matches!(refused, Err(HubBuildError::TooLong { setting: "max_delay", .. })));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_presence() -> TestResult {
    let hub = Hub::new();
    let key = |page: &sse_kit::broadcast::Connection| Some(page.id().clone());
    let mut lingering = hub.presence_by_key([topic()], key).linger(FOR_EVER);
    let mut gathering = hub.presence_by_key([topic()], key).gather(FOR_EVER);
    let tab = hub.subscribe(topic()).open()?;
    assert_eq!(lingering.changed().await?.len(), 1);
    assert_eq!(gathering.changed().await?.len(), 1);
    drop(tab);
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, lingering.changed()).await.is_err());
    assert!(tokio::time::timeout(day, gathering.changed()).await.is_err());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_of_middleware() -> TestResult {
    let most = NonZero::<u32>::MAX;
    let dispatcher = Dispatcher::new();
    dispatcher.middleware(Timeout::new(FOR_EVER));
    dispatcher.middleware(RateLimit::new(most, FOR_EVER).types(usize::MAX));
    let by_data = |event: &DomainEvent| Some(event.data().to_string());
    dispatcher.middleware(Deduplicate::new(FOR_EVER, by_data).keys(usize::MAX).wait(FOR_EVER));
    dispatcher.on("t", |_| json!("handled"))?;
    for n in 0..3 {
        let dispatched = dispatcher.dispatch(DomainEvent::new("t", &n)?).await?;
        assert_eq!(dispatched.results.len(), 1);
    }
    Ok(())
}

#[test]
fn settings_of_an_update() -> TestResult {
    let update = Update::fill("here".parse()?, &Html::text("x"))?.settle(FOR_EVER);
    let html = Updates::from(update).render(MessageFormat::V4)?;
    assert!(html.to_string().contains(&format!("settle:{}ms", FOR_EVER.as_millis())), "{html}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_stream_and_its_limits() -> TestResult {
    let hub = Hub::new();
    let permit = Quota::new().total(usize::MAX).per_client(usize::MAX).admit("somebody")?;
    let response = SseResponse::new(hub.subscribe(topic()).open()?).keep(permit);
    let mut body = response.max_age(FOR_EVER).retry(FOR_EVER).into_response().into_body();
    assert!(body.frame().await.is_some());
    let error = sse_kit::axum::Error::new(ErrorKind::TooMany).retry_within(FOR_EVER);
    assert_eq!(error.into_response().status(), 429);
    let config = MonitorConfig::new().heartbeat_timeout(FOR_EVER).reconnect_delay(FOR_EVER);
    assert!(config.data_block().to_string().contains("heartbeatTimeout"));
    let (most, folder) = (NonZero::<u32>::MAX, "/assets".parse()?);
    let config =
        TabsConfig::new([], Identity::anyone()).replay_events(most).replay_characters(most);
    let config = config.reconnect_delay(FOR_EVER).heartbeat_timeout(FOR_EVER);
    assert!(config.script().tag(&folder, None).to_string().contains(&u32::MAX.to_string()));
    Ok(())
}

/// Grants for so short a time that it is asked again, and then has no answer.
struct Undecided(AtomicBool);

impl Authorizer for Undecided {
    type Principal = ();

    async fn authorize(&self, (): &(), _: Resource<'_>, _: Access) -> Result<Grant, DeniedError> {
        if self.0.swap(true, Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(Grant::lasting(Duration::from_secs(1)))
    }
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_gate() -> TestResult {
    let hub = Hub::new();
    let gate = Gate::new(hub.clone(), Undecided(AtomicBool::new(false))).grace(FOR_EVER);
    let gate = gate.open_timeout(FOR_EVER);
    let stream = gate.open((), hub.subscribe(topic())).await?;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(hub.connection_count(), 1, "it is kept for ever");
    drop(stream);
    Ok(())
}

#[tokio::test]
async fn settings_of_a_server() -> TestResult {
    let answer = |_: hyper::Request<RequestBody>, _: SocketAddr| async {
        Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"ok"))))
    };
    let server = Server::bind("127.0.0.1:0".parse()?)
        .await?
        .header_timeout(FOR_EVER)
        .idle_timeout(FOR_EVER)
        .body_timeout(FOR_EVER)
        .tcp_keepalive(FOR_EVER)
        .write_timeout(FOR_EVER)
        .user_timeout(FOR_EVER)
        .send_buffer(usize::MAX)
        .receive_buffer(usize::MAX);
    let address = server.local_addr()?;
    let serving = tokio::spawn(server.serve(answer, std::future::pending::<()>(), FOR_EVER));
    let socket = tokio::net::TcpStream::connect(address).await?;
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let connection = tokio::spawn(connection);
    let request = hyper::Request::get("/").header("host", "x").body(Empty::<Bytes>::new())?;
    assert_eq!(client.send_request(request).await?.status(), 200);
    connection.abort();
    serving.abort();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn settings_of_a_shutdown() -> TestResult {
    let builder = || {
        let hub = Hub::new();
        Shutdown::builder().hub(hub).progress_line(ProgressLine::Never)
    };
    let most = NonZero::<u32>::MAX;
    let shutdowns = [
        builder().deadline(FOR_EVER).shutdown_delay(FOR_EVER).streams_per_second(most),
        builder().pre_drain(FOR_EVER).deadline(Duration::from_secs(60)),
    ];
    for shutdown in shutdowns {
        let shutdown = shutdown.build();
        let stopping = shutdown.clone();
        let server = async move { stopping.stopping().await };
        shutdown.trigger();
        in_time("it ends", shutdown.run(None, server)).await;
    }
    Ok(())
}

/// The public constructors and setters in a file that take a number or a time.
fn settings_in(path: &Path) -> Result<BTreeSet<String>, Box<dyn std::error::Error>> {
    const TYPES: [&str; 6] = ["Duration", "usize", "u64", "u32", "NonZeroU32", "NonZero<"];
    let text = fs::read_to_string(path)?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut found = BTreeSet::new();
    for item in text.split("pub fn ").skip(1) {
        let signature = item.split('{').next().unwrap_or_default();
        let signature = signature.split("where").next().unwrap_or_default();
        let name = item.split(['(', '<']).next().unwrap_or_default();
        let Some((parameters, output)) = signature.rsplit_once("->") else { continue };
        let makes_itself = output.split_whitespace().next() == Some("Self");
        let (_, receiver) = parameters.split_once('(').unwrap_or_default();
        let receiver = receiver.trim_start().trim_start_matches("mut ");
        let is_setter = receiver.starts_with("self,");
        let takes_a_number = TYPES.iter().any(|number| parameters.contains(number));
        if makes_itself && (is_setter || name == "new") && takes_a_number {
            found.insert(format!("{stem}::{name}"));
        }
    }
    Ok(found)
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> TestResult {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

#[test]
fn no_setting_is_forgotten() -> TestResult {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = BTreeSet::new();
    for package in fs::read_dir(crates)? {
        let package = package?;
        let mut files = Vec::new();
        sources(&package.path().join("src"), &mut files)?;
        for file in files {
            let name = package.file_name().into_string().map_err(|_| "a name in UTF-8")?;
            found.extend(settings_in(&file)?.into_iter().map(|one| format!("{name}/{one}")));
        }
    }
    // Values of an app or a log, and no settings: what they are is for it to say.
    let values = [
        "sse-kit-broadcast/log::with_receivers",
        "sse-kit-broadcast/record::new",
        "sse-kit-event/id::new",
        "sse-kit-htmx/compat::new",
    ];
    let tried: BTreeSet<_> = TRIED.iter().map(|one| (*one).to_owned()).collect();
    let settings =
        found.iter().filter(|one| !TRIED_ELSEWHERE.iter().any(|name| one.starts_with(name)));
    let settings: BTreeSet<_> =
        settings.filter(|one| !values.contains(&one.as_str())).cloned().collect();
    assert_eq!(settings, tried);
    Ok(())
}
