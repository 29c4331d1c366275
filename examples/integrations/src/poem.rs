//! poem 3.

use std::io;

use futures_util::StreamExt;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{Body, EndpointExt, Request, Response, Route, Server, get, handler};
use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;

use crate::{Headed, open};

/// Makes the response.
pub fn respond(Headed { headers, body }: Headed) -> Response {
    let mut response = Response::builder();
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let bytes = body.into_stream().map(|Ok(bytes)| Ok::<_, io::Error>(bytes));
    response.body(Body::from_bytes_stream(bytes))
}

/// Answers with a stream.
#[handler]
pub fn events(hub: Data<&Hub>, request: &Request) -> Response {
    let seen = request.headers().get("last-event-id").map(|value| value.as_bytes());
    respond(open(&hub, request.uri().query(), seen))
}

/// Serves until the shutdown says that it is time to stop.
pub async fn serve(
    listener: std::net::TcpListener,
    hub: Hub,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let app = Route::new().at("/events", get(events)).data(hub);
    let acceptor = TcpAcceptor::from_std(listener)?;
    let server = Server::new_with_acceptor(acceptor);
    server.run_with_graceful_shutdown(app, shutdown.stopping(), None).await
}
