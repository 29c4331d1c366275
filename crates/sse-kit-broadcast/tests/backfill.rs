//! Events that history has no more are read from the log: nothing is lost meanwhile, and no client takes
//! all turns.

mod receiving;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Delivery, Goodbye, Hub, Inlet, Log, LogPage,
    ReadError, Record, SlowConsumer, SubscribeError, Subscription, SubscriptionBuilder,
};
use sse_kit_event::control::GapReason;
use sse_kit_event::{ConnectionId, Epoch, Event, EventId, EventKey, LastEventId, Topic};
use sse_kit_test_support::in_time;
use tokio::sync::Semaphore;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A log that keeps everything. It answers as many reads as the test lets it.
#[derive(Clone, Debug)]
struct Kept {
    state: Arc<Mutex<State>>,
    answers: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    inlet: Option<Inlet>,
    records: Vec<(EventId, Record)>,
    reads: usize,
    /// The maximum number of records in a page, if the log has one.
    page: Option<usize>,
}

impl Log for Kept {
    fn position(&self) -> EventId {
        id(0)
    }

    fn attach(&self, inlet: Inlet) {
        self.state.lock().inlet = Some(inlet);
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }

    fn read(&self, after: EventId, limit: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        self.state.lock().reads += 1;
        Box::pin(async move {
            self.answers.acquire().await.expect("it is open").forget();
            let state = self.state.lock();
            let later = state.records.iter().filter(|(id, _)| id.offset() > after.offset());
            let limit = state.page.map_or(limit, |page| page.min(limit));
            let records: Vec<_> = later.take(limit).cloned().collect();
            let through = records.last().map_or(after, |(id, _)| *id);
            Ok(LogPage::new(records, through))
        })
    }
}

impl Kept {
    fn new() -> Self {
        Self { state: Arc::default(), answers: Arc::new(Semaphore::new(0)) }
    }

    fn deliver(&self, offsets: impl IntoIterator<Item = u64>) {
        self.deliver_with(offsets, |offset| Event::new(offset.to_string()));
    }

    fn deliver_with(&self, offsets: impl IntoIterator<Item = u64>, event: impl Fn(u64) -> Event) {
        for offset in offsets {
            let event = event(offset);
            let record = Record::new(topic(), event.encode()).with_key(event.key().cloned());
            let mut state = self.state.lock();
            state.records.push((id(offset), record.clone()));
            let inlet = state.inlet.as_ref().expect("it was attached");
            inlet.deliver(id(offset), record).expect("it follows");
        }
    }

    fn begin_epoch(&self, epoch: u64) {
        let mut state = self.state.lock();
        state.records.clear();
        let inlet = state.inlet.as_ref().expect("it was attached");
        inlet.begin_epoch(EventId::new(Epoch::new(epoch), 0)).expect("it is a new one");
    }

    fn reads(&self) -> usize {
        self.state.lock().reads
    }
}

fn id(offset: u64) -> EventId {
    EventId::new(Epoch::new(1), offset)
}

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

fn all(offsets: impl IntoIterator<Item = u64>) -> Vec<Received> {
    offsets.into_iter().map(|offset| data(&offset.to_string())).collect()
}

/// A hub whose history has the newest event alone.
fn hub(log: &Kept) -> Result<Hub, Box<dyn std::error::Error>> {
    Ok(Hub::builder().log(log.clone()).history(1).build()?)
}

fn old(hub: &Hub) -> SubscriptionBuilder {
    hub.subscribe(topic()).resume(LastEventId::from(id(1)))
}

/// Opens a subscription that lacks something, and has the log let it wait.
fn backfill(
    subscribe: SubscriptionBuilder,
) -> BoxFuture<'static, Result<Subscription, SubscribeError>> {
    let mut reading: BoxFuture<'static, _> = Box::pin(subscribe.backfill());
    assert!(reading.as_mut().now_or_never().is_none(), "it waits for the log");
    reading
}

