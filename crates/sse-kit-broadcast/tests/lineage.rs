//! Epochs that continue earlier ones: who resumes, and who is told of a gap.

mod driven_log;

use std::task::{Context, Poll, Waker};

use driven_log::{DrivenLog, id, record};
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Delivery, Hub, Inlet, InletError, Lineage, Log,
    PublishError, Subscription,
};
use sse_kit_event::control::GapReason;
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic, TopicPattern};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A log that continues earlier ones, and has two records from there.
#[derive(Clone, Debug)]
struct Continued(DrivenLog, Lineage);

impl Log for Continued {
    fn position(&self) -> EventId {
        self.0.position()
    }

    fn lineage(&self) -> Lineage {
        self.1.clone()
    }

    fn attach(&self, inlet: Inlet) {
        self.0.attach(inlet);
        for offset in [21, 22] {
            let record = record(topic("a"), &offset.to_string());
            self.0.with(|inlet| inlet.deliver(id(3, offset), record)).expect("it is open");
        }
    }

    /// Accepts a condition, and names it.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let newest = id(3, 22);
        let error = match append.expected {
            Some(expected) => AppendError::Conflict { expected, newest },
            None => AppendError::Full,
        };
        Box::pin(std::future::ready(Err(error)))
    }
}

fn topic(name: &str) -> Topic {
    name.parse().expect("a topic")
}

fn resume(hub: &Hub, from: EventId) -> Subscription {
    hub.subscribe(topic("a")).resume(LastEventId::Known(from)).open().expect("it is open")
}

/// Lets the fan-out run.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Takes what is there: ids of events, and the ends of gaps.
async fn taken(stream: &mut Subscription) -> Vec<Result<EventId, (GapReason, EventId)>> {
    settle().await;
    let mut taken = Vec::new();
    while let Poll::Ready(Some(delivery)) =
        stream.poll_recv(&mut Context::from_waker(Waker::noop()))
    {
        match delivery {
            Delivery::Entry(entry) => taken.push(Ok(entry.id())),
            Delivery::Gap(gap) => taken.push(Err((gap.reason, gap.to))),
            other => panic!("{other:?}"),
        }
    }
    taken
}

fn ids(ids: &[(u64, u64)]) -> Vec<Result<EventId, (GapReason, EventId)>> {
    ids.iter().map(|(epoch, offset)| Ok(id(*epoch, *offset))).collect()
}

#[tokio::test]
async fn a_page_of_an_earlier_epoch_resumes_unless_it_has_seen_what_was_lost() -> TestResult {
    let lineage = Lineage::default().continued(id(1, 30)).continued(id(2, 21));
    assert_eq!(lineage.as_slice(), [id(1, 21), id(2, 21)]);
    let log = Continued(DrivenLog::at(id(3, 20)), lineage.clone());
    let hub = Hub::builder().heartbeat(None).log(log).build()?;
    for epoch in 1..=3 {
        let mut stream = resume(&hub, id(epoch, 20));
        assert_eq!((stream.cursor(), stream.lineage()), (id(3, 20), &lineage));
        assert_eq!(stream.resumes_from(), Some(id(3, 20)));
        assert_eq!(taken(&mut stream).await, ids(&[(3, 21), (3, 22)]));
        assert_eq!(taken(&mut resume(&hub, id(epoch, 21))).await, ids(&[(3, 22)]));
        let old = taken(&mut resume(&hub, id(epoch, 7))).await;
        assert_eq!(old[0], Err((GapReason::Trimmed, id(3, 20))));
    }
    for lost in [id(1, 22), id(2, 22), id(4, 1)] {
        let mut stream = resume(&hub, lost);
        assert!(stream.begins_with_gap() && stream.resumes_from().is_none());
        let told = [Err((GapReason::UnknownEpoch, id(3, 22)))];
        assert_eq!(taken(&mut stream).await, told);
    }
    Ok(())
}

#[tokio::test]
async fn a_condition_of_an_earlier_epoch_is_one_of_this() -> TestResult {
    let lineage = Lineage::default().continued(id(2, 21));
    let hub = Hub::builder().log(Continued(DrivenLog::at(id(3, 20)), lineage)).build()?;
    for (read_at, asked) in [(id(2, 21), id(3, 21)), (id(2, 22), id(2, 22))] {
        let refused = hub.if_newest(read_at).publish(&topic("a"), Event::new("x")).await;
        let Err(PublishError::Conflict { expected, .. }) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(expected, asked);
    }
    Ok(())
}

