//! The log against a real PostgreSQL server.

mod cluster;
mod conformance;
mod connecting;
mod failing;
mod guide;
mod publishing;
mod rules;
mod traces;

use std::sync::OnceLock;

use sse_kit_broadcast::{Delivery, Hub, HubBuilder, Subscription};
use sse_kit_event::control::Gap;
use sse_kit_event::{Event, EventId, Topic};
use sse_kit_postgres::{PostgresConfig, PostgresLog, PostgresStatus};
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::{PATIENCE, in_time};

/// The server of all tests that leave it running; each has a database of its own.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&["-c", "max_prepared_transactions=10"]))
}

/// A node of a hub.
struct Node {
    hub: Hub,
    postgres: PostgresStatus,
}

/// Settings with which everything succeeds on a busy machine too.
fn config(url: &str) -> PostgresConfig {
    let config = PostgresConfig::new(url).expect("an address");
    config.append_deadline(PATIENCE).attempt_timeout(PATIENCE / 4).start_deadline(PATIENCE)
}

async fn node(url: &str) -> Node {
    node_with(config(url), Hub::builder().history(100_000)).await
}

async fn node_with(config: PostgresConfig, builder: HubBuilder) -> Node {
    let log = PostgresLog::connect(config).await.expect("PostgreSQL is there");
    let postgres = log.monitor();
    Node { hub: builder.log(log).build().expect("the settings are right"), postgres }
}

/// A connection of the app.
async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("PostgreSQL is there");
    tokio::spawn(connection);
    client
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

async fn publish(node: &Node, name: &str, data: impl Into<String>) -> EventId {
    node.hub.publish(&topic(name), Event::new(data)).await.expect("it is appended").id
}

/// Returns the next delivery, heartbeats aside.
async fn next(stream: &mut Subscription) -> Delivery {
    let delivery = async {
        loop {
            match stream.recv().await.expect("the stream goes on") {
                Delivery::Heartbeat { .. } => {}
                delivery => return delivery,
            }
        }
    };
    in_time("something comes", delivery).await
}

/// The id and the data of the next event.
async fn event(stream: &mut Subscription) -> (EventId, String) {
    match next(stream).await {
        Delivery::Entry(entry) => (entry.id(), entry.message().data.clone()),
        other => panic!("an event was expected, not {other:?}"),
    }
}

async fn gap(stream: &mut Subscription) -> Gap {
    match next(stream).await {
        Delivery::Gap(gap) => gap,
        other => panic!("a gap was expected, not {other:?}"),
    }
}
