//! Several nodes and many publishers, some of whose transactions are rolled back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sse_kit_broadcast::{Hub, Subscription};
use sse_kit_event::{Event, EventId, IdempotencyKey};
use sse_kit_postgres::Outbox;
use sse_kit_test_support::postgres::Server;
use sse_kit_test_support::{in_time, rng, scaled};

use crate::{Node, client, event, node, server, topic};

const PUBLISHERS: usize = 16;
const ROWS: i32 = 8;

/// The knowledge of a publisher in the end.
#[derive(Default)]
struct Published {
    /// The texts of committed or acknowledged events.
    acknowledged: BTreeSet<String>,
    /// Texts of transactions whose commit was not confirmed.
    unknown: BTreeSet<String>,
    rolled_back: usize,
}

impl Published {
    fn add(&mut self, more: Self) {
        self.acknowledged.extend(more.acknowledged);
        self.unknown.extend(more.unknown);
        self.rolled_back += more.rolled_back;
    }
}

/// Changes rows and publishes their states, in transactions of which a tenth is rolled back.
async fn transact(url: String, mut random: fastrand::Rng, count: usize) -> Published {
    let mut client = client(&url).await;
    let mut published = Published::default();
    for _ in 0..count {
        let row = random.i32(0..ROWS);
        let mut transaction = client.transaction().await.expect("it begins");
        let change = "update item set state = state + 1 where id = $1 returning state";
        let state = transaction.query_one(change, &[&row]).await.expect("it is changed");
        let text = format!("row {row} {}", state.get::<_, i32>(0));
        let sent = transaction.publish(&topic("t"), Event::new(&*text)).await;
        assert!(sent.expect("it is accepted"));
        if random.u8(..10) == 0 {
            transaction.rollback().await.expect("it ends");
            published.rolled_back += 1;
        } else {
            transaction.commit().await.expect("it commits");
            published.acknowledged.insert(text);
        }
    }
    published
}

/// Publishes by the hub of a node.
async fn append(hub: Hub, publisher: usize, count: usize) -> Published {
    let mut published = Published::default();
    for n in 0..count {
        let text = format!("hub{publisher} {n}");
        hub.publish(&topic("t"), Event::new(&*text)).await.expect("it is appended");
        published.acknowledged.insert(text);
    }
    published
}

/// Reads so many events, and checks that their offsets have no hole.
async fn read(mut stream: Subscription, count: usize) -> Vec<(EventId, String)> {
    let mut events: Vec<(EventId, String)> = Vec::new();
    for _ in 0..count {
        let event = event(&mut stream).await;
        if let Some((last, _)) = events.last() {
            assert_eq!(event.0.offset(), last.offset() + 1);
        }
        events.push(event);
    }
    events
}

/// Checks that the states of each row, and the events of each publisher, have their order without a
/// hole.
fn assert_ordered(events: &[(EventId, String)]) {
    let mut next = BTreeMap::new();
    for (id, text) in events {
        let (subject, number) = text.rsplit_once(' ').expect("it has a number");
        let number: i32 = number.parse().expect("a number");
        let first = i32::from(subject.starts_with("row"));
        let expected = next.entry(subject).or_insert(first);
        assert_eq!(number, *expected, "{subject} at {id}");
        *expected += 1;
    }
}

async fn nodes(url: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node(url).await);
    }
    let rows = format!(
        "create table item (id int primary key, state int not null); \
         insert into item select n, 0 from generate_series(0, {ROWS} - 1) n"
    );
    client(url).await.batch_execute(&rows).await.expect("it is created");
    nodes
}

fn open(nodes: &[Node]) -> Vec<Subscription> {
    let open = |node: &Node| node.hub.subscribe(topic("t")).queue(1_000_000).open();
    nodes.iter().map(open).collect::<Result<_, _>>().expect("they open")
}

