//! rocket 0.5.

use std::io;

use futures_util::StreamExt;
use rocket::config::Shutdown as Signals;
use rocket::http::Header;
use rocket::request::{FromRequest, Outcome, Request};
use rocket::response::stream::ByteStream;
use rocket::response::{self, Responder, Response};
use rocket::{Config, State, get, routes};
use sse_kit::Hub;
use sse_kit::shutdown::Shutdown;

use crate::{Headed, open};

impl<'r> Responder<'r, 'r> for Headed {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'r> {
        let bytes = self.body.into_stream().map(|Ok(bytes)| bytes);
        let mut response = Response::build_from(ByteStream(bytes).respond_to(request)?);
        for (name, value) in self.headers {
            response.header(Header::new(name, value));
        }
        response.ok()
    }
}

/// The query, and the last event that the client has seen.
pub struct Asked {
    query: Option<String>,
    seen: Option<String>,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Asked {
    type Error = std::convert::Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Self::Error> {
        let query = request.uri().query().map(|query| query.to_string());
        let seen = request.headers().get_one("last-event-id").map(str::to_owned);
        Outcome::Success(Self { query, seen })
    }
}

/// Answers with a stream.
#[get("/events")]
pub fn events(hub: &State<Hub>, asked: Asked) -> Headed {
    open(hub, asked.query.as_deref(), asked.seen.as_deref().map(str::as_bytes))
}

/// Serves until the shutdown says that it is time to stop. Rocket binds by itself, so the port must be free.
pub async fn serve(port: u16, hub: Hub, shutdown: Shutdown) -> io::Result<()> {
    let config = Config {
        port,
        log_level: rocket::config::LogLevel::Off,
        // The shutdown handles the signals and the deadline: a stream that is open when rocket's
        // own grace is over would end the process with a panic.
        shutdown: Signals { ctrlc: false, signals: [].into(), grace: 60, ..Signals::default() },
        ..Config::default()
    };
    let rocket = rocket::custom(config).manage(hub).mount("/", routes![events]);
    let rocket = rocket.ignite().await.map_err(io::Error::other)?;
    let handle = rocket.shutdown();
    let stop = async {
        shutdown.stopping().await;
        handle.notify();
    };
    tokio::join!(rocket.launch(), stop).0.map(drop).map_err(io::Error::other)
}
