//! The SQL functions keep the rules of the Rust types.

use sse_kit_event::{Event, EventName, Topic};
use sse_kit_test_support::rng;
use tokio_postgres::error::SqlState;

use crate::{client, node, server};

/// Texts of characters at which rules change.
fn text(random: &mut fastrand::Rng) -> String {
    const PARTS: [&str; 20] = [
        "a", "b", ":", "::", "*", " ", "sse-kit", "sse-kit:", "open", "error", "message", "é",
        "🦀", "\n", "\r\n", "\r", "\t", "\u{7f}", "\u{85}", "\u{a0}",
    ];
    let long = "x".repeat(random.usize(250..260));
    let parts = (0..random.usize(0..5)).map(|_| match random.usize(0..=PARTS.len()) {
        n if n < PARTS.len() => PARTS[n],
        _ => &long,
    });
    parts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_accepts_what_rust_accepts_and_encodes_it_in_the_same_way() {
    let (_, url) = server().create_database();
    let _node = node(&url).await;
    let client = client(&url).await;
    let mut random = rng();
    for _ in 0..400 {
        let (topic, name, data) = (text(&mut random), text(&mut random), text(&mut random));
        let is_name = EventName::new(&name).is_ok();
        let name = (!name.is_empty()).then_some(name);
        let expected = Topic::new(&topic).is_ok() && (is_name || name.is_none());
        let published =
            client.query("select sse.publish($1, $2, $3)", &[&topic, &name, &data]).await;
        assert_eq!(published.is_ok(), expected, "{topic:?} {name:?}: {published:?}");
        if let Err(error) = published {
            assert_eq!(error.code().map(SqlState::code), Some("22023"), "{error:?}");
        }
        let event = Event::new(&*data);
        let event = match name.as_deref().map(EventName::new) {
            Some(Ok(name)) => event.with_name(name),
            None => event,
            Some(Err(_)) => continue,
        };
        let encoded = client.query_one("select sse.encode($1, $2)", &[&name, &data]).await;
        let encoded: Vec<u8> = encoded.expect("it is encoded").get(0);
        assert_eq!(encoded, event.encode().as_bytes(), "{name:?} {data:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said() {
    let (_, url) = server().create_database();
    let _node = node(&url).await;
    let client = client(&url).await;
    for (arguments, said) in [
        ("null", "topic NULL is missing"),
        ("'a', null, null", "the data of an event is null"),
        ("'a', null, 'x', ''", "event key '' has not 1 to 256 bytes"),
        ("'a', null, 'x', null, 'a b'", "idempotency key 'a b' has not 1 to 128 visible ASCII"),
        ("'jobs:*'", "topic 'jobs:*' contains `*`; only subscriptions may use patterns"),
    ] {
        let refused = client.batch_execute(&format!("select sse.publish({arguments})")).await;
        let error = refused.expect_err(arguments);
        let message = error.as_db_error().expect("PostgreSQL says it").message().to_owned();
        assert!(message.starts_with(said), "{message}");
    }
}
