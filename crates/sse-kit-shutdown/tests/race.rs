//! Publishing while the signal comes.

use sse_kit_broadcast::{Delivery, Hub, PublishError};
use sse_kit_event::{Event, Topic};
use sse_kit_shutdown::{Ended, ProgressLine, Shutdown};
use sse_kit_test_support::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_publish_that_races_the_signal_is_delivered_or_an_error_a_thousand_times() {
    let topic: Topic = "t".parse().expect("a topic");
    let mut refused = 0;
    for round in 0_u32..1000 {
        let hub = Hub::builder().history(1_000_000).build().expect("within a runtime");
        let settings = Shutdown::builder().hub(hub.clone()).shutdown_delay(PATIENCE);
        let settings = settings.deadline(2 * PATIENCE).progress_line(ProgressLine::Never);
        let shutdown = settings.build();
        let mut stream = hub.subscribe(&topic).open().expect("it is open");
        let reading = tokio::spawn(async move {
            let (mut ids, mut goodbyes) = (Vec::new(), 0);
            while let Some(delivery) = stream.recv().await {
                match delivery {
                    Delivery::Entry(entry) => ids.push(entry.id()),
                    Delivery::Goodbye(_) => goodbyes += 1,
                    other => panic!("{other:?}"),
                }
            }
            (ids, goodbyes)
        });
        let (publisher, to) = (hub.clone(), topic.clone());
        let publishing = tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                match publisher.publish(&to, Event::new("x")).await {
                    Ok(receipt) => ids.push(receipt.id),
                    Err(error) => return (ids, error),
                }
                assert!(ids.len() < 1_000_000, "it never ends");
            }
        });
        // Each round at another moment.
        for _ in 0..round % 50 {
            tokio::task::yield_now().await;
        }
        shutdown.trigger();
        let serving = async { reading.await.expect("no panic") };
        let outcome = shutdown.run(None, serving).await;
        assert_eq!(outcome.ended, Ended::Drained);
        let (published, error) = publishing.await.expect("no panic");
        assert!(matches!(error, PublishError::Closed), "{error}");
        refused += 1;
        let (read, goodbyes) = outcome.served.expect("it ended");
        assert_eq!((read, goodbyes), (published, 1), "round {round}");
    }
    assert_eq!(refused, 1000);
}
