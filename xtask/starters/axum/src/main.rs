//! A counter that every open page shows, on axum.

mod counter;
mod routes;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use sse_kit::Hub;

/// The address that the app listens on.
const ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main]
async fn main() -> std::io::Result<ExitCode> {
    // Prints the log of sse-kit, such as the failures of handlers.
    tracing_subscriber::fmt::init();
    let kit = counter::counter(Hub::new());
    eprintln!("open http://{ADDRESS} in two windows");
    // Ctrl-C says goodbye to every page; they come back when the server does.
    sse_kit::axum::serve(ADDRESS, routes::routes(&kit), kit.hub()).await
}
