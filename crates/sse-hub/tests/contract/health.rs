//! The answers of a hub to load balancers and orchestrators.

use crate::server::Server;

#[tokio::test]
async fn a_hub_that_drains_is_neither_well_nor_ready_and_goes_on_before_it_ends() {
    let mut hub = Server::start("--pre-drain 600").await;
    let mut stream = hub.open("topic=a").await;
    assert_eq!(hub.get("/readyz").await.0, 200);
    hub.signal("TERM").await;
    hub.await_draining().await;
    for path in ["/healthz", "/readyz"] {
        let (status, body) = hub.get(path).await;
        assert_eq!(
            (status, &body["error"]),
            (503.try_into().unwrap(), &"draining".into()),
            "{path}"
        );
    }
    hub.publish("topic=a", "still").await;
    assert_eq!(stream.data().await, "still");
    hub.signal("KILL").await;
    hub.exit().await;
}
