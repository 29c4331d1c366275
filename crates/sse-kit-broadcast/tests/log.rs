//! The calls that a log may make to its inlet.

mod receiving;

use std::sync::{Arc, OnceLock};

use receiving::{Received, data, received, settle};
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, ConnectionId, ConnectionSet, Hub, Inlet, InletError,
    Log, Record, SlowConsumer, Start,
};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn topic() -> Topic {
    "t".parse().expect("a topic")
}

fn record(text: &str) -> Record {
    Record::new(topic(), Event::new(text).encode())
}

fn id(epoch: u64, offset: u64) -> EventId {
    EventId::new(Epoch::new(epoch), offset)
}

/// A log whose records come from elsewhere, the first as soon as they can.
#[derive(Debug)]
struct Remote {
    position: EventId,
    at_once: Vec<&'static str>,
    inlet: Arc<OnceLock<Inlet>>,
}

impl Log for Remote {
    fn position(&self) -> EventId {
        self.position
    }

    fn attach(&self, inlet: Inlet) {
        for (text, offset) in self.at_once.iter().zip(self.position.offset() + 1..) {
            let id = EventId::new(self.position.epoch(), offset);
            inlet.deliver(id, record(text)).expect("it is open");
        }
        self.inlet.set(inlet).expect("it is attached once");
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }
}

struct Far {
    hub: Hub,
    inlet: Arc<OnceLock<Inlet>>,
}

