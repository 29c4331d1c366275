//! salvo.

use salvo::conn::tcp::TcpAcceptor;
use salvo::http::ResBody;
use salvo::http::header::{HeaderName, HeaderValue};
use salvo::prelude::{Depot, Request, Response, Router, Server, handler};
use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;

use crate::{Headed, open};

/// Makes the response.
pub fn respond(Headed { headers, body }: Headed, response: &mut Response) {
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response.body(ResBody::stream(body.into_stream()));
}

/// A handler that answers with a stream.
#[derive(Clone)]
pub struct Events {
    hub: Hub,
}

#[handler]
impl Events {
    async fn handle(&self, request: &mut Request, _: &mut Depot, response: &mut Response) {
        let seen = request.headers().get("last-event-id").map(|value| value.as_bytes());
        respond(open(&self.hub, request.uri().query(), seen), response);
    }
}

/// Serves until the shutdown says that it is time to stop.
pub async fn serve(
    listener: std::net::TcpListener,
    hub: Hub,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let router = Router::with_path("events").get(Events { hub });
    let server = Server::new(TcpAcceptor::try_from(tokio::net::TcpListener::from_std(listener)?)?);
    let handle = server.handle();
    let stop = async {
        shutdown.stopping().await;
        handle.stop_graceful(None);
    };
    tokio::join!(server.try_serve(router), stop).0
}
