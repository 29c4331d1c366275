//! The same stream over HTTP/1.1 and HTTP/2 by hyper, and over axum.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sse_kit_broadcast::{Goodbye, Hub};
use sse_kit_event::control::{Gap, GapReason, Hello};
use sse_kit_event::{Decoded, Decoder, Event, EventId, Message, Topic};
use sse_kit_http::{SseBody, SseRequest, SseResponse};
use sse_kit_test_support::{in_time, until};
use tokio::net::{TcpListener, TcpStream};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The way in which a server and a client talk to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Transport {
    Http1,
    Http2,
    Axum,
}

const ALL: [Transport; 3] = [Transport::Http1, Transport::Http2, Transport::Axum];

fn stream<B>(hub: &Hub, request: &Request<B>) -> Response<SseBody> {
    let request = SseRequest::from(request);
    let topics = request.topics("topic").expect("the tests ask for good topics");
    let subscription = hub.subscribe(topics).resume(request.last_event_id()).open();
    SseResponse::new(subscription.expect("it is open"))
        .retry(Duration::from_millis(1234))
        .into_response()
}

impl Transport {
    async fn serve(self, hub: Hub) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        if self == Self::Axum {
            let events =
                move |request: axum::extract::Request| async move { stream(&hub, &request) };
            let app = axum::Router::new().route("/events", axum::routing::get(events));
            tokio::spawn(async move { axum::serve(listener, app).await });
            return address;
        }
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let hub = hub.clone();
                let service = service_fn(move |request: Request<Incoming>| {
                    let response = stream(&hub, &request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let io = TokioIo::new(socket);
                if self == Self::Http2 {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    tokio::spawn(async move { http.serve_connection(io, service).await });
                } else {
                    let http = hyper::server::conn::http1::Builder::new();
                    tokio::spawn(async move { http.serve_connection(io, service).await });
                }
            }
        });
        address
    }

    async fn get(self, address: SocketAddr, request: Request<Empty<Bytes>>) -> Reader {
        let io = TokioIo::new(TcpStream::connect(address).await.expect("it listens"));
        let response = if self == Self::Http2 {
            let (mut client, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("h2");
            tokio::spawn(connection);
            client.send_request(request).await
        } else {
            let (mut client, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("h1");
            tokio::spawn(connection);
            client.send_request(request).await
        };
        let (parts, body) = response.expect("a response").into_parts();
        assert_eq!(parts.status, 200);
        let expected = if self == Self::Http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        assert_eq!(parts.version, expected);
        Reader { headers: parts.headers, body, decoder: Decoder::new() }
    }
}

struct Reader {
    headers: HeaderMap,
    body: Incoming,
    decoder: Decoder,
}

impl Reader {
    /// The next message; `None` when the body has ended properly.
    async fn next(&mut self) -> Option<Message> {
        loop {
            while let Some(decoded) = self.decoder.pop() {
                if let Decoded::Message(message) = decoded {
                    return Some(message);
                }
            }
            let frame = in_time("a frame", self.body.frame()).await?.expect("no error");
            self.decoder.push(&frame.into_data().expect("no trailers")).expect("it is small");
        }
    }

    async fn message(&mut self) -> Message {
        self.next().await.expect("a message")
    }
}

fn request(path: &str) -> http::request::Builder {
    Request::get(format!("http://localhost{path}"))
}

#[tokio::test]
async fn a_stream_has_its_headers_a_hello_and_then_events_on_every_transport() -> TestResult {
    for transport in ALL {
        let hub = Hub::new();
        let topic: Topic = "a".parse()?;
        let address = transport.serve(hub.clone()).await;
        let mut reader =
            transport.get(address, request("/events?topic=a").body(Empty::new())?).await;

        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-store, no-transform"),
            ("x-accel-buffering", "no"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(reader.headers.get(name).ok_or(name)?, value, "{transport:?}");
        }
        if transport == Transport::Http2 {
            assert_eq!(reader.headers.get("connection"), None);
        }
        let hello = reader.message().await;
        assert_eq!(hello.name, "sse-kit:hello");
        let data: Hello = serde_json::from_str(&hello.data)?;
        assert_eq!(data.cursor, hub.cursor());
        assert_eq!(data.heartbeat_ms, 15_000);
        assert_eq!(hello.last_event_id, hub.cursor().to_string(), "it resumes even from here");
        assert!(hub.connection(&data.connection).is_some());

        for text in ["1", "two\nlines", ""] {
            let receipt = hub.publish(&topic, Event::new(text)).await?;
            assert_eq!(receipt.receivers, 1);
            let message = reader.message().await;
            assert_eq!((message.name.as_str(), message.data.as_str()), ("message", text));
            assert_eq!(message.last_event_id, receipt.id.to_string());
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_client_resumes_by_header_or_by_query_on_every_transport() -> TestResult {
    for transport in ALL {
        let hub = Hub::new();
        let topic: Topic = "a".parse()?;
        let address = transport.serve(hub.clone()).await;
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(hub.publish(&topic, Event::new(n.to_string())).await?.id);
        }
        let by_query = format!("/events?topic=a&last_event_id={}", ids[1]);
        for request in [
            request("/events?topic=a").header("Last-Event-ID", ids[1].to_string()),
            request(&by_query),
            request(&format!("/events?topic=a&last_event_id={}", ids[3]))
                .header("Last-Event-ID", ids[1].to_string()),
        ] {
            let mut reader = transport.get(address, request.body(Empty::new())?).await;
            assert_eq!(reader.message().await.last_event_id, ids[1].to_string());
            assert_eq!(reader.message().await.data, "2", "{transport:?}");
            assert_eq!(reader.message().await.data, "3");
        }
        let garbage = request("/events?topic=a").header("Last-Event-ID", "x; drop table");
        let mut reader = transport.get(address, garbage.body(Empty::new())?).await;
        let hello = reader.message().await;
        assert_eq!((hello.name.as_str(), hello.last_event_id.as_str()), ("sse-kit:hello", ""));
        let gap = reader.message().await;
        assert_eq!(gap.name, "sse-kit:gap");
        assert_eq!(gap.last_event_id, ids[3].to_string(), "told, and so not told again");
        let gap: Gap = serde_json::from_str(&gap.data)?;
        assert_eq!(gap, Gap::new(None, ids[3], GapReason::Malformed));
    }
    Ok(())
}

#[tokio::test]
async fn shutting_down_ends_the_body_properly_after_a_goodbye_on_every_transport() -> TestResult {
    for transport in ALL {
        let hub = Hub::new();
        let address = transport.serve(hub.clone()).await;
        let mut reader =
            transport.get(address, request("/events?topic=a").body(Empty::new())?).await;
        reader.message().await;
        hub.broadcast(Event::new("last")).await?;
        hub.shut_down(Goodbye::ComeBack { within: Duration::from_secs(5) });
        assert_eq!(reader.message().await.data, "last");
        assert_eq!(reader.message().await.name, "sse-kit:shutdown");
        assert_eq!(reader.next().await, None, "{transport:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_is_gone_on_every_transport() -> TestResult {
    for transport in ALL {
        let hub = Hub::new();
        let address = transport.serve(hub.clone()).await;
        let mut reader =
            transport.get(address, request("/events?topic=a").body(Empty::new())?).await;
        reader.message().await;
        assert_eq!(hub.connection_count(), 1);
        drop(reader);
        until("the connection is gone", || hub.connection_count() == 0).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn heartbeats_are_a_comment_and_an_event_without_an_id() -> TestResult {
    let hub = Hub::builder().heartbeat(Duration::from_secs(2)).build()?;
    let mut body = SseResponse::new(hub.subscribe(sse_kit_event::Topics::none()).open()?)
        .into_response()
        .into_body();
    body.frame().await.ok_or("the hello")??;
    let begun = tokio::time::Instant::now();
    let heartbeat = in_time("a heartbeat", body.frame()).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    let heartbeat = heartbeat.ok_or("a heartbeat")??.into_data().map_err(|_| "data")?;
    assert_eq!(&heartbeat[..], b": heartbeat\nevent: sse-kit:heartbeat\ndata: {}\n\n");
    Ok(())
}

#[tokio::test]
async fn the_bytes_of_an_event_are_the_same_for_all_and_several_are_taken_in_one_go() -> TestResult
{
    let hub = Hub::new();
    let topic: Topic = "a".parse()?;
    let open = || hub.subscribe(&topic).open().map(|s| SseResponse::new(s).into_response());
    let mut bodies = [open()?.into_body(), open()?.into_body()];
    for n in 0..10 {
        hub.publish(&topic, Event::new(n.to_string())).await?;
    }
    tokio::task::yield_now().await;
    let mut frames = Vec::new();
    for body in &mut bodies {
        let mut of_body = Vec::new();
        // Ready one after another: a server gathers them into one write.
        while let Some(frame) = futures_util::FutureExt::now_or_never(body.frame()) {
            of_body.push(frame.ok_or("open")??.into_data().map_err(|_| "data")?);
        }
        frames.push(of_body.split_off(1));
    }
    let history = hub.history(&topic, 10);
    assert_eq!(history.len(), 10);
    for (n, entry) in history.iter().enumerate() {
        for of_body in &frames {
            assert_eq!(of_body[n].as_ptr(), entry.frame().as_ptr(), "shared, not copied");
        }
    }
    Ok(())
}

#[test]
fn a_client_that_there_is_no_room_for_is_asked_to_come_back() {
    let response = SseResponse::busy(Duration::from_secs(10));
    assert_eq!(response.status(), 200);
    let body = futures_util::FutureExt::now_or_never(response.into_body().collect());
    let bytes = body.expect("it is there at once").expect("no error").to_bytes();
    let mut decoder = Decoder::new();
    decoder.push(&bytes).expect("it is small");
    let mut delay = None;
    while let Some(decoded) = decoder.pop() {
        match decoded {
            Decoded::Retry(retry) => delay = Some(retry),
            Decoded::Message(message) => assert_eq!(message.name, "sse-kit:busy"),
            other => panic!("unexpected: {other:?}"),
        }
    }
    assert!(delay.expect("it says when") <= Duration::from_secs(10));
}

#[test]
fn ids_travel_in_urls_as_they_are() {
    let id = EventId::new(sse_kit_event::Epoch::new(u64::MAX), u64::MAX);
    let uri = format!("/?last_event_id={id}");
    let request = Request::get(uri).body(()).expect("a request");
    assert_eq!(SseRequest::from(&request).last_event_id(), Some(id.into()));
}
