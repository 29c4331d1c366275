//! The messages of a log over a network to the hub: new epochs, losses, and that it is settled.

mod driven_log;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use driven_log::{DrivenLog, id, record};
use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, Delivery, Hub, Inlet, Log, OnAppendFailure,
    PublishError, Reach, SlowConsumer, Subscription, Verdict,
};
use sse_kit_event::control::{Gap, GapReason};
use sse_kit_event::{Epoch, Event, EventId, LastEventId, Topic};

/// A log in the hands of the test, that says to an append what the test wants.
#[derive(Clone, Debug)]
struct Remote(Arc<Mutex<State>>, DrivenLog);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    full: bool,
    silent: bool,
}

impl Log for Remote {
    fn position(&self) -> EventId {
        self.1.position()
    }

    fn attach(&self, inlet: Inlet) {
        self.1.attach(inlet);
        self.deliver(id(1, 11), "from before");
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        let state = self.0.lock();
        let appended = match *state {
            State { closed: true, .. } => Err(AppendError::Closed),
            State { full: true, .. } => Err(AppendError::Full),
            State { silent: true, .. } => Err(AppendError::Ambiguous("no answer".into())),
            _ => Ok(Appended::new(id(1, 12))),
        };
        Box::pin(std::future::ready(appended))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn close(&self) {
        self.0.lock().closed = true;
    }
}

impl Remote {
    fn new() -> Self {
        Self(Arc::default(), DrivenLog::at(id(1, 10)))
    }

    fn with<T>(&self, act: impl FnOnce(&Inlet) -> T) -> T {
        self.1.with(act)
    }

    /// Says that all that is in the log by now was delivered.
    fn settle(&self) {
        self.with(|inlet| inlet.caught_up(inlet.mark().expect("the hub is there")));
    }

