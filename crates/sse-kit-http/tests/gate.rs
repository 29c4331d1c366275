//! The topics that a user may see, and for how long; and the end of a stream that may not be seen any longer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http_body_util::BodyExt;
use parking_lot::Mutex;
use sse_kit_broadcast::{
    Append, AppendError, Appended, BoxFuture, CloseReason, Hub, Inlet, Log, LogPage, ReadError,
    Record,
};
use sse_kit_event::{Decoded, Decoder, Epoch, Event, EventId, LastEventId, Topic, Topics};
use sse_kit_http::{
    Access, Authorizer, DeniedError, Gate, GateOpenError, Grant, Resource, SseBody, SseResponse,
};
use sse_kit_test_support::in_time;
use tokio::time::Instant;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The next answer of the authorizer.
#[derive(Clone, Copy, Debug)]
enum Says {
    Yes(Grant),
    No,
    Panics,
    Hangs,
}

/// Says what it is told to say, and notes what it was asked.
#[derive(Clone)]
struct Told {
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Told {
    fn to_say(says: Says) -> Self {
        Self { says: Arc::new(Mutex::new(says)), asked: Arc::default() }
    }

    fn now_says(&self, says: Says) {
        *self.says.lock() = says;
    }
}

impl Authorizer for Told {
    type Principal = &'static str;

