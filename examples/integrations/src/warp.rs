//! warp 0.4.

use std::convert::Infallible;

use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;
use warp::http::header::{HeaderName, HeaderValue};
use warp::reply::{Reply, Response, stream};
use warp::{Filter, filters};

use crate::{Headed, open};

/// Makes the response.
pub fn respond(Headed { headers, body }: Headed) -> Response {
    let mut response = stream(body.into_stream()).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The route that answers with a stream.
pub fn events(
    hub: Hub,
) -> impl Filter<Extract = (Response,), Error = warp::Rejection> + Clone + Send + Sync + 'static {
    let query = filters::query::raw().or_else(async |_| Ok::<_, Infallible>((String::new(),)));
    let seen = filters::header::value("last-event-id").map(Some);
    let seen = seen.or_else(async |_| Ok::<_, Infallible>((None,)));
    warp::path!("events").and(warp::get()).and(query).and(seen).map(
        move |query: String, seen: Option<HeaderValue>| {
            respond(open(&hub, Some(&query), seen.as_ref().map(HeaderValue::as_bytes)))
        },
    )
}

/// Serves until the shutdown says that it is time to stop.
pub async fn serve(
    listener: std::net::TcpListener,
    hub: Hub,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    warp::serve(events(hub)).incoming(listener).graceful(shutdown.stopping()).run().await;
    Ok(())
}
