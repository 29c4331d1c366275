//! A small stand-alone hub: publish by `POST /publish?topic=…`, listen on `GET /events?topic=…`.

mod event_log;
mod hub;
mod options;
mod postgres_options;
mod publish;
mod redis_options;
mod reply;
mod status;

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use sse_kit::serve::{ListenAddress, Listener, Server};
use sse_kit::shutdown::Signals;

use crate::event_log::EventLog;
use crate::hub::HubApp;
use crate::options::Options;

/// Keeps what every delivery touches close together; glibc's own strews it among the buffers that
/// hyper has for each connection. At 10,000 connections that is a tenth of the time of a delivery.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    options.runtime()?.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let signals = Signals::install()?;
    if options.heartbeat().is_none() {
        tracing::warn!(
            "without heartbeats proxies end quiet streams, pages do not notice a connection that is dead, and \
             clients that are gone without a word stay for a minute"
        );
    }
    let mut server = Server::new(Listener::bind(&options.listen).await?)
        .trust(options.trusted())
        .write_timeout(options.write_timeout())
        .user_timeout(options.write_timeout());
    if options.proxy_protocol {
        server = server.proxy_protocol();
    }
    let log = EventLog::open(&options).await?;
    let hub = Arc::new(HubApp::new(&options, log, server.stats())?);
    match server.address()? {
        ListenAddress::Tcp(address) => writeln!(stdout(), "listening on http://{address}")?,
        other => writeln!(stdout(), "listening on {other}")?,
    }

    let status = tokio::spawn(Arc::clone(&hub).publish_status());
    let service = {
        let hub = Arc::clone(&hub);
        move |request, _client| {
            let hub = Arc::clone(&hub);
            async move { hub.answer(request).await }
        }
    };
    let streams = Arc::clone(&hub);
    server = server.streams(HubApp::is_stream, move |request, client| {
        let hub = Arc::clone(&streams);
        async move { hub.answer_stream(request, client).await }
    });
    if options.fast_path {
        server = server.fast_path();
    }
    let outcome = server.serve_until_shutdown(&hub.shutdown, signals, service).await;
    status.abort();
    Ok(outcome.exit_code())
}