/// Two runs here, and forty in a soak.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_lost_or_reordered_among_rollbacks() {
    let mut random = rng();
    for _ in 0..scaled(2) {
        let (_, url) = server().create_database();
        let nodes = nodes(&url).await;
        let streams = open(&nodes);
        let publishing = (0..PUBLISHERS).map(|n| match n % 4 {
            3 => tokio::spawn(append(nodes[n % 3].hub.clone(), n, 40)),
            _ => tokio::spawn(transact(url.clone(), random.fork(), 40)),
        });
        let mut published = Published::default();
        for publisher in publishing.collect::<Vec<_>>() {
            published.add(in_time("it ends", publisher).await.expect("it ends well"));
        }
        assert!(published.rolled_back > 0);
        let reading = streams
            .into_iter()
            .map(|stream| tokio::spawn(read(stream, published.acknowledged.len())));
        let mut seen = Vec::new();
        for reader in reading.collect::<Vec<_>>() {
            seen.push(reader.await.expect("it ends well"));
        }
        assert!(seen.iter().all(|events| *events == seen[0]), "all nodes have one order");
        assert_ordered(&seen[0]);
        let texts: BTreeSet<_> = seen[0].iter().map(|(_, text)| text.clone()).collect();
        assert_eq!(texts, published.acknowledged);
        let moved: u64 = nodes.iter().map(|node| node.postgres.stats().moved).sum();
        assert!(moved > 0);
    }
}

/// Publishes until it is stopped, and connects again when the server is away.
async fn survive(url: String, publisher: usize, stop: Arc<AtomicBool>) -> Published {
    let mut published = Published::default();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let Ok((mut client, connection)) = connected else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        tokio::spawn(connection);
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut transaction) = client.transaction().await else { break };
            let text = format!("sql{publisher} {n}");
            n += 1;
            if transaction.publish(&topic("t"), Event::new(&*text)).await.is_err() {
                break;
            }
            if transaction.commit().await.is_err() {
                published.unknown.insert(text);
                break;
            }
            published.acknowledged.insert(text);
        }
    }
    published
}

/// One kill here, and more in a soak.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let mut postgres = Server::start(&[]);
    let url = postgres.url();
    let nodes = nodes(&url).await;
    let mut streams = open(&nodes);
    let stop = Arc::new(AtomicBool::new(false));
    let publishing: Vec<_> =
        (0..8).map(|n| tokio::spawn(survive(url.clone(), n, Arc::clone(&stop)))).collect();
    let mut acknowledged = BTreeSet::new();
    for round in 0..scaled(1).min(5) {
        for n in 0..50 {
            let text = format!("hub{round} {n}");
            let key: IdempotencyKey = text.replace(' ', "-").parse().expect("a key");
            let keyed = Event::new(&*text).with_idempotency_key(key);
            let publishing = nodes[n % 3].hub.publish(topic("t"), keyed);
            // Killed among the appends of the hubs, which wait for the restart.
            let (appended, ()) = tokio::join!(publishing, async {
                if n == 25 {
                    tokio::task::block_in_place(|| {
                        postgres.kill();
                        postgres.restart();
                    });
                }
            });
            appended.expect("it is appended in the end");
            acknowledged.insert(text);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut published = Published::default();
    for publisher in publishing {
        published.add(in_time("it ends", publisher).await.expect("it ends well"));
    }
    published.acknowledged.extend(acknowledged);
    let end = nodes[0].hub.publish(&topic("t"), Event::new("end")).await.expect("it is appended");
    let mut orders = Vec::new();
    for stream in &mut streams {
        let mut events = Vec::new();
        loop {
            // A gap would be no event.
            let (id, text) = event(stream).await;
            if text == "end" {
                assert_eq!(id.offset(), end.id.offset());
                break;
            }
            events.push((id.offset(), text));
        }
        let dense = events.iter().zip(events[0].0..).all(|((found, _), offset)| *found == offset);
        assert!(dense, "there is a hole");
        orders.push(events);
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "all nodes have one order");
    let texts: BTreeSet<_> = orders[0].iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(texts.len(), orders[0].len(), "none came twice");
    let lost: Vec<_> = published.acknowledged.difference(&texts).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let never = texts.difference(&published.acknowledged);
    assert!(never.into_iter().all(|text| published.unknown.contains(text)));
}
