//! The search for what a new subscriber begins with: how much it may hold, and what ends it.

mod receiving;

use std::sync::Arc;

use parking_lot::Mutex;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Broadcaster, ConnectionSet, Inlet, Log, Record, Start,
};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, EventKey, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A log whose way back is in the hands of the test.
#[derive(Clone, Debug, Default)]
struct Remote(Arc<Mutex<Option<Inlet>>>);

impl Log for Remote {
    fn position(&self) -> EventId {
        id(1, 0)
    }

    fn attach(&self, inlet: Inlet) {
        *self.0.lock() = Some(inlet);
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }
}

fn id(epoch: u64, offset: u64) -> EventId {
    EventId::new(Epoch::new(epoch), offset)
}

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

#[tokio::test(start_paused = true)]
async fn a_search_holds_no_more_than_a_queue() -> TestResult {
    // With what surrounds them, three of these are more than 2,000 bytes.
    let hub = Broadcaster::builder().queue_bytes(2000).build()?;
    let text = |n: usize| format!("{n}{}", "x".repeat(500));
    for n in 0..10 {
        let key = EventKey::new(&n.to_string())?;
        hub.publish(&topic(), Event::new(text(n)).keyed(key)).await?;
    }
    for start in [Start::Last(usize::MAX), Start::PerKey] {
        let mut subscription = hub.subscribe(topic()).start(start).open()?;
        let mut all = received(&mut subscription).await;
        all.extend(received(&mut subscription).await);
        assert_eq!(all, [7, 8, 9].map(|n| data(&text(n))), "from {start:?}");
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_search_finds_nothing_of_an_epoch_that_began_since() -> TestResult {
    let log = Remote::default();
    let hub = Broadcaster::builder().log(log.clone()).build()?;
    let deliver = |id, text: &str| {
        let record = Record {
            audience: topic().into(),
            key: None,
            except: ConnectionSet::default(),
            event: Event::new(text).encode(),
        };
        log.0.lock().as_ref().expect("it was attached").deliver(id, record)
    };
    for offset in 1..=3 {
        deliver(id(1, offset), "old")?;
    }
    let mut subscription = hub.subscribe(topic()).start(Start::Last(5)).open()?;
    log.0.lock().as_ref().expect("it was attached").begin_epoch(id(2, 0))?;
    deliver(id(2, 1), "new")?;
    settle().await;
    let mut all = received(&mut subscription).await;
    all.extend(received(&mut subscription).await);
    assert_eq!(all, [Received::Gap(Some(3), 0, GapReason::UnknownEpoch), data("new")]);
    Ok(())
}
