//! Deliveries can be read back as the events that were published.

use sse_kit_broadcast::{ConnectionId, Delivery, Hub};
use sse_kit_event::{Event, Topic};
use sse_kit_test_support::TestResult;

#[tokio::test]
async fn a_delivery_gives_back_its_event() -> TestResult {
    let hub = Hub::new();
    let topic: Topic = "a".parse()?;
    let mut page = hub.subscribe(&topic).id("page".parse::<ConnectionId>()?).open()?;

    let event = Event::new("one\r\n\ntwo: ü").with_name("n".parse()?).with_comment("c");
    hub.publish(&topic, event).await?;
    let delivery = page.recv().await.ok_or("an event")?;
    let message = delivery.message().ok_or("a message")?;
    assert_eq!((&*message.name, &*message.data), ("n", "one\n\ntwo: ü"));
    let Delivery::Entry(entry) = delivery else { return Err("not of the log".into()) };
    assert_eq!(message.last_event_id, entry.id().to_string());

    hub.send_to(&"page".parse()?, &Event::new("for you"))?;
    let direct = page.recv().await.and_then(|delivery| delivery.message()).ok_or("a message")?;
    assert_eq!((&*direct.name, &*direct.data, &*direct.last_event_id), ("message", "for you", ""));
    Ok(())
}
