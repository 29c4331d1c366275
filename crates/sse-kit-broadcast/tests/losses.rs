//! Losses of a topic: events that the log lost, and those that were forgotten with the topic.

mod receiving;

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use parking_lot::Mutex;
use receiving::{data, received, settle};
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Hub, Inlet, Log, LogPage, ReadError, Record,
};
use sse_kit_event::{Audience, Epoch, Event, EventId, LastEventId, Topic, Topics};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The number of topics that are remembered although nothing of them is left.
const REMEMBERED: usize = 16_384;

/// A log that keeps everything; its way back is in the hands of the test.
#[derive(Clone, Debug, Default)]
struct Remote(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    inlet: Option<Inlet>,
    records: Vec<(EventId, Record)>,
}

impl Log for Remote {
    fn position(&self) -> EventId {
        id(0)
    }

    fn attach(&self, inlet: Inlet) {
        self.0.lock().inlet = Some(inlet);
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        let records = self.0.lock().records.clone().into_iter();
        let later = records.filter(|(id, _)| id.offset() > after.offset());
        let records: Vec<_> = later.take(limit).collect();
        let through = records.last().map_or(after, |(id, _)| *id);
        Box::pin(std::future::ready(Ok(LogPage::new(records, through))))
    }
}

impl Remote {
    fn deliver(&self, offset: u64, topic: &Topic) {
        let record = Record::new(topic, Event::new(offset.to_string()).encode());
        let mut state = self.0.lock();
        state.records.push((id(offset), record.clone()));
        let inlet = state.inlet.as_ref().expect("it was attached");
        inlet.deliver(id(offset), record).expect("it follows");
    }
}

fn id(offset: u64) -> EventId {
    EventId::new(Epoch::new(1), offset)
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

#[tokio::test]
async fn the_newest_event_of_a_topic_may_be_among_those_that_the_log_lost() -> TestResult {
    let log = Remote::default();
    let _hub = Hub::builder().log(log.clone()).build()?;
    log.deliver(1, &topic("a"));
    let newest = |name: &str| {
        let state = log.0.lock();
        state.inlet.as_ref().expect("it was attached").newest(&Audience::from(topic(name)))
    };
    assert_eq!((newest("a")?, newest("b")?), (id(1), id(0)));
    log.0.lock().inlet.as_ref().expect("it was attached").mark_lost_through(9)?;
    assert_eq!((newest("a")?, newest("b")?), (id(9), id(9)));
    log.deliver(10, &topic("a"));
    assert_eq!((newest("a")?, newest("b")?), (id(10), id(9)));
    Ok(())
}

#[tokio::test]
async fn what_a_forgotten_topic_lacks_is_read_from_the_log() -> TestResult {
    let log = Remote::default();
    // Room for the newest event.
    let hub = Hub::builder().log(log.clone()).history_bytes(700).build()?;
    for offset in 1..=3 {
        log.deliver(offset, &topic("a"));
    }
    log.deliver(4, &topic("b"));
    for n in 0..REMEMBERED {
        drop(hub.subscribe(topic(&n.to_string())).open()?);
    }
    let subscribe = hub.subscribe(topic("a")).resume(LastEventId::from(id(1)));
    let mut subscription = subscribe.backfill().await?;
    settle().await;
    assert_eq!(received(&mut subscription).await, [data("2"), data("3")]);
    Ok(())
}

#[tokio::test]
async fn looking_for_what_may_be_missing_lets_others_run() -> TestResult {
    let log = Remote::default();
    let hub = Hub::builder().log(log.clone()).build()?;
    for offset in 1..=1000 {
        log.deliver(offset, &topic(&offset.to_string()));
    }
    let patterns = (0..Topics::MAX_PATTERNS).map(|n| format!("*:{n}"));
    let topics = Topics::parse(patterns.collect::<Vec<_>>())?;
    let subscribe = hub.subscribe(topics).resume(LastEventId::from(id(0)));
    let mut search = pin!(subscribe.backfill());
    assert!(search.as_mut().now_or_never().is_none(), "it looked through all of it at once");
    let mut subscription = search.await?;
    assert!(!subscription.begins_with_gap());
    assert!(received(&mut subscription).await.is_empty());
    Ok(())
}
