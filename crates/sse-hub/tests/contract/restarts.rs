//! A hub with a store or a database, from one process to the next.

use serde_json::Value;
use sse_kit_test_support::postgres;

use crate::server::Server;

#[tokio::test]
async fn a_hub_with_a_store_continues_after_it_was_killed() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = format!("--history 2 --store {}", directory.path().join("store").display());
    let mut hub = Server::start(&options).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(hub.publish("topic=a", &n.to_string()).await);
    }
    hub.signal("KILL").await;
    hub.exit().await;

    let mut hub = Server::start(&options).await;
    // More than history holds comes from the files.
    let mut stream = hub.open(&format!("topic=a&last_event_id={}", ids[0])).await;
    let (epoch, last) = ids[4].split_once('-').expect("-");
    assert_eq!(stream.hello["continues"], Value::from(vec![format!("{epoch}-{last}")]));
    for n in 1..5 {
        assert_eq!(stream.data().await, n.to_string());
    }
    let condition = format!("topic=a&if_newest={}", ids[4]);
    let id = hub.publish(&condition, "5").await;
    assert!(id.ends_with("-6"), "{id}");
    assert_eq!(stream.data().await, "5");
    let (_, stats) = hub.get("/stats").await;
    assert_eq!((&stats["store"]["up"], &stats["store"]["events"]), (&true.into(), &6.into()));
    hub.signal("TERM").await;
    hub.exit().await;

    let hub = Server::start(&options).await;
    for (seen, rest) in [(&ids[3], vec!["4", "5"]), (&id, vec![])] {
        let mut stream = hub.open(&format!("topic=a&last_event_id={seen}")).await;
        hub.publish("topic=a", "end").await;
        for data in rest {
            assert_eq!(stream.data().await, data);
        }
        assert_eq!(stream.data().await, "end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_on_a_database_share_it_with_transactions_and_continue_after_they_were_killed() {
    let mut database = postgres::Server::start(&[]);
    let options = format!("--postgres {} --postgres-deadline 60", database.url());
    let mut first = Server::start(&options).await;
    let second = Server::start(&options).await;
    let mut stream = second.open("topic=a").await;
    let id = first.publish("topic=a", "by the first").await;
    assert_eq!(stream.data().await, "by the first");
    database.psql("postgres", "begin; select sse.publish('a', null, 'lost'); rollback");
    database.psql("postgres", "select sse.publish('a', null, 'by a transaction')");
    assert_eq!(stream.data().await, "by a transaction");
    first.signal("KILL").await;
    first.exit().await;
    let last = second.publish("topic=a", "by the second").await;
    assert_eq!(stream.data().await, "by the second");

    let first = Server::start(&options).await;
    let mut resumed = first.open(&format!("topic=a&last_event_id={id}")).await;
    for data in ["by a transaction", "by the second"] {
        assert_eq!(resumed.data().await, data);
    }
    // A restart of the database loses nothing, and no stream is told.
    database.kill();
    database.restart();
    let condition = format!("topic=a&if_newest={last}");
    first.publish(&condition, "after the restart").await;
    for stream in [&mut stream, &mut resumed] {
        assert_eq!(stream.data().await, "after the restart");
    }
    let (_, stats) = first.get("/stats").await;
    assert_eq!(stats["postgres"]["up"], Value::from(true));
    assert!(!stats.to_string().contains("postgres://"), "{stats}");
}
