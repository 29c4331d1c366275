//! Several hubs, each with its share of the topics.

use sse_kit_broadcast::{Hub, HubRouter, HubRouterError};
use sse_kit_event::Topics;

#[tokio::test]
async fn a_stream_is_on_one_hub() {
    let router = HubRouter::new((0..8).map(|_| Hub::new())).expect("there are some");
    let topics = |names: &[&str]| Topics::parse(names).expect("topics");
    assert!(router.hub_of(&topics(&["rooms:1", "rooms:*", "rooms"])).is_ok());
    assert_eq!(router.hub_of(&topics(&["*:1"])).unwrap_err(), HubRouterError::Everywhere);
    let all: Vec<_> = (0..8).map(|n| format!("name-{n}")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(router.hub_of(&topics(&all)).unwrap_err(), HubRouterError::Several);
    assert_eq!(HubRouter::new([]).unwrap_err(), HubRouterError::NoHubs);
}
