//! A dashboard: the figures of this machine, once a second, on every page that is open. See the README
//! beside it.
//!
//! In the order in which to read it: `reading` is a measurement and `machine` measures it,
//! `figures` is the state that pages show, `sampler` changes it once a second while somebody
//! watches, `panels` says what that changes on the pages, `sparkline` draws, and `routes` is what a
//! browser meets.

mod amounts;
mod figures;
mod machine;
mod panels;
mod reading;
mod routes;
mod sampler;
mod series;
mod sparkline;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use sse_kit::Hub;
use sse_kit::axum as live;
use sse_kit::shutdown::{Shutdown, Signals};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::machine::Machine;
use crate::routes::App;

/// The figures of this machine, once a second, on every page that is open.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
struct Options {
    /// The address to listen on: an IP address or the name of a host, and a port; port 0 takes a
    /// free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8085")]
    listen: String,
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

    let kit = panels::kit(Hub::new());
    let shutdown = Shutdown::builder().hub(kit.hub().clone()).build();
    let signals = Signals::install()?;
    let listener = TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    writeln!(stdout(), "listening on http://{}", listener.local_addr()?)?;

    let sampling = tokio::spawn({
        let (kit, shutdown) = (kit.clone(), shutdown.clone());
        async move {
            let sampled = sampler::run(kit, Machine::new(), shutdown.stopping()).await;
            // A dashboard without figures is of no use: should the sampler fail, so does the program.
            shutdown.trigger();
            sampled
        }
    });
    let app = routes::router(App { kit, machine: Machine::name().into() });
    let outcome = live::serve_until(&shutdown, signals, listener, app).await;
    sampling.await??;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}
