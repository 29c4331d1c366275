//! `sse-kit` with web frameworks that have no crate of their own: the glue of each, and a server that stops
//! with a goodbye. The page `docs/src/integrations.md` shows it.
//!
//! Each module has `respond`, which makes a response of the framework; `events`, a handler that resumes;
//! and `serve`, which runs until the shutdown says that it is time to stop.

pub mod actix;
pub mod poem;
pub mod rocket;
pub mod salvo;
pub mod warp;

use std::time::Duration;

use sse_kit::event::Topic;
use sse_kit::http::{SseRequest, SseResponse};
use sse_kit::{Hub, SseBody};

/// The topic that every page listens to. An app takes the topics from its session.
pub fn news() -> Topic {
    "news".parse().expect("it is a topic")
}

/// Opens the stream of a page, or asks it to come back; the same for every framework.
pub fn open(hub: &Hub, query: Option<&str>, last_event_id: Option<&[u8]>) -> Headed {
    let request = SseRequest::new(query, last_event_id);
    let subscription = hub.subscribe(news()).resume(request.last_event_id()).open();
    let response = match subscription {
        Ok(subscription) => SseResponse::new(subscription).into_response(),
        Err(error) => {
            eprintln!("a stream is refused: {error}");
            SseResponse::busy(Duration::from_secs(5))
        }
    };
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned())
    });
    Headed { headers: headers.collect(), body }
}

/// A response as texts and a body, for frameworks with another version of the crate `http`.
pub struct Headed {
    pub headers: Vec<(String, String)>,
    pub body: SseBody,
}
