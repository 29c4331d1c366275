//! A small stand-alone hub: publish by `POST /publish?topic=…`, listen on `GET /events?topic=…`.

mod access_log;
mod auth;
mod config;
mod cross_origin;
mod event_log;
mod hub;
mod inspection;
mod limit_options;
mod metrics;
mod options;
mod postgres_options;
mod presence;
mod publish;
mod redis_options;
mod reply;
mod status;
mod tls_options;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use listenfd::ListenFd;
use sse_kit::serve::{ListenAddress, Listener, Server, Tls};
use sse_kit::shutdown::Signals;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::auth::Auth;
use crate::event_log::EventLog;
use crate::hub::HubApp;
use crate::options::Options;

/// Keeps what every delivery touches close together; glibc's own strews it among the buffers that
/// hyper has for each connection. At 10,000 connections that is a tenth of the time of a delivery.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let mut log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if !stderr().is_terminal() {
        // A file or a pipe gets no colours.
        log = log.with_ansi(false);
    }
    log.init();
    // Taken while there is one thread: it takes the variables away.
    let sockets = ListenFd::from_env();
    let options = Options::load();
    options.runtime()?.block_on(run(options, sockets))
}

async fn run(options: Options, sockets: ListenFd) -> anyhow::Result<ExitCode> {
    let signals = Signals::install()?;
    // A hub that still waits for its log must not be ended by it.
    let hangups = signal(SignalKind::hangup())?;
    if options.heartbeat().is_none() {
        tracing::warn!(
            "without heartbeats proxies end quiet streams, pages do not notice a connection that is dead, and \
             clients that are gone without a word stay for a minute"
        );
    }
    let mut server = Server::new(listener(&options, sockets).await?)
        .trust(options.trusted())
        .write_timeout(options.write_timeout())
        .user_timeout(options.write_timeout());
    if options.proxy_protocol {
        server = server.proxy_protocol();
    }
    let tls = options.tls.read()?;
    if let Some(tls) = &tls {
        server = server.tls(tls.clone());
    }
    options.limits.warn();
    let auth = Auth::new(&options.auth)?;
    warn_of_openness(&auth, &server.address()?);
    inspection::ensure_private(&options, &auth, &server.address()?)?;
    let log = EventLog::open(&options).await?;
    let hub = Arc::new(HubApp::new(&options, auth, log, server.monitor())?);
    match server.address()? {
        ListenAddress::Tcp(address) => {
            let scheme = if tls.is_some() { "https" } else { "http" };
            writeln!(stdout(), "listening on {scheme}://{address}")?;
        }
        other => writeln!(stdout(), "listening on {other}")?,
    }

    let status = tokio::spawn(Arc::clone(&hub).publish_status());
    let service = {
        let hub = Arc::clone(&hub);
        move |request, client| Arc::clone(&hub).answer(request, client)
    };
    let streams = Arc::clone(&hub);
    server = server.streams(HubApp::is_stream, move |request, client| {
        Arc::clone(&streams).answer_stream(request, client)
    });
    if options.hyper_streams {
        server = server.streams_by_hyper();
    }
    let reload = tokio::spawn(reload_on_hangup(hangups, Arc::clone(&hub), tls, options));
    let outcome = server.serve_until_shutdown(&hub.shutdown, signals, service).await;
    status.abort();
    reload.abort();
    Ok(outcome.exit_code())
}

/// Returns the socket that systemd passed, or else listens on the address of the options.
async fn listener(options: &Options, mut sockets: ListenFd) -> anyhow::Result<Listener> {
    if sockets.len() == 0 {
        return Ok(Listener::bind(&options.listen).await?);
    }
    anyhow::ensure!(
        sockets.len() == 1,
        "the hub listens on one socket; {} were passed",
        sockets.len()
    );
    if let Ok(Some(socket)) = sockets.take_tcp_listener(0) {
        socket.set_nonblocking(true)?;
        return Ok(TcpListener::from_std(socket)?.into());
    }
    let socket = sockets.take_unix_listener(0)?.context("the socket that was passed is taken")?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from_std(socket)?.into())
}

/// Reads the keys, the rules, the limits on publishing and the certificate again at each SIGHUP. If one cannot be
/// read, the old one stays.
async fn reload_on_hangup(
    mut hangups: Signal,
    hub: Arc<HubApp>,
    tls: Option<Tls>,
    started: Options,
) {
    while hangups.recv().await.is_some() {
        let options = match Options::reload() {
            Ok(options) => options,
            Err(error) => {
                tracing::error!("the old keys, rules, limits and certificate stay: {error:#}");
                continue;
            }
        };
        options.warn_of_changes(&started);
        match options.tls.renew(tls.as_ref()) {
            Ok(()) if tls.is_some() => tracing::info!("the certificate was read again"),
            Ok(()) => {}
            Err(error) => tracing::error!("the old certificate stays: {error:#}"),
        }
        options.limits.warn();
        match hub.reload(&options) {
            Ok(()) => tracing::info!("the keys, rules and limits were read again"),
            Err(error) => tracing::error!("the old keys, rules and limits stay: {error:#}"),
        }
    }
}

/// Says that anybody may publish and listen; a warning, unless only this machine can.
fn warn_of_openness(auth: &Auth, address: &ListenAddress) {
    let is_local = match address {
        ListenAddress::Tcp(address) => address.ip().is_loopback(),
        _ => true,
    };
    if !auth.rules().are_open() {
        return;
    }
    let text = "without a key everybody who can reach the hub may publish and listen to all topics: set \
                `--jwt-key-file` or `--jwks-file`";
    if is_local {
        // Perhaps behind a proxy.
        tracing::info!(%address, "{text}");
    } else {
        tracing::warn!(%address, "{text}");
    }
}