#[tokio::test]
async fn an_open_stream_continues_unless_it_has_what_was_lost() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let hub = Hub::builder().heartbeat(None).queue(3).log(log.clone()).build()?;
    let deliver = |at: EventId| log.with(|inlet| inlet.deliver(at, record(topic("a"), "x")));
    let begin =
        |epoch, shared| log.with(|inlet| inlet.begin_epoch_after(Epoch::new(epoch), shared));
    let mut live = resume(&hub, id(1, 0));
    let mut slow = resume(&hub, id(1, 0));
    let mut quiet = hub.subscribe(topic("quiet")).open()?;
    for offset in 1..=4 {
        deliver(id(1, offset))?;
        assert_eq!(taken(&mut live).await, ids(&[(1, offset)]));
    }
    let mut ahead = resume(&hub, id(1, 6));
    let mut liar = resume(&hub, id(1, 9));
    deliver(id(1, 5))?; // still on its way

    assert_eq!(begin(2, 7)?, id(2, 5), "nothing that this node has was lost");
    deliver(id(2, 6))?;
    deliver(id(2, 7))?;
    assert_eq!(taken(&mut live).await, ids(&[(1, 5), (2, 6), (2, 7)]));
    let all = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 6), (2, 7)];
    assert_eq!(taken(&mut slow).await, ids(&all));
    assert_eq!(taken(&mut ahead).await, ids(&[(2, 7)]));
    let told = Err((GapReason::UnknownEpoch, id(2, 5)));
    assert_eq!(taken(&mut liar).await, [vec![told], ids(&[(2, 6), (2, 7)])].concat());
    assert_eq!(taken(&mut resume(&hub, id(1, 4))).await, ids(&all[4..]));

    let mut behind = resume(&hub, id(2, 3));
    assert_eq!(begin(3, 4)?, id(3, 4), "three events of this node were lost");
    assert_eq!((hub.cursor(), hub.stats().history), (id(3, 4), 4));
    deliver(id(3, 5))?;
    let told = Err((GapReason::UnknownEpoch, id(3, 4)));
    for stream in [&mut live, &mut slow, &mut ahead] {
        assert_eq!(taken(stream).await, [told, Ok(id(3, 5))]);
    }
    let queued = ids(&[(1, 4), (1, 5), (2, 6)]);
    assert_eq!(taken(&mut behind).await, [queued, vec![told, Ok(id(3, 5))]].concat());
    assert_eq!(taken(&mut quiet).await, [], "it had nothing to lose");
    for seen in [id(1, 4), id(2, 4), id(3, 4)] {
        assert_eq!(taken(&mut resume(&hub, seen)).await, ids(&[(3, 5)]));
    }
    for lost in [id(1, 5), id(2, 5), id(2, 7)] {
        let told = [Err((GapReason::UnknownEpoch, id(3, 5)))];
        assert_eq!(taken(&mut resume(&hub, lost)).await, told);
    }
    assert!(matches!(begin(3, 5), Err(InletError::OutOfOrder { .. })));

    log.with(|inlet| inlet.begin_epoch(id(4, 5)))?;
    let told = Err((GapReason::UnknownEpoch, id(4, 5)));
    assert_eq!(taken(&mut quiet).await, [told], "a whole gap leaves nothing shared");
    assert_eq!(taken(&mut resume(&hub, id(3, 2))).await, [told]);
    Ok(())
}

/// An event that was trimmed beyond the shared offset is no loss in the new epoch.
#[tokio::test]
async fn a_loss_is_not_looked_for_beyond_what_is_shared() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let hub = Hub::builder().heartbeat(None).history(2).log(log.clone()).build()?;
    for offset in 1..=6 {
        log.with(|inlet| inlet.deliver(id(1, offset), record(topic("a"), "x")))?;
    }
    assert_eq!(log.with(|inlet| inlet.begin_epoch_after(Epoch::new(2), 3))?, id(2, 3));
    log.with(|inlet| inlet.deliver(id(2, 4), record(topic("a"), "new")))?;
    assert_eq!(taken(&mut resume(&hub, id(1, 3))).await, ids(&[(2, 4)]));
    let told = Err((GapReason::Trimmed, id(2, 3)));
    assert_eq!(taken(&mut resume(&hub, id(1, 2))).await, [told, Ok(id(2, 4))]);
    assert_eq!(hub.stats().history, 1);
    Ok(())
}

/// So many topics that a pattern is read in the order of all events.
#[tokio::test]
async fn a_loss_before_what_is_shared_is_told_though_its_topic_lost_more() -> TestResult {
    let log = DrivenLog::at(id(1, 0));
    let newest = Hub::builder().heartbeat(None).history_for(topic("a"), 1);
    let hub = newest.log(log.clone()).build()?;
    let mut topics: Vec<_> = (0..600).map(|n| format!("t{n}")).collect();
    topics.extend(["a", "a", "shared"].map(String::from));
    let shared = topics.len() as u64;
    // Enough for the places of what is trimmed to be tidied away.
    topics.extend(vec![String::from("a"); 3_000]);
    for (name, offset) in topics.iter().zip(1..) {
        log.with(|inlet| inlet.deliver(id(1, offset), record(topic(name), "x")))?;
    }
    log.with(|inlet| inlet.begin_epoch_after(Epoch::new(2), shared))?;
    let seen = LastEventId::Known(id(1, 600));
    let all: TopicPattern = "**".parse()?;
    let mut stream = hub.subscribe(all).resume(seen).open()?;
    let told = Err((GapReason::Trimmed, id(2, shared)));
    assert_eq!(taken(&mut stream).await.first(), Some(&told));
    Ok(())
}
