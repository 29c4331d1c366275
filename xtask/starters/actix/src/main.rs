//! A counter that every open page shows, on actix-web.

mod counter;
mod routes;
#[cfg(test)]
mod tests;

use std::net::TcpListener;
use std::process::ExitCode;

use sse_kit::Hub;
use sse_kit::shutdown::{Shutdown, Signals};

/// The address that the app listens on.
const ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main]
async fn main() -> std::io::Result<ExitCode> {
    // Prints the log of sse-kit, such as the failures of handlers.
    tracing_subscriber::fmt::init();
    let signals = Signals::install()?;
    let kit = counter::counter(Hub::new());
    let shutdown = Shutdown::builder().hub(kit.hub().clone()).build();
    let listener = TcpListener::bind(ADDRESS)?;
    eprintln!("open http://{ADDRESS} in two windows");
    // Ctrl-C says goodbye to every page; they come back when the server does.
    let serving = routes::serve(listener, kit, shutdown.clone());
    let outcome = shutdown.run(signals, serving).await;
    let exit_code = outcome.exit_code();
    outcome.served.transpose()?;
    Ok(exit_code)
}
