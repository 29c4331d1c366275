//! The routes of the app.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorForbidden;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{Data, get};
use actix_web::{App, Error, HttpRequest, HttpResponse, HttpServer};
use http::{HeaderMap, HeaderValue, Uri};
use sse_kit::htmx::PageScripts;
use sse_kit::http::{SseRequest, SseResponse, ensure_same_site};
use sse_kit::shutdown::Shutdown;
use sse_kit::{EventData, SseKit};

use crate::counter::{self, Counted};

/// Serves until the shutdown says that it is time to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    kit: SseKit<u64>,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let app = move || {
        App::new()
            .app_data(Data::new(kit.clone()))
            .wrap(from_fn(same_site))
            .route("/", get().to(page))
            .route("/", actix_web::web::post().to(click))
            .route("/events", get().to(events))
            .route(&PageScripts::FOLDER.file("{name}"), get().to(script))
    };
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

async fn page(kit: Data<SseKit<u64>>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        // It holds a cursor, and the state of one moment.
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(counter::page(&kit).await.to_string())
}

async fn click(kit: Data<SseKit<u64>>) -> HttpResponse {
    match counter::click(&kit).await {
        Ok(()) => HttpResponse::Ok().finish(),
        Err(error) => {
            eprintln!("a click is lost: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// Streams the count, which everybody may see. For private topics see `Gate`.
async fn events(kit: Data<SseKit<u64>>, request: HttpRequest) -> HttpResponse {
    let seen = request.headers().get("last-event-id").map(|value| value.as_bytes());
    let seen = SseRequest::new(Some(request.query_string()), seen).last_event_id();
    let response = match kit.hub().subscribe(Counted::topic()).resume(seen).open() {
        Ok(subscription) => SseResponse::new(subscription).into_response(),
        Err(error) => {
            eprintln!("a stream is refused: {error}");
            SseResponse::busy(Duration::from_secs(5))
        }
    };
    // actix-web has another version of the crate `http`, so the headers go over as bytes.
    let (parts, body) = response.into_parts();
    let mut answer = HttpResponse::build(StatusCode::OK);
    for (name, value) in &parts.headers {
        answer.insert_header((name.as_str(), value.as_bytes()));
    }
    answer.streaming(body.into_stream())
}

/// Serves the scripts of sse-kit. Their names have hashes, so browsers keep them.
async fn script(request: HttpRequest) -> HttpResponse {
    match counter::scripts().file(request.path()) {
        Some(script) => HttpResponse::Ok()
            .content_type("text/javascript; charset=utf-8")
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(script.source().to_owned()),
        None => HttpResponse::NotFound().finish(),
    }
}

/// Refuses what pages of other sites ask to change; their links may lead here.
async fn same_site(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut headers = HeaderMap::new();
    for name in ["host", "origin", "sec-fetch-site"] {
        let value = request.headers().get(name);
        if let Some(value) = value.and_then(|it| HeaderValue::from_bytes(it.as_bytes()).ok()) {
            headers.insert(name, value);
        }
    }
    if !request.method().is_safe() {
        ensure_same_site(&Uri::from_static("/"), &headers).map_err(ErrorForbidden)?;
    }
    next.call(request).await
}
