//! `cargo bench -p sse-kit-postgres`: how many transactions that publish are committed, next to a design in
//! which each holds a row lock until its commit. PostgreSQL runs on this machine and waits for the disk.
//! Somebody reads each log as it grows. The designs take turns in each round, so that whatever else the
//! machine does meets all of them. Figures compare with each other and not with those of other machines.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures for people"
)]

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use sse_kit_postgres::{Outbox, PostgresConfig, PostgresLog};
use sse_kit_test_support::postgres::Server;
use tokio::task::JoinSet;
use tokio_postgres::{AsyncMessage, Client, NoTls, Statement};

const LASTS: Duration = Duration::from_secs(2);
const ROUNDS: usize = 7;

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
    /// A prepared statement, which holds the row lock until the commit.
    RowLock,
    /// The prepared statement `select sse.publish(…)`.
    Function,
    /// The trait [`Outbox`], which prepares nothing.
    Outbox,
}

const DESIGNS: [Design; 3] = [Design::RowLock, Design::Function, Design::Outbox];

impl Design {
    /// Returns the statement that publishes an event with this as its data.
    fn statement(self, data: &str) -> String {
        match self {
            // Encoded, as nobody would do in a transaction that holds the lock.
            Self::RowLock => format!("select lock_publish('a', 'data: {data}\\012'::bytea)"),
            Self::Function | Self::Outbox => format!("select sse.publish('a', null, '{data}')"),
        }
    }
}

#[tokio::main]
async fn main() {
    let server = Server::start(&["-c", "fsync=on", "-c", "full_page_writes=on"]);
    let client = connect(&server.url()).await;
    client.batch_execute(TABLES).await.expect("they are new");
    let log = PostgresLog::connect(PostgresConfig::new(&server.url()).expect("an address")).await;
    let builder = Hub::builder().heartbeat(None).history(50).log(log.expect("it is there"));
    let _hub = builder.build().expect("a hub");
    tokio::spawn(follow(server.url()));
    println!("{LASTS:?} each, the median of {ROUNDS} rounds; 128 bytes\n");
    println!("| design | at once | per second | to the row lock of its round | p50 | p99 |");
    println!("|---|---|---|---|---|---|");
    for publishers in [1, 16, 64] {
        let mut rounds = DESIGNS.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (design, rounds) in DESIGNS.into_iter().zip(&mut rounds) {
                rounds.push(transact(&server.url(), design, publishers).await);
            }
        }
        for (design, own) in DESIGNS.into_iter().zip(&rounds) {
            print_median(design, publishers, own, &rounds[0]);
        }
    }
}

/// Reads the log of the design with a row lock, when it is notified, as a node does.
async fn follow(url: String) {
    let (client, mut connection) = tokio_postgres::connect(&url, NoTls).await.expect("it is there");
    let (news, mut read) = tokio::sync::watch::channel(());
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                news.send_replace(());
            }
        }
    });
    client.batch_execute("listen lock").await.expect("it listens");
    let query = "select o, topic, event from lock_log where o > $1 order by o limit 500";
    let query = client.prepare(query).await.expect("it is a statement");
    let mut last = 0_i64;
    while read.changed().await.is_ok() {
        loop {
            let Ok(rows) = client.query(&query, &[&last]).await else { return };
            let Some(newest) = rows.last() else { break };
            last = newest.get(0);
        }
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("it is there");
    tokio::spawn(connection);
    client
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
            let prepare = async |sql: &str| -> Statement {
                client.prepare(sql).await.expect("it is a statement")
            };
            let change = prepare("update item set state = state + 1 where id = $1").await;
            let publish = prepare(&design.statement(&"x".repeat(128))).await;
            let mut latencies = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let mut transaction = client.transaction().await.expect("it begins");
                transaction.execute(&change, &[&row]).await.expect("it is changed");
                if matches!(design, Design::Outbox) {
                    let sent = transaction.publish(&topic, event.clone()).await;
                    assert!(sent.expect("it is accepted"));
                } else {
                    transaction.execute(&publish, &[]).await.expect("it is accepted");
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

/// Prints the median of some rounds, and the median of their ratios to the others.
fn print_median(
    design: Design,
    publishers: usize,
    rounds: &[Vec<Duration>],
    others: &[Vec<Duration>],
) {
    let ratio =
        |(own, other): (&Vec<Duration>, &Vec<Duration>)| own.len() as f64 / other.len() as f64;
    let mut ratios: Vec<f64> = rounds.iter().zip(others).map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    let mut rounds: Vec<_> = rounds.to_vec();
    rounds.sort_by_key(Vec::len);
    let mut median = rounds.swap_remove(ROUNDS / 2);
    median.sort_unstable();
    let rate = median.len() as f64 / LASTS.as_secs_f64();
    let (p50, p99) = (median[median.len() / 2], median[median.len() * 99 / 100]);
    let (least, ratio, most) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
    println!(
        "| {design:?} | {publishers} | {rate:.0} | {ratio:.2} ({least:.2} to {most:.2}) | {p50:.2?} | {p99:.2?} |"
    );
}