    async fn authorize(
        &self,
        who: &&'static str,
        wanted: Resource<'_>,
        access: Access,
    ) -> Result<Grant, DeniedError> {
        let wanted = match wanted {
            Resource::Topic(topic) => topic.to_string(),
            Resource::Pattern(pattern) => pattern.to_string(),
            _ => unreachable!("there are two"),
        };
        self.asked.lock().push(format!("{who} {wanted} {access:?}"));
        let says = *self.says.lock();
        match says {
            Says::Yes(grant) => Ok(grant),
            Says::No => Err(DeniedError),
            Says::Panics => panic!("the authorizer is broken"),
            Says::Hangs => std::future::pending().await,
        }
    }
}

fn topic(text: &str) -> Topic {
    text.parse().expect("a topic")
}

fn yes() -> Says {
    Says::Yes(Grant::unlimited())
}

fn for_a_minute() -> Says {
    Says::Yes(Grant::lasting(Duration::from_secs(60)))
}

/// The names of the events to come, or their data where they have none, heartbeats left out; with the
/// time of the last.
async fn rest(response: SseResponse) -> (Vec<String>, Instant) {
    let mut body: SseBody = response.into_response().into_body();
    let (mut decoder, mut all) = (Decoder::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.expect("it cannot fail").into_data().expect("no trailers");
        decoder.push(&data).expect("not too large");
        while let Some(decoded) = decoder.pop() {
            let Decoded::Message(message) = decoded else { continue };
            match &*message.name {
                "sse-kit:heartbeat" => {}
                "message" => all.push(message.data),
                _ => all.push(message.name),
            }
        }
    }
    (all, Instant::now())
}

#[tokio::test(start_paused = true)]
async fn every_topic_and_pattern_is_asked_for_and_one_no_is_enough() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(yes()));
    let gate = Gate::new(hub.clone(), told.clone());
    let topics = Topics::parse(["a", "b:*"])?;
    let open = gate.open("ann", hub.subscribe(topics.clone())).await?;
    let resume = LastEventId::parse(b"1-1");
    let resumed = gate.open("ann", hub.subscribe(topics.clone()).resume(resume)).await?;
    assert_eq!(
        *told.asked.lock(),
        ["ann a Live", "ann b:* Live", "ann a Replay", "ann b:* Replay"]
    );
    told.now_says(Says::No);
    let denied = gate.open("ann", hub.subscribe(topics)).await;
    assert_eq!(denied.err(), Some(GateOpenError::Denied));
    assert_eq!(hub.connection_count(), 2, "nothing was opened");
    drop((open, resumed));
    assert_eq!(format!("{gate:?}"), "Gate { streams: 0, .. }");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_runs_out_is_asked_for_again_and_a_no_ends_the_stream() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(for_a_minute()));
    let gate = Gate::new(hub.clone(), told.clone());
    let began = Instant::now();
    let reading = tokio::spawn(rest(gate.open("ann", hub.subscribe(topic("a"))).await?));

    tokio::time::sleep(Duration::from_secs(59)).await;
    told.now_says(for_a_minute());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(told.asked.lock().len(), 2, "once at first, once again");
    hub.publish(&topic("a"), Event::new("still")).await?;
    told.now_says(Says::No);
    let (events, at) = reading.await?;
    assert_eq!(events, ["sse-kit:hello", "still", "sse-kit:close"]);
    // The second grant was given at 59 s, and so ran out at 119 s.
    let ended = (at - began).as_secs_f64();
    assert!((119.0..=120.0).contains(&ended), "{ended}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_is_closed_at_once_and_gets_nothing_more() -> TestResult {
    let left = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&left);
    let hub = Hub::builder()
        .on_disconnect(move |_, why| {
            noted.lock().push(why);
        })
        .build()?;
    let gate = Gate::new(hub.clone(), Told::to_say(yes()));
    let open = |who| gate.open(who, hub.subscribe(topic("a")));
    let (ann, bob) = (open("ann").await?, open("bob").await?);
    let reading = [tokio::spawn(rest(ann)), tokio::spawn(rest(bob))];
    tokio::time::sleep(Duration::from_secs(1)).await;
    let revoked_at = Instant::now();
    assert_eq!(gate.revoke(|who, topics| *who == "ann" && topics.cover(&topic("a"))), 1);
    hub.publish(&topic("a"), Event::new("secret")).await?;
    let [ann, bob] = reading;
    let (events, at) = ann.await?;
    assert_eq!(events, ["sse-kit:hello", "sse-kit:close"]);
    assert_eq!(at, revoked_at);
    assert_eq!(*left.lock(), [CloseReason::Disconnected]);
    assert_eq!(gate.revoke(|_, _| true), 1);
    assert_eq!(bob.await?.0, ["sse-kit:hello", "secret", "sse-kit:close"]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn changed_rights_are_asked_for_within_a_second() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(yes()));
    let gate = Gate::new(hub.clone(), told.clone());
    let ann = tokio::spawn(rest(gate.open("ann", hub.subscribe(topic("a"))).await?));
    let bob = tokio::spawn(rest(gate.open("bob", hub.subscribe(topic("a"))).await?));
    tokio::time::sleep(Duration::from_secs(100)).await;
    told.now_says(Says::No);
    let changed = Instant::now();
    gate.renew(|who, _| *who == "ann");
    let (events, at) = ann.await?;
    assert_eq!(events, ["sse-kit:hello", "sse-kit:close"]);
    assert!(at - changed <= Duration::from_secs(1));
    assert!(!bob.is_finished() && hub.connection_count() == 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_an_answer_stays_for_the_grace_period_and_comes_back() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(for_a_minute()));
    let gate = Gate::new(hub.clone(), told.clone());
    for broken in [Says::Panics, Says::Hangs] {
        told.now_says(for_a_minute());
        let began = Instant::now();
        let open = async |_| gate.open("ann", hub.subscribe(topic("a"))).await;
        let mut reading = Vec::new();
        for n in 0..3 {
            reading.push(tokio::spawn(rest(open(n).await?)));
        }
        told.now_says(broken);
        for reading in reading {
            let (events, at) = reading.await?;
            assert_eq!(events, ["sse-kit:hello", "sse-kit:shutdown"], "{broken:?}");
            let ended = (at - began).as_secs_f64();
            assert!((90.0..=92.0).contains(&ended), "{ended}");
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_broken_authorizer_that_recovers_costs_nobody_a_stream() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(for_a_minute()));
    let gate = Gate::new(hub.clone(), told.clone()).grace(Duration::from_secs(10));
    let _open = gate.open("ann", hub.subscribe(topic("a"))).await?;
    for broken in [Says::Panics, Says::Hangs] {
        told.now_says(broken);
        tokio::time::sleep(Duration::from_secs(65)).await;
        told.now_says(for_a_minute());
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(hub.connection_count(), 1);
    Ok(())
}

/// Allows everybody, by a pool of connections, and counts the most that wait for it.
#[derive(Clone)]
struct Pooled {
    pool: Arc<tokio::sync::Semaphore>,
    each: Duration,
    lasting: Duration,
    waiting: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Authorizer for Pooled {
    type Principal = usize;

    async fn authorize(&self, _: &usize, _: Resource<'_>, _: Access) -> Result<Grant, DeniedError> {
        let waiting = 1 + self.waiting.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(waiting, Ordering::SeqCst);
        let connection = self.pool.acquire().await.map_err(|_| DeniedError)?;
        tokio::time::sleep(self.each).await;
        drop(connection);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Ok(Grant::lasting(self.lasting))
    }
}

#[tokio::test(start_paused = true)]
async fn grants_that_run_out_together_cost_nobody_a_stream() -> TestResult {
    let in_full = std::env::var_os("SSE_KIT_SOAK").is_some();
    let streams = if in_full { 50_000 } else { 4_000 };
    let hub = Hub::builder().heartbeat(None).build()?;
    let pooled = Pooled {
        pool: Arc::new(tokio::sync::Semaphore::new(20)),
        each: Duration::from_millis(50),
        lasting: Duration::from_secs(600),
        waiting: Arc::default(),
        most: Arc::default(),
    };
    // Renewing all of them takes far longer than the grace period.
    let gate = Gate::new(hub.clone(), pooled.clone()).grace(Duration::from_secs(2));
    let gate = gate.open_timeout(Duration::from_secs(600));
    let opening = (0..streams).map(|user| gate.open(user, hub.subscribe(topic("a"))));
    let open = futures_util::future::try_join_all(opening).await?;
    pooled.most.store(0, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(800)).await;
    gate.renew(|_, _| true);
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert_eq!(hub.connection_count(), open.len());
    assert!(pooled.most.load(Ordering::SeqCst) <= 32, "{:?}", pooled.most);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn revocations_of_others_hold_up_nobody() -> TestResult {
    let hub = Hub::new();
    let pooled = Pooled {
        pool: Arc::new(tokio::sync::Semaphore::new(20)),
        each: Duration::from_millis(30),
        lasting: Duration::from_secs(600),
        waiting: Arc::default(),
        most: Arc::default(),
    };
    let gate = Gate::new(hub.clone(), pooled);
    let revoking = gate.clone();
    let revoking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            revoking.revoke(|user, _| *user == 7);
            revoking.renew(|_, _| true);
        }
    });
    let began = Instant::now();
    let open = gate.open(8, hub.subscribe(topic("a"))).await?;
    assert_eq!(began.elapsed(), Duration::from_millis(30), "it is asked for once");
    let other = gate.open(7, hub.subscribe(topic("a"))).await;
    assert_eq!(other.err(), Some(GateOpenError::Denied), "it is revoked again and again");
    assert_eq!(began.elapsed(), Duration::from_millis(4 * 30));
    revoking.abort();
    drop(open);
    Ok(())
}

