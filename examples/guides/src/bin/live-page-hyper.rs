//! The server of a live page by hand, with hyper.

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Request, Response, StatusCode};
use live_page::{App, EVENT_SOURCE, HTMX_2, HTMX_4};
use sse_kit::SseBody;
use sse_kit::http::{SseRequest, SseResponse};
use sse_kit::serve::{RequestBody, Server};
use sse_kit::shutdown::{Shutdown, Signals};

fn events(app: &App, request: &Request<RequestBody>) -> Response<SseBody> {
    match app.watch(SseRequest::from(request).last_event_id()) {
        Ok(subscription) => SseResponse::new(subscription).into_response(),
        Err(error) => {
            eprintln!("a stream is refused: {error}");
            SseResponse::busy(Duration::from_secs(5))
        }
    }
}

fn answer(
    app: &App,
    request: &Request<RequestBody>,
) -> hyper::http::Result<Response<Either<SseBody, Full<Bytes>>>> {
    let (status, html) = match request.uri().path() {
        "/events" => return Ok(events(app, request).map(Either::Left)),
        "/" => (StatusCode::OK, app.page(EVENT_SOURCE)),
        "/htmx4" => (StatusCode::OK, app.page(HTMX_4)),
        "/htmx2" => (StatusCode::OK, app.page(HTMX_2)),
        _ => (StatusCode::NOT_FOUND, "There is nothing here.".to_owned()),
    };
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .header(CACHE_CONTROL, "no-store")
        .body(Either::Right(Full::from(html)))
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let signals = Signals::install()?;
    let app = App::new()?;
    tokio::spawn(app.clone().work());

    let shared = app.clone();
    let service = move |request, _client| {
        let response = answer(&shared, &request);
        async move { response }
    };
    let server = Server::bind("127.0.0.1:8080".parse()?).await?;
    let shutdown = Shutdown::builder().hub(app.hub()).build();
    let outcome = server.serve_until_shutdown(&shutdown, signals, service).await;
    Ok(outcome.exit_code())
}
