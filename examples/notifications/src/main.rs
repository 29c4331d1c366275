//! Private notifications: each user sees their own, on every page that is open, until they sign out. See the
//! README beside it.
//!
//! In the order in which to read it: `inbox` has the notifications of a user, `session` is who is
//! signed in and may see what, `orders` publishes in transactions of a database, and `routes` is
//! what a browser meets.

mod inbox;
mod orders;
mod routes;
mod session;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sse_kit::Hub;
use sse_kit::axum as live;
use sse_kit::postgres::{PostgresConfig, PostgresLog};
use sse_kit::shutdown::{Shutdown, Signals};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::orders::Orders;
use crate::routes::App;

/// Private notifications, which end at a logout.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
struct Options {
    /// The address to listen on: an IP address or the name of a host, and a port; port 0 takes a
    /// free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8084")]
    listen: String,
    /// A PostgreSQL database, for orders and for events that survive: `postgres://USER@HOST:PORT/NAME`. The
    /// connections are not encrypted.
    #[arg(long, value_name = "URL", env = "SSE_KIT_POSTGRES_URL", hide_env_values = true)]
    postgres: Option<String>,
}

impl Options {
    async fn app(&self) -> anyhow::Result<App> {
        let Some(url) = &self.postgres else { return Ok(App::new(Hub::new())) };
        let log = PostgresLog::connect(PostgresConfig::new(url)?).await?;
        let hub = Hub::builder().log(log).build()?;
        Ok(App::new(hub).with_orders(Orders::open(url).await?))
    }
}

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

    let app = options.app().await?;
    let shutdown = Shutdown::builder().hub(app.hub().clone()).build();
    let signals = Signals::install()?;
    let listener = TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    writeln!(stdout(), "listening on http://{}", listener.local_addr()?)?;

    let outcome = live::serve_until(&shutdown, signals, listener, routes::router(app)).await;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}