impl Far {
    fn new(
        position: EventId,
        at_once: &[&'static str],
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let inlet = Arc::<OnceLock<Inlet>>::default();
        let log = Remote { position, at_once: at_once.to_vec(), inlet: Arc::clone(&inlet) };
        Ok(Self { hub: Hub::builder().queue(3).log(log).build()?, inlet })
    }

    fn inlet(&self) -> &Inlet {
        self.inlet.get().expect("it is attached")
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_log_delivers_at_once_is_not_lost() -> TestResult {
    let far = Far::new(id(1, 7), &["8", "9"])?;
    assert_eq!(far.hub.cursor(), id(1, 9));
    assert_eq!(far.hub.history(&topic(), 10).len(), 2);
    let mut from_the_start =
        far.hub.subscribe(topic()).resume(LastEventId::from(id(1, 7))).open()?;
    assert_eq!(received(&mut from_the_start).await, ["8", "9"].map(data));
    let mut from_before = far.hub.subscribe(topic()).resume(LastEventId::from(id(1, 3))).open()?;
    let gap = Received::Gap(Some(3), 7, GapReason::Trimmed);
    assert_eq!(received(&mut from_before).await, [gap, data("8"), data("9")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_does_not_follow_is_refused() -> TestResult {
    let far = Far::new(id(1, 7), &[])?;
    let position = id(1, 7);
    for id in [id(1, 7), id(1, 3), id(2, 8)] {
        let refused = InletError::OutOfOrder { id, position };
        assert_eq!(far.inlet().deliver(id, record("x")), Err(refused));
    }
    assert_eq!(far.inlet().deliver(id(1, 9), record("x")), Ok(0), "there may be holes");
    far.hub.shut_down(sse_kit_broadcast::Goodbye::StayAway);
    assert_eq!(far.inlet().deliver(id(1, 10), record("x")), Err(InletError::Closed));
    assert_eq!(far.inlet().begin_epoch(id(2, 0)), Err(InletError::Closed));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_last_offset_there_is_can_be_delivered() -> TestResult {
    let far = Far::new(id(1, u64::MAX - 1), &[])?;
    let mut subscription = far.hub.subscribe(topic()).open()?;
    far.inlet().deliver(id(1, u64::MAX), record("x"))?;
    settle().await;
    assert_eq!(received(&mut subscription).await, [data("x")]);
    let mut newest = far.hub.subscribe(topic()).start(Start::Last(1)).open()?;
    received(&mut newest).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_twice_counts_once() -> TestResult {
    let far = Far::new(id(1, 0), &[])?;
    let me: ConnectionId = "me".parse()?;
    let _tab = far.hub.subscribe(topic()).id(me.clone()).open()?;
    let record = record("x")
        .with_except(ConnectionSet::new([me.clone(), me.clone(), me]).ok_or("too many")?);
    assert_eq!(far.inlet().deliver(id(1, 1), record), Ok(0));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_new_epoch_is_told_once_on_every_stream_and_to_all_who_come_back() -> TestResult {
    let far = Far::new(id(1, 0), &["1"])?;
    let mut live = far.hub.subscribe(topic()).open()?;
    let mut behind = far.hub.subscribe(topic()).open()?;
    let deliver = |epoch, offset: u64| {
        far.inlet().deliver(id(epoch, offset), record(&format!("{epoch}-{offset}")))
    };
    for offset in 2..=4 {
        deliver(1, offset)?;
        settle().await;
        assert_eq!(received(&mut live).await.len(), 1);
    }
    for offset in 5..=6 {
        deliver(1, offset)?;
        settle().await;
    }
    // One has two events in its queue, and the other three and is behind; one event is on its way.
    deliver(1, 7)?;
    assert_eq!(
        far.inlet().begin_epoch(id(1, 9)),
        Err(InletError::OutOfOrder { id: id(1, 9), position: id(1, 7) })
    );
    far.inlet().begin_epoch(id(2, 3))?;
    assert_eq!((far.hub.cursor(), far.hub.stats().history), (id(2, 3), 0));
    deliver(2, 4)?;
    settle().await;
    let told = |from| Received::Gap(Some(from), 3, GapReason::UnknownEpoch);
    assert_eq!(received(&mut live).await, [data("1-5"), data("1-6"), told(6), data("2-4")]);
    assert_eq!(
        received(&mut behind).await,
        [data("1-2"), data("1-3"), data("1-4"), told(4), data("2-4")]
    );

    for (seen, told) in [
        (id(1, 7), Received::Gap(Some(7), 4, GapReason::UnknownEpoch)),
        (id(2, 1), Received::Gap(Some(1), 3, GapReason::Trimmed)),
    ] {
        let mut back = far.hub.subscribe(topic()).resume(LastEventId::from(seen)).open()?;
        assert_eq!(received(&mut back).await[0], told);
    }
    let mut back = far.hub.subscribe(topic()).resume(LastEventId::from(id(2, 3))).open()?;
    assert_eq!(received(&mut back).await, [data("2-4")]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_drops_or_lags_goes_on_in_a_new_epoch() -> TestResult {
    let far = Far::new(id(1, 1000), &[])?;
    let policy = SlowConsumer::DropOldest;
    let mut drops = far.hub.subscribe(topic()).slow_consumer(policy).open()?;
    let mut heals = far.hub.subscribe(topic()).open()?;
    for offset in 1001..=1005 {
        far.inlet().deliver(id(1, offset), record("old"))?;
        settle().await;
    }
    far.inlet().begin_epoch(id(2, 0))?;
    // So many at once that the fan-out task itself falls behind.
    for offset in 1..=2000_u64 {
        far.inlet().deliver(id(2, offset), record(&offset.to_string()))?;
    }
    settle().await;
    let dropped = received(&mut drops).await;
    assert_eq!(dropped.last(), Some(&data("2000")), "{dropped:?}");
    let healed = received(&mut heals).await;
    let told = Received::Gap(Some(1003), 0, GapReason::UnknownEpoch);
    assert_eq!(healed[..4], [data("old"), data("old"), data("old"), told]);
    let trimmed = Received::Gap(Some(0), 1950, GapReason::Lagged);
    assert_eq!(healed[4], trimmed);
    assert_eq!(healed[5..], (1951..=2000).map(|n: u64| data(&n.to_string())).collect::<Vec<_>>());
    Ok(())
}
