//! actix-web 4.

use std::net::TcpListener;

use actix_web::web::{Data, get};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;

use crate::{Headed, open};

/// Makes the response.
pub fn respond(Headed { headers, body }: Headed) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for header in headers {
        response.insert_header(header);
    }
    response.streaming(body.into_stream())
}

/// Answers with a stream.
pub async fn events(hub: Data<Hub>, request: HttpRequest) -> HttpResponse {
    let seen = request.headers().get("last-event-id").map(|value| value.as_bytes());
    respond(open(&hub, Some(request.query_string()), seen))
}

/// Serves until the shutdown says that it is time to stop.
pub async fn serve(listener: TcpListener, hub: Hub, shutdown: Shutdown) -> std::io::Result<()> {
    let app =
        move || App::new().app_data(Data::new(hub.clone())).route("/events", get().to(events));
    let server = HttpServer::new(app)
        .workers(2)
        // Otherwise actix notices that a client has left when it next writes to it.
        .h1_allow_half_closed(false)
        // The signals are for the shutdown.
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    let stop = async {
        shutdown.stopping().await;
        handle.stop(true).await;
    };
    tokio::join!(server, stop).0
}
