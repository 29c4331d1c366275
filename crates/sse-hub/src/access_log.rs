//! The access log: a line for each request, and two more for each stream. It never has a query or a header, where
//! tokens are.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Extensions, Method};
use sse_kit::broadcast::{CloseReason, Connection, HubBuilder};
use sse_kit::event::{Topic, TopicPattern, Topics};

use crate::reply::Reply;

/// The client of a stream.
pub(crate) struct Visitor {
    pub(crate) client: IpAddr,
    /// The user, by the `sub` of the token.
    pub(crate) user: Option<Arc<str>>,
}

/// The user of a request, by the `sub` of the token: an extension of its answer.
#[derive(Clone)]
pub(crate) struct User(Arc<str>);

impl User {
    pub(crate) fn extension(name: Arc<str>) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(Self(name));
        extensions
    }
}

/// Logs the streams of a hub.
pub(crate) fn of_streams(hub: HubBuilder) -> HubBuilder {
    hub.on_connect(|connection| {
        let (client, user) = visitor(&connection);
        tracing::info!(
            target: "access",
            connection = %connection.id(), client, user,
            topics = %names(connection.topics()),
            "stream opened"
        );
    })
    .on_disconnect(|connection, why| {
        let (client, user) = visitor(&connection);
        let open = connection.connected_at().elapsed().unwrap_or_default();
        tracing::info!(
            target: "access",
            connection = %connection.id(), client, user,
            reason = reason(why),
            seconds = open.as_secs_f64(),
            events = connection.messages_sent(),
            "stream closed"
        );
    })
}

/// Logs an answer.
pub(crate) fn answer(method: &Method, path: &str, client: IpAddr, reply: &Reply, began: Instant) {
    let millis = began.elapsed().max(Duration::ZERO).as_secs_f64() * 1000.0;
    let user = reply.extensions().get::<User>().map(|User(name)| &**name);
    let status = reply.status().as_u16();
    tracing::info!(target: "access", %method, path, %client, user, status, millis, "answered");
}

fn visitor(connection: &Connection) -> (Option<String>, Option<&str>) {
    let visitor = connection.metadata::<Visitor>();
    let client = visitor.map(|visitor| visitor.client.to_string());
    (client, visitor.and_then(|visitor| visitor.user.as_deref()))
}

fn names(topics: &Topics) -> String {
    let topics_first = topics.topics().iter().map(Topic::as_str);
    let all = topics_first.chain(topics.patterns().iter().map(TopicPattern::as_str));
    all.collect::<Vec<_>>().join(" ")
}

/// Returns the reason as a word.
fn reason(why: CloseReason) -> &'static str {
    match why {
        CloseReason::ClientGone => "client-gone",
        CloseReason::TooSlow => "too-slow",
        CloseReason::Replaced => "replaced",
        CloseReason::Disconnected => "right-ended",
        CloseReason::Expired => "max-age",
        CloseReason::Shutdown => "shutdown",
        _ => "other",
    }
}
