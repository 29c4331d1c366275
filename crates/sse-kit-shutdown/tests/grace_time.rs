//! Everything continues while clients have time to read the goodbye.

use std::time::Duration;

use sse_kit_broadcast::{Delivery, Hub};
use sse_kit_event::{Event, Topic};
use sse_kit_shutdown::{Ended, Phase, ProgressLine, Shutdown};

#[tokio::test(start_paused = true)]
async fn everything_goes_on_while_clients_have_time_to_read() {
    let hub = Hub::new();
    let topic: Topic = "t".parse().expect("a topic");
    let mut stream = hub.subscribe(&topic).open().expect("it is open");
    for n in 0..100 {
        hub.publish(&topic, Event::new(n.to_string())).await.expect("it is open");
    }
    let shutdown = Shutdown::builder()
        .hub(hub.clone())
        .shutdown_delay(Duration::from_secs(60))
        .deadline(Duration::from_secs(100))
        .progress_line(ProgressLine::Never)
        .build();
    let closed = shutdown.reached(Phase::Closed);
    // On the one thread that the sequence runs on too: a loop that is blocked would read nothing.
    let reading = tokio::spawn(async move {
        closed.await;
        let mut events = 0;
        while let Some(delivery) = stream.recv().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
            events += usize::from(matches!(delivery, Delivery::Entry(_)));
        }
        events
    });
    shutdown.trigger();
    let serving = async { reading.await.expect("no panic") };
    let outcome = shutdown.run(None, serving).await;
    assert_eq!((outcome.ended, outcome.served), (Ended::Drained, Some(100)));
}