#[tokio::test]
async fn what_history_loses_while_the_log_is_read_is_not_lost() -> TestResult {
    use SlowConsumer::{Conflate, Disconnect, DropOldest, Heal};
    for policy in [Heal, Conflate, DropOldest, Disconnect] {
        let log = Kept::new();
        let hub = hub(&log)?;
        log.deliver(1..=10);
        let reading = backfill(old(&hub).slow_consumer(policy));
        log.deliver(11..=20);
        settle().await;
        log.answers.add_permits(1);
        let mut subscription = reading.await?;
        assert!(!subscription.begins_with_gap());
        assert_eq!(received(&mut subscription).await, all(2..=20), "{policy:?}");
        log.deliver([21]);
        settle().await;
        assert_eq!(received(&mut subscription).await, all([21]));
        assert_eq!((log.reads(), hub.stats().backfilled, hub.stats().gaps), (1, 1, 0));
        let backfill = hub.stats().backfill;
        assert_eq!((backfill.count(), backfill.sum), (1, 9));
    }
    Ok(())
}

/// More than its queue takes is published meanwhile; none of that is held against it.
#[tokio::test]
async fn a_connection_that_is_read_for_is_not_slow() -> TestResult {
    for policy in [SlowConsumer::Heal, SlowConsumer::DropOldest, SlowConsumer::Disconnect] {
        let log = Kept::new();
        let hub = Hub::builder().log(log.clone()).history(50).build()?;
        log.deliver(1..=60);
        let reading = backfill(old(&hub).slow_consumer(policy).queue(5));
        log.deliver(61..=100);
        settle().await;
        log.answers.add_permits(1);
        assert_eq!(received(&mut reading.await?).await, all(2..=100), "{policy:?}");
    }
    Ok(())
}

#[tokio::test]
async fn no_more_is_read_than_history_lacks() -> TestResult {
    let log = Kept::new();
    let hub = Hub::builder().log(log.clone()).history(500).history_bytes(1 << 20).build()?;
    log.deliver(1..=510);
    log.answers.add_permits(9);
    let mut subscription = old(&hub).queue(1000).backfill().await?;
    assert_eq!(received(&mut subscription).await, all(2..=510));
    assert_eq!(log.reads(), 1);
    Ok(())
}

