//! `cargo bench -p sse-kit-postgres`: how many transactions that publish are committed, next to a design in
//! which each holds a row lock until its commit; and how fast a hub publishes, next to the log in memory.
//! PostgreSQL runs on this machine and waits for the disk. Figures compare with each other and not with
//! those of other machines.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures for people"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use sse_kit_postgres::{Outbox, PostgresConfig, PostgresLog};
use sse_kit_test_support::postgres::Server;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

const LASTS: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;

/// The rows of the app, and the tables of the design with a row lock.
const TABLES: &str = "
    create table item (id int primary key, state int not null);
    insert into item select n, 0 from generate_series(0, 255) n;
    create table lock_meta (last bigint not null);
    insert into lock_meta values (0);
    create table lock_log (o bigint primary key, topic text not null, event bytea not null);
    create function lock_publish(topic text, event bytea) returns void language plpgsql as $$
    declare o bigint;
    begin
      update lock_meta set last = last + 1 returning last into o;
      insert into lock_log values (o, topic, event);
      perform pg_notify('lock', '');
    end $$;";

/// The way in which a transaction publishes.
#[derive(Clone, Copy, Debug)]
enum Design {
    Outbox,
    RowLock,
}

#[tokio::main]
async fn main() {
    let server = Server::start(&["-c", "fsync=on", "-c", "full_page_writes=on"]);
    let client = connect(&server.url()).await;
    client.batch_execute(TABLES).await.expect("they are new");
    let hub = hub(&server.url()).await;
    println!("{LASTS:?} each, the median of {ROUNDS} rounds; 128 bytes\n");
    println!("| | at once | per second | p50 | p99 |");
    println!("|---|---|---|---|---|");
    for publishers in [1, 16, 64] {
        for design in [Design::RowLock, Design::Outbox] {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(transact(&server.url(), design, publishers).await);
            }
            print_median(&format!("transactions, {design:?}"), publishers, rounds);
        }
    }
    let memory = Hub::builder().heartbeat(None).history(50).build().expect("a hub");
    for publishers in [1, 16, 256] {
        for (name, hub) in [("hub, memory", &memory), ("hub, PostgreSQL", &hub)] {
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(publish(hub, publishers).await);
            }
            print_median(name, publishers, rounds);
        }
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it is there");
    tokio::spawn(connection);
    client
}

async fn hub(url: &str) -> Hub {
    let log = PostgresLog::connect(PostgresConfig::new(url).expect("an address")).await;
    let builder = Hub::builder().heartbeat(None).history(50);
    builder.log(log.expect("it is there")).build().expect("a hub")
}

/// Changes a row and publishes, in transactions of four round trips.
async fn transact(url: &str, design: Design, publishers: usize) -> Vec<Duration> {
    let mut clients = Vec::new();
    for _ in 0..publishers {
        clients.push(connect(url).await);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let mut publishing = JoinSet::new();
    for (row, mut client) in (0_i32..).zip(clients) {
        let is_over = Arc::clone(&is_over);
        publishing.spawn(async move {
            let topic: Topic = "a".parse().expect("a topic");
            let event = Event::new("x".repeat(128));
            let encoded = event.encode();
            let change = client.prepare("update item set state = state + 1 where id = $1");
            let change = change.await.expect("it is a statement");
            let locked = client.prepare("select lock_publish('a', $1)").await;
            let locked = locked.expect("it is a statement");
            let mut latencies = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let mut transaction = client.transaction().await.expect("it begins");
                transaction.execute(&change, &[&row]).await.expect("it is changed");
                match design {
                    Design::Outbox => {
                        let sent = transaction.publish(&topic, event.clone()).await;
                        assert!(sent.expect("it is accepted"));
                    }
                    Design::RowLock => {
                        let sent = transaction.execute(&locked, &[&encoded.as_bytes()]).await;
                        sent.expect("it is accepted");
                    }
                }
                transaction.commit().await.expect("it commits");
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    tokio::time::sleep(LASTS).await;
    is_over.store(true, Ordering::Relaxed);
    publishing.join_all().await.concat()
}

/// Publishes through a hub.
async fn publish(hub: &Hub, publishers: usize) -> Vec<Duration> {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut publishing = JoinSet::new();
    for _ in 0..publishers {
        let (hub, is_over) = (hub.clone(), Arc::clone(&is_over));
        publishing.spawn(async move {
            let (topic, data) = ("a".parse::<Topic>().expect("a topic"), "x".repeat(128));
            let mut latencies = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                hub.publish(&topic, Event::new(&*data)).await.expect("it is appended");
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    tokio::time::sleep(LASTS).await;
    is_over.store(true, Ordering::Relaxed);
    publishing.join_all().await.concat()
}

fn print_median(name: &str, publishers: usize, mut rounds: Vec<Vec<Duration>>) {
    rounds.sort_by_key(Vec::len);
    let mut median = rounds.swap_remove(ROUNDS / 2);
    median.sort_unstable();
    let rate = median.len() as f64 / LASTS.as_secs_f64();
    let (p50, p99) = (median[median.len() / 2], median[median.len() * 99 / 100]);
    println!("| {name} | {publishers} | {rate:.0} | {p50:.2?} | {p99:.2?} |");
}
