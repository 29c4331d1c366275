//! A hub with a store, from one process to the next.

use serde_json::Value;

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