/// The client knows that event: a page would load more again than it lacks.
#[tokio::test(start_paused = true)]
async fn a_gap_after_a_backfill_begins_after_the_last_event_of_that() -> TestResult {
    for page in [None, Some(3)] {
        let log = Kept::new();
        log.state.lock().page = page;
        log.answers.add_permits(9);
        let hub = Hub::builder().log(log.clone()).history(7).build()?;
        log.deliver(1..=10);
        let subscribe = old(&hub).slow_consumer(SlowConsumer::DropOldest).queue(7);
        let mut subscription = subscribe.backfill().await?;
        assert_eq!(received(&mut subscription).await, all(2..=10));
        log.deliver(11..=20);
        settle().await;
        let mut expected = vec![Received::Gap(Some(10), 13, GapReason::Dropped)];
        expected.extend(all(14..=20));
        assert_eq!(received(&mut subscription).await, expected);
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_after_a_backfill_says_nothing_that_the_client_knows() -> TestResult {
    let log = Kept::new();
    log.answers.add_permits(9);
    let hub = Hub::builder().log(log.clone()).history(1).build()?;
    log.deliver(1..=10);
    let mut subscription = old(&hub).backfill().await?;
    assert_eq!(received(&mut subscription).await, all(2..=10));
    let beat = in_time("a heartbeat", subscription.recv()).await;
    assert!(matches!(beat, Some(Delivery::Heartbeat { position: None })), "{beat:?}");
    Ok(())
}

#[tokio::test]
async fn where_the_log_does_not_help_there_is_a_gap() -> TestResult {
    let log = Kept::new();
    let hub = hub(&log)?;
    log.deliver(1..=10);
    let reading = backfill(old(&hub));
    log.deliver(11..=15);
    settle().await;
    log.state.lock().records.clear();
    log.answers.add_permits(1);
    let mut subscription = reading.await?;
    assert!(subscription.begins_with_gap());
    let gap = Received::Gap(Some(1), 14, GapReason::Trimmed);
    assert_eq!(received(&mut subscription).await, [gap, data("15")]);
    Ok(())
}

/// As a queue does.
#[tokio::test]
async fn a_single_event_may_be_larger_than_the_queue() -> TestResult {
    let log = Kept::new();
    log.state.lock().page = Some(1);
    log.answers.add_permits(10);
    let hub = Hub::builder().log(log.clone()).history(1).queue_bytes(1000).build()?;
    let large = "x".repeat(10_000);
    log.deliver_with(1..=2, |_| Event::new(&*large));
    log.deliver([3]);
    assert_eq!(received(&mut old(&hub).backfill().await?).await, [data(&large), data("3")]);

    log.deliver([4]);
    let gap = Received::Gap(Some(1), 3, GapReason::Trimmed);
    assert_eq!(received(&mut old(&hub).backfill().await?).await, [gap, data("4")]);
    Ok(())
}

/// Each stream has its own copy of what was read for it, until its client takes that.
#[tokio::test]
async fn all_streams_share_the_memory_for_what_was_read() -> TestResult {
    for policy in [SlowConsumer::Heal, SlowConsumer::Conflate] {
        let log = Kept::new();
        let hub = Hub::builder().log(log.clone()).history(1).backfill_bytes(30_000).build()?;
        let key: EventKey = "same".parse()?;
        log.deliver_with(1..=12, |offset| {
            Event::new(format!("{offset:01000}")).with_key(key.clone())
        });
        log.answers.add_permits(100);
        let mut streams = Vec::new();
        for _ in 0..5 {
            streams.push(old(&hub).slow_consumer(policy).backfill().await?);
        }
        let gaps = streams.iter().filter(|stream| stream.begins_with_gap()).count();
        // Of two events with the same key, the newer one alone is kept.
        assert_eq!(gaps, if policy == SlowConsumer::Conflate { 0 } else { 3 });

        // What was taken, or is dropped unread, is room for others.
        received(&mut streams[0]).await;
        let next = old(&hub).slow_consumer(policy).backfill().await?;
        assert!(!next.begins_with_gap());
        drop(next);
        streams.clear();
        for _ in 0..2 {
            streams.push(old(&hub).slow_consumer(policy).backfill().await?);
        }
        assert!(!streams.iter().any(Subscription::begins_with_gap));
    }
    Ok(())
}

/// A log that never answers keeps no stream from its pages, and no turn from other streams.
#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_answer_is_a_gap() -> TestResult {
    let log = Kept::new();
    let hub = hub(&log)?;
    log.deliver(1..=10);
    let reading: Vec<_> = (0..20).map(|_| old(&hub).backfill()).collect();
    let subscriptions = in_time("all of them", join_all(reading)).await;
    for subscription in subscriptions {
        let gap = Received::Gap(Some(1), 9, GapReason::Trimmed);
        assert_eq!(received(&mut subscription?).await, [gap, data("10")]);
    }
    assert!(log.reads() < 20);

    // The turns are free again.
    log.answers.add_permits(1);
    assert_eq!(received(&mut old(&hub).backfill().await?).await, all(2..=10));
    Ok(())
}

#[tokio::test]
async fn a_log_that_begins_anew_meanwhile_is_a_gap_from_what_the_client_has() -> TestResult {
    let log = Kept::new();
    let hub = hub(&log)?;
    log.deliver(1..=10);
    let reading = backfill(old(&hub));
    log.deliver(11..=15);
    settle().await;
    log.begin_epoch(2);
    log.answers.add_permits(1);
    let mut subscription = reading.await?;
    assert!(subscription.begins_with_gap());
    let gap = Received::Gap(Some(1), 0, GapReason::UnknownEpoch);
    assert_eq!(received(&mut subscription).await, [gap]);
    Ok(())
}

#[tokio::test]
async fn a_drain_meanwhile_loses_nothing() -> TestResult {
    let log = Kept::new();
    let hub = hub(&log)?;
    log.deliver(1..=10);
    let reading = backfill(old(&hub));
    log.deliver(11..=15);
    hub.shut_down(Goodbye::StayAway);
    settle().await;
    log.answers.add_permits(1);
    let mut expected = all(2..=15);
    expected.extend([Received::Goodbye(Goodbye::StayAway), Received::End]);
    assert_eq!(received(&mut reading.await?).await, expected);
    Ok(())
}

/// Whichever way the backfill ends: by history, by a gap, or by the log alone.
#[tokio::test]
async fn a_connection_that_ends_meanwhile_gets_nothing_published_after_that() -> TestResult {
    for (page, bytes, expected) in
        [(Some(6), 1 << 20, all(2..=7)), (None, 1, vec![]), (None, 1 << 20, all(2..=10))]
    {
        for replaced in [false, true] {
            let log = Kept::new();
            log.state.lock().page = page;
            let hub = Hub::builder().log(log.clone()).history(5).queue_bytes(bytes).build()?;
            log.deliver(1..=10);
            let connection = ConnectionId::new("tab")?;
            let reading = backfill(old(&hub).id(connection.clone()));
            let mut expected = expected.clone();
            let _newer;
            if replaced {
                _newer = hub.subscribe(topic()).id(connection).open()?;
            } else {
                assert!(hub.dismiss(&connection, Goodbye::StayAway));
                expected.push(Received::Goodbye(Goodbye::StayAway));
            }
            log.deliver([11]);
            settle().await;
            log.answers.add_permits(1);
            expected.push(Received::End);
            assert_eq!(received(&mut reading.await?).await, expected);
            assert_eq!((log.reads(), hub.stats().gaps), (1, 0));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_leaves_meanwhile_leaves_nothing_behind() -> TestResult {
    let log = Kept::new();
    let hub = hub(&log)?;
    log.deliver(1..=10);
    let reading = backfill(old(&hub));
    assert_eq!(hub.stats().connections, 1);
    drop(reading);
    assert_eq!(hub.stats().connections, 0);
    Ok(())
}

/// 200 streams of one client, each of which lacks pages of the log; and then one of another client. The
/// log answers one read at a time.
#[tokio::test(start_paused = true)]
async fn a_greedy_client_does_not_keep_others_from_the_log() -> TestResult {
    for lacks in [20, 2000] {
        let log = Kept::new();
        let hub = hub(&log)?;
        log.deliver(1..=lacks);
        let greedy = (0..200).map(|_| old(&hub).client("greedy").queue(5000).backfill());
        let mut greedy = Box::pin(join_all(greedy));
        assert!(greedy.as_mut().now_or_never().is_none());
        assert!(log.reads() <= 2, "{} of its streams read", log.reads());
        let mut polite = Box::pin(old(&hub).client("polite").queue(5000).backfill());
        let (pages, mut answered) = (lacks.div_ceil(256), 0);
        let mut subscription = loop {
            if let Some(subscription) = polite.as_mut().now_or_never() {
                break subscription?;
            }
            log.answers.add_permits(1);
            answered += 1;
            assert!(answered < 1000, "it is never its turn");
            assert!(greedy.as_mut().now_or_never().is_none());
        };
        assert_eq!(received(&mut subscription).await, all(2..=lacks));
        // Its own reads, and no more than those of two streams beside or before it.
        assert!(answered <= 3 * pages + 1, "after {answered} reads, for {pages} pages");
        log.answers.add_permits(10_000);
        let (opened, refused): (Vec<_>, Vec<_>) = greedy.await.into_iter().partition(Result::is_ok);
        assert!(opened.len() >= 64, "{} were opened", opened.len());
        assert!(!refused.is_empty());
        let reason = |refused: Result<_, _>| refused.err();
        let mut reasons = refused.into_iter().filter_map(reason);
        assert!(reasons.all(|reason| reason == SubscribeError::TooManyReplays));
    }
    Ok(())
}
