//! A counter that every open page shows, on hyper.

mod counter;
mod routes;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use http::Request;
use sse_kit::Hub;
use sse_kit::serve::{RequestBody, Server};
use sse_kit::shutdown::{Shutdown, Signals};

/// The address that the app listens on.
const ADDRESS: &str = "127.0.0.1:8080";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    // Prints the log of sse-kit, such as the failures of handlers.
    tracing_subscriber::fmt::init();
    let signals = Signals::install()?;
    let kit = counter::counter(Hub::new());
    let shutdown = Shutdown::builder().hub(kit.hub().clone()).build();
    let server = Server::bind(ADDRESS.parse()?).await?;
    eprintln!("open http://{ADDRESS} in two windows");
    let answer = move |request: Request<RequestBody>, _client| {
        let kit = kit.clone();
        let (request, _body) = request.into_parts();
        async move { Ok::<_, Infallible>(routes::answer(&kit, &request).await) }
    };
    // Ctrl-C says goodbye to every page; they come back when the server does.
    let outcome = server.serve_until_shutdown(&shutdown, signals, answer).await;
    Ok(outcome.exit_code())
}
