//! Asks a large language model, and streams its answer token by token to every page that has the answer's
//! address: a page that reloads, or another device, goes on where the answer is. See the README beside it.
//!
//! In the order in which to read it: `answer` is an answer under way, `model` asks the model and
//! reads what it sends, `answers` keeps the answers, and `routes` is what a browser meets.
//! `stand_in` is a model for people who have none.

mod answer;
mod answers;
mod model;
mod options;
mod routes;
mod stand_in;
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

use crate::answers::Answers;
use crate::model::Model;
use crate::options::Options;
use crate::routes::App;

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

    let base_url = match options.base_url {
        Some(base_url) => base_url,
        None => stand_in::start().await?,
    };
    let hub = Hub::new();
    let shutdown = Shutdown::builder().hub(hub.clone()).build();
    let model = Model::new(&base_url, options.model, options.api_key)?;
    let app = App { answers: Answers::new(hub.clone(), model), hub };
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