    fn deliver(&self, id: EventId, data: &str) {
        self.with(|inlet| inlet.deliver(id, record(topic(), data))).expect("the hub is there");
    }
}

fn topic() -> Topic {
    "a".parse().expect("a topic")
}

fn hub() -> (Remote, Hub) {
    let log = Remote::new();
    let hub = Hub::builder().heartbeat(None).queue(3).log_buffer(8).log(log.clone());
    (log, hub.build().expect("the settings are right"))
}

fn resume(hub: &Hub, from: EventId) -> Subscription {
    hub.subscribe(topic()).resume(LastEventId::Known(from)).open().expect("it is open")
}

async fn event(stream: &mut Subscription) -> EventId {
    match stream.recv().await {
        Some(Delivery::Entry(entry)) => entry.id(),
        other => panic!("an event was expected, not {other:?}"),
    }
}

async fn gap(stream: &mut Subscription) -> Gap {
    match stream.recv().await {
        Some(Delivery::Gap(gap)) => gap,
        other => panic!("a gap was expected, not {other:?}"),
    }
}

fn is_quiet(stream: &mut Subscription) -> bool {
    matches!(stream.poll_recv(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[tokio::test]
async fn what_the_log_has_from_before_can_be_resumed_from() {
    let (_log, hub) = hub();
    assert_eq!(hub.cursor(), id(1, 11));
    assert_eq!(event(&mut resume(&hub, id(1, 10))).await, id(1, 11));
    let told = gap(&mut resume(&hub, id(1, 9))).await;
    assert_eq!((told.reason, told.to), (GapReason::Trimmed, id(1, 10)));
}

#[tokio::test]
async fn publishing_counts_who_will_get_it_where_it_is_not_handed_back_at_once() {
    let (_log, hub) = hub();
    let streams = [resume(&hub, id(1, 11)), resume(&hub, id(1, 11))];
    let receipt = hub.publish(&topic(), Event::new("x")).await.unwrap();
    assert_eq!((receipt.id, receipt.receivers), (id(1, 12), 2));
    let me = streams[0].connection().id().clone();
    let others = hub.except([me]).publish(&topic(), Event::new("x")).await.unwrap();
    assert_eq!(others.receivers, 1);
}

#[tokio::test]
async fn a_new_epoch_is_one_gap_for_every_stream_and_empties_history() {
    let (log, hub) = hub();
    let mut live = resume(&hub, id(1, 11));
    // This one has more waiting than fits, and must not look for the rest in the new epoch.
    let mut lagging = resume(&hub, id(1, 11));
    let mut dropping =
        hub.subscribe(topic()).slow_consumer(SlowConsumer::DropOldest).open().unwrap();
    for offset in 12..=17 {
        log.deliver(id(1, offset), "old");
        if offset == 12 {
            assert_eq!(event(&mut live).await, id(1, 12));
        }
    }
    for offset in 13..=17 {
        assert_eq!(event(&mut live).await, id(1, offset));
    }
    log.with(|inlet| inlet.begin_epoch(id(2, 3))).unwrap();
    for offset in 4..=6 {
        log.deliver(id(2, offset), "new");
    }
    for stream in [&mut live, &mut lagging, &mut dropping] {
        let told = loop {
            match stream.recv().await.expect("it goes on") {
                Delivery::Entry(entry) => assert_eq!(entry.id().epoch(), Epoch::new(1)),
                Delivery::Gap(gap) if gap.reason == GapReason::Dropped => {}
                Delivery::Gap(gap) => break gap,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((told.reason, told.to), (GapReason::UnknownEpoch, id(2, 3)));
        for offset in 4..=6 {
            assert_eq!(event(stream).await, id(2, offset));
        }
        assert!(is_quiet(stream));
    }
    assert_eq!(hub.history(&topic(), 10).len(), 3);
    let told = gap(&mut resume(&hub, id(1, 14))).await;
    assert_eq!((told.reason, told.to), (GapReason::UnknownEpoch, id(2, 6)));
}

#[tokio::test]
async fn a_new_epoch_is_told_even_where_the_fan_out_missed_it() {
    let (log, hub) = hub();
    let mut stream = resume(&hub, id(1, 11));
    log.with(|inlet| inlet.begin_epoch(id(2, 0))).unwrap();
    // More than the ring holds, before its task has run: it never hears of the new epoch.
    for offset in 1..=20 {
        log.deliver(id(2, offset), "new");
    }
    let told = gap(&mut stream).await;
    assert_eq!((told.reason, told.from), (GapReason::UnknownEpoch, Some(id(1, 11))));
    for offset in 1..=20 {
        assert_eq!(event(&mut stream).await, id(2, offset));
    }
}

#[tokio::test]
async fn what_is_lost_for_good_is_told_to_open_streams_and_to_those_who_resume() {
    let (log, hub) = hub();
    let mut stream = resume(&hub, id(1, 11));
    log.with(|inlet| inlet.mark_lost_through(20)).unwrap();
    log.deliver(id(1, 21), "x");
    let told = gap(&mut stream).await;
    let expected = (GapReason::Trimmed, Some(id(1, 11)), id(1, 20));
    assert_eq!((told.reason, told.from, told.to), expected);
    assert_eq!(event(&mut stream).await, id(1, 21));
    log.with(|inlet| inlet.mark_lost_through(15)).unwrap();
    assert!(is_quiet(&mut stream), "it was past that");
    let told = gap(&mut resume(&hub, id(1, 15))).await;
    assert_eq!(told.to, id(1, 20));
    assert_eq!(event(&mut resume(&hub, id(1, 20))).await, id(1, 21));
}

#[tokio::test]
async fn who_comes_from_a_node_that_was_further_waits_and_who_lies_is_told() {
    let (log, hub) = hub();
    let (mut honest, mut liar) = (resume(&hub, id(1, 13)), resume(&hub, id(1, 1000)));
    for offset in 12..=14 {
        log.deliver(id(1, offset), "x");
    }
    assert_eq!(event(&mut honest).await, id(1, 14), "and not what it has seen");
    log.with(|inlet| inlet.mark_lost_through(15)).unwrap();
    assert!(is_quiet(&mut liar));
    log.settle();
    let told = gap(&mut liar).await;
    assert_eq!((told.reason, told.from), (GapReason::Future, Some(id(1, 1000))));
    assert_eq!(told.to, id(1, 15));
    log.deliver(id(1, 16), "x");
    assert_eq!(event(&mut liar).await, id(1, 16));
    gap(&mut honest).await;
    assert_eq!(event(&mut honest).await, id(1, 16));
}

#[tokio::test]
async fn who_lies_is_told_although_the_fan_out_lagged_just_then() {
    let (log, hub) = hub();
    let mut liar = resume(&hub, id(1, 1000));
    // More than the ring holds: the liar is behind when the log settles.
    for offset in 12..=40 {
        log.deliver(id(1, offset), "x");
    }
    tokio::task::yield_now().await;
    log.settle();
    let told = gap(&mut liar).await;
    assert_eq!((told.reason, told.to), (GapReason::Future, id(1, 40)));
    log.deliver(id(1, 41), "x");
    assert_eq!(event(&mut liar).await, id(1, 41));
}

#[tokio::test]
async fn only_those_are_settled_who_came_before_the_log_was_looked_at() {
    let (log, hub) = hub();
    let mut early = resume(&hub, id(1, 13));
    let mark = log.with(Inlet::mark).unwrap();
    // This one comes from a node that is further, with an event that came after the look.
    let mut late = resume(&hub, id(1, 14));
    log.deliver(id(1, 12), "x");
    log.with(|inlet| inlet.caught_up(mark));
    assert_eq!(gap(&mut early).await.reason, GapReason::Future);
    assert!(is_quiet(&mut late), "its event may be on its way");
    for offset in 13..=15 {
        log.deliver(id(1, offset), "x");
    }
    assert_eq!(event(&mut late).await, id(1, 15));
    log.settle();
    assert!(is_quiet(&mut late));
}

#[tokio::test]
async fn what_the_log_does_not_take_reaches_nobody_who_subscribes_to_something_else() {
    for (hers, his) in [("users:alice", "users:mallory"), ("users:alice:*", "users:mallory:*")] {
        let log = Remote::new();
        let builder = Hub::builder().heartbeat(None).log(log.clone());
        let hub = builder.on_append_failure(OnAppendFailure::DeliverLocally).build().unwrap();
        let topics = |text| sse_kit_event::Topics::parse([text]).unwrap();
        let alice = hub.subscribe(topics(hers)).open().unwrap();
        log.0.lock().full = true;
        let secret = hers.replace('*', "x").parse::<Topic>().unwrap();
        hub.publish(&secret, Event::new("alice's secret")).await.unwrap();
        // The event is still on its way when her list ends and another one begins.
        drop(alice);
        let mut mallory = hub.subscribe(topics(his)).open().unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
            assert!(is_quiet(&mut mallory));
        }
    }
}

#[tokio::test]
async fn what_the_log_does_not_take_here_is_kept_from_others_on_terms() {
    for hooks in [false, true] {
        let log = Remote::new();
        let mut builder = Hub::builder().heartbeat(None).log(log.clone());
        if hooks {
            builder = builder.on_broadcast(|_| Verdict::Keep);
        }
        let hub = builder.on_append_failure(OnAppendFailure::DeliverLocally).build().unwrap();
        let mut stream = resume(&hub, id(1, 11));
        log.0.lock().full = true;
        // Only the log could say whether there is a newer one.
        let refused = hub.if_newest(hub.cursor()).publish(&topic(), Event::new("x")).await;
        assert!(matches!(refused, Err(PublishError::Log(AppendError::Full))), "{refused:?}");
        // Only the log could say whether an attempt before this one was written after all.
        let keyed = Event::new("x").with_idempotency_key("order-17".parse().unwrap());
        let refused = hub.publish(&topic(), keyed).await;
        assert!(matches!(refused, Err(PublishError::Log(AppendError::Full))), "{refused:?}");
        assert!(is_quiet(&mut stream));
        assert_eq!(hub.stats().published_here, 0);
    }
}

#[tokio::test]
async fn what_the_log_does_not_take_is_delivered_here_alone_where_that_is_wanted() {
    let log = Remote::new();
    let builder = Hub::builder().heartbeat(None).log(log.clone());
    let hub = builder.on_append_failure(OnAppendFailure::DeliverLocally).build().unwrap();
    let (mut stream, mut left_out) = (resume(&hub, id(1, 11)), resume(&hub, id(1, 11)));
    log.0.lock().full = true;
    let me = left_out.connection().id().clone();
    let receipt = hub.except([me]).publish(&topic(), Event::new("x")).await.unwrap();
    assert_eq!((receipt.reach, receipt.receivers), (Reach::ThisNode, 1));
    match stream.recv().await {
        Some(Delivery::Direct(frame)) => assert_eq!(&frame[..], b"data: x\n\n", "without an id"),
        other => panic!("{other:?}"),
    }
    assert!(is_quiet(&mut left_out));
    assert_eq!((hub.history(&topic(), 10).len(), hub.stats().published_here), (1, 1));

    log.0.lock().full = false;
    log.0.lock().silent = true;
    let error = hub.publish(&topic(), Event::new("x")).await;
    assert!(matches!(error, Err(PublishError::Log(AppendError::Ambiguous(_)))), "{error:?}");
    assert!(is_quiet(&mut stream), "it may come from the log yet");
    log.0.lock().silent = false;
    assert_eq!(hub.publish(&topic(), Event::new("x")).await.unwrap().reach, Reach::Everywhere);
}

#[tokio::test]
async fn without_a_fallback_nobody_gets_what_the_log_does_not_take() {
    let (log, hub) = hub();
    let mut stream = resume(&hub, id(1, 11));
    log.0.lock().full = true;
    let error = hub.publish(&topic(), Event::new("x")).await;
    assert!(matches!(error, Err(PublishError::Log(AppendError::Full))), "{error:?}");
    tokio::task::yield_now().await;
    assert!(is_quiet(&mut stream));
}

#[tokio::test]
async fn a_shutdown_closes_the_log() {
    let (log, hub) = hub();
    hub.shut_down(sse_kit_broadcast::Goodbye::StayAway);
    let error = hub.publish(&topic(), Event::new("x")).await;
    assert!(matches!(error, Err(PublishError::Closed)), "{error:?}");
    log.with(|inlet| {
        assert!(inlet.deliver(id(1, 12), record(topic(), "x")).is_err());
        assert!(inlet.begin_epoch(id(2, 0)).is_err());
        assert!(inlet.mark_lost_through(20).is_err());
    });
}