/// Says yes, but is revoked while it says so for the first time.
#[derive(Clone, Default)]
struct Overtaken {
    gate: Arc<OnceLock<Gate<Overtaken>>>,
    asked: Arc<Mutex<usize>>,
}

impl Authorizer for Overtaken {
    type Principal = ();

    async fn authorize(&self, (): &(), _: Resource<'_>, _: Access) -> Result<Grant, DeniedError> {
        *self.asked.lock() += 1;
        if *self.asked.lock() > 1 {
            return Err(DeniedError);
        }
        self.gate.get().expect("it is set").revoke(|(), _| true);
        Ok(Grant::unlimited())
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_revoked_while_it_is_asked_for_is_asked_for_again() {
    let (hub, overtaken) = (Hub::new(), Overtaken::default());
    let gate = Gate::new(hub.clone(), overtaken.clone());
    assert!(overtaken.gate.set(gate.clone()).is_ok());
    let opened = gate.open((), hub.subscribe(topic("a"))).await;
    assert_eq!(opened.err(), Some(GateOpenError::Denied));
    assert_eq!(*overtaken.asked.lock(), 2);
}

/// A log that keeps what it is given, and during whose reading somebody is revoked.
#[derive(Clone, Debug, Default)]
struct Interrupted {
    inlet: Arc<OnceLock<Inlet>>,
    gate: Arc<OnceLock<Gate<Told>>>,
}

impl Interrupted {
    fn record(offset: u64) -> (EventId, Record) {
        let event = Event::new(offset.to_string()).encode();
        let record = Record::new(topic("a"), event);
        (EventId::new(Epoch::new(1), offset), record)
    }
}

impl Log for Interrupted {
    fn position(&self) -> EventId {
        EventId::new(Epoch::new(1), 0)
    }

    fn attach(&self, inlet: Inlet) {
        assert!(self.inlet.set(inlet).is_ok());
    }

    fn append(&self, _: Append) -> BoxFuture<'_, Result<Appended, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::Full)))
    }

    fn read(&self, after: EventId, _: usize) -> BoxFuture<'_, Result<LogPage, ReadError>> {
        Box::pin(async move {
            self.gate.get().expect("it is set").revoke(|who, _| *who == "ann");
            let records: Vec<_> = (after.offset() + 1..=9).map(Self::record).collect();
            Ok(LogPage::new(records, EventId::new(Epoch::new(1), 9)))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_revoked_while_the_log_is_read_gets_nothing() -> TestResult {
    let log = Interrupted::default();
    let hub = Hub::builder().log(log.clone()).history(1).build()?;
    let gate = Gate::new(hub.clone(), Told::to_say(yes()));
    assert!(log.gate.set(gate.clone()).is_ok());
    for (id, record) in (1..=9).map(Interrupted::record) {
        log.inlet.get().expect("it was attached").deliver(id, record)?;
    }
    let (first, _) = Interrupted::record(1);
    let open = |who| gate.open(who, hub.subscribe(topic("a")).resume(LastEventId::Known(first)));
    let bob = open("bob").await?;
    assert_eq!((hub.stats().backfilled, hub.connection_count()), (1, 1));
    assert_eq!(open("ann").await.err(), Some(GateOpenError::Denied));
    assert_eq!((hub.stats().backfilled, hub.connection_count()), (2, 1));
    drop(bob);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_hangs_opens_nothing_and_is_waited_for_no_longer_than_the_timeout()
-> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(Says::Hangs));
    let gate = Gate::new(hub.clone(), told.clone());
    let began = Instant::now();
    let opened = gate.open("ann", hub.subscribe(topic("a"))).await;
    assert_eq!(opened.err(), Some(GateOpenError::NoAnswer));
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let other = gate.clone().open_timeout(Duration::from_secs(1));
    for gate in [gate, other] {
        let began = Instant::now();
        let opened = gate.open("ann", hub.subscribe(Topics::parse(["a", "b"])?)).await;
        assert_eq!(opened.err(), Some(GateOpenError::NoAnswer));
        assert_eq!(began.elapsed(), Duration::from_secs(1), "it counts for all clones");
    }
    assert_eq!(hub.connection_count(), 0);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_grace_period_counts_for_all_clones() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(for_a_minute()));
    let gate = Gate::new(hub.clone(), told.clone());
    let _ = gate.clone().grace(Duration::from_secs(5));
    let began = Instant::now();
    let reading = tokio::spawn(rest(gate.open("ann", hub.subscribe(topic("a"))).await?));
    told.now_says(Says::Hangs);
    let ended = (reading.await?.1 - began).as_secs_f64();
    assert!((65.0..=67.0).contains(&ended), "{ended}");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_is_dropped_leaves_nothing_behind() -> TestResult {
    let (hub, told) = (Hub::new(), Told::to_say(for_a_minute()));
    let gate = Gate::new(hub.clone(), told.clone());
    let stream = gate.open("ann", hub.subscribe(topic("a"))).await?;
    tokio::time::sleep(Duration::from_secs(70)).await;
    drop((gate, stream));
    assert_eq!(Arc::strong_count(&told.says), 1, "the authorizer is dropped");
    Ok(())
}

#[test]
fn grants_are_renewed_after_the_runtime_of_the_first_stream_has_ended() -> TestResult {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let (hubs, first) = (runtime()?, runtime()?);
    let told = Told::to_say(for_a_minute());
    let hub = hubs.block_on(async { Hub::new() });
    let gate = Gate::new(hub.clone(), told.clone());
    drop(first.block_on(gate.open("ann", hub.subscribe(topic("a"))))?);
    drop(first);
    hubs.block_on(async {
        let reading = tokio::spawn(rest(gate.open("ann", hub.subscribe(topic("a"))).await?));
        told.now_says(Says::No);
        let (events, _) = in_time("the end of the stream", reading).await?;
        assert_eq!(events, ["sse-kit:hello", "sse-kit:close"]);
        Ok(())
    })
}
