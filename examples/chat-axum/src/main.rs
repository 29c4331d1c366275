//! Chat rooms on axum: a message in a room shows on every page that is open on it. See the README
//! beside it.
//!
//! In the order in which to read it: `room` is what a room is, `chat` keeps all of them and emits what
//! happens, `messages` says what that changes on the pages, and `presence` follows who is there;
//! `routes` and `pages` are what a browser meets.

mod assets;
mod chat;
mod messages;
mod name;
mod options;
mod pages;
mod presence;
mod refusal;
mod room;
mod routes;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use sse_kit::Hub;
use sse_kit::axum as live;
use sse_kit::http::Quota;
use sse_kit::shutdown::{GoodbyePolicy, ReconnectSpread, Shutdown, Signals};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::assets::Assets;
use crate::chat::Chat;
use crate::options::Options;
use crate::routes::App;

/// After how long pages come back that a shutdown sent away: at most this, at random.
const COME_BACK_WITHIN: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let mut log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if !stderr().is_terminal() {
        // A file or a pipe gets no colours.
        log = log.with_ansi(false);
    }
    log.init();

    let signals = Signals::install()?;
    if options.heartbeat().is_none() {
        tracing::warn!(
            "without heartbeats proxies end quiet streams, pages do not notice a connection that is dead, and \
             people who are gone without a word stay in their rooms"
        );
    }
    let hub = Hub::builder().heartbeat(options.heartbeat()).build()?;
    let shutdown = Shutdown::builder()
        .hub(hub.clone())
        .goodbye(GoodbyePolicy::ComeBack(ReconnectSpread::Within(COME_BACK_WITHIN)))
        .shutdown_delay(options.shutdown_delay)
        .deadline(options.shutdown_delay)
        .build();
    let app = App {
        chat: Chat::new(hub),
        shutdown: shutdown.clone(),
        assets: Assets::new(options.assets.as_deref()),
        limits: Quota::new().total(options.max_connections).per_client(options.max_per_ip),
    };
    let listener = TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    writeln!(stdout(), "listening on http://{}", listener.local_addr()?)?;

    let outcome = live::serve_until(&shutdown, signals, listener, routes::router(app)).await;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}

#[cfg(test)]
mod tests;
