//! Everything continues while clients have time to read the goodbye.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Delivery, Hub, Inlet, Log, MemoryLog,
};
use sse_kit_event::{Event, EventId, Topic};
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

/// A log that takes a while to write what it has after it was closed.
#[derive(Debug)]
struct SlowLog {
    inner: MemoryLog,
    is_closed: Arc<AtomicBool>,
    has_ended: Arc<AtomicBool>,
}

impl Log for SlowLog {
    fn position(&self) -> EventId {
        self.inner.position()
    }

    fn attach(&self, inlet: Inlet) {
        self.inner.attach(inlet);
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        self.inner.append(append)
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    fn closed(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            assert!(self.is_closed.load(Ordering::Relaxed), "nobody waits for a log that is open");
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.has_ended.store(true, Ordering::Relaxed);
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_write_of_the_log_is_waited_for() -> Result<(), Box<dyn std::error::Error>> {
    let has_ended = Arc::new(AtomicBool::new(false));
    let log = SlowLog {
        inner: MemoryLog::new()?,
        is_closed: Arc::default(),
        has_ended: Arc::clone(&has_ended),
    };
    let hub = Hub::builder().log(log).build()?;
    let shutdown = Shutdown::builder()
        .hub(hub.clone())
        .shutdown_delay(Duration::from_secs(60))
        .deadline(Duration::from_secs(100))
        .progress_line(ProgressLine::Never)
        .build();
    shutdown.trigger();
    let outcome = shutdown.run(None, std::future::ready(())).await;
    assert_eq!(outcome.ended, Ended::Drained);
    assert!(has_ended.load(Ordering::Relaxed));
    Ok(())
}
