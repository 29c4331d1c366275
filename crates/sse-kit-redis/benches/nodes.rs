//! `cargo bench -p sse-kit-redis`: what one Redis carries to one, two and three nodes, next to the log
//! in memory. All nodes are in this process, so they share its processors; figures compare with each
//! other and not with those of other machines.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "it prints figures for people"
)]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../tests/log/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use server::Server;
use sse_kit_broadcast::{Delivery, Hub, Subscription};
use sse_kit_event::{Event, Topic};
use sse_kit_redis::{RedisConfig, RedisLog};
use tokio::task::JoinSet;

const DATA: usize = 128;

/// The load of a measurement.
#[derive(Clone, Copy)]
struct Load {
    /// Of each node.
    clients: usize,
    publishers: usize,
    messages: usize,
}

/// One publisher alone waits for each reply, so it has fewer messages.
const ALONE: Load = Load { clients: 1_000, publishers: 1, messages: 2_000 };
const MANY_CLIENTS: Load = Load { clients: 1_000, publishers: 64, messages: 20_000 };
/// Next to nothing is delivered, so that what Redis can carry is the limit.
const MANY_MESSAGES: Load = Load { clients: 1, publishers: 256, messages: 100_000 };

#[tokio::main]
async fn main() {
    println!("messages of {DATA} bytes\n");
    println!(
        "| log | nodes | clients of each | publishers | messages/s | publish p50 | p99 | CPU of this process, µs per message and node | CPU of Redis, µs per message |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (load, counts) in
        [(ALONE, &[1, 2, 3][..]), (MANY_CLIENTS, &[1, 2, 3]), (MANY_MESSAGES, &[1, 2, 3, 10])]
    {
        let hub = builder(load).build().expect("the settings are right");
        measure("memory", &[hub], load, None).await;
        for count in counts {
            let redis = Server::start(&[]).await;
            let mut nodes = Vec::new();
            for _ in 0..*count {
                let config = RedisConfig::new(&redis.url()).expect("an address");
                let log = RedisLog::connect(config).await.expect("Redis is there");
                nodes.push(builder(load).log(log).build().expect("the settings are right"));
            }
            measure("Redis", &nodes, load, Some(&redis)).await;
        }
    }
}

fn builder(load: Load) -> sse_kit_broadcast::HubBuilder {
    Hub::builder().heartbeat(None).history(2 * load.messages)
}

async fn measure(log: &str, nodes: &[Hub], load: Load, redis: Option<&Server>) {
    let Load { clients, publishers, messages } = load;
    let topic: Topic = "a".parse().expect("a topic");
    let mut reading = JoinSet::new();
    for node in nodes {
        for _ in 0..clients {
            let stream = node.subscribe(topic.clone()).open().expect("it opens");
            reading.spawn(read(stream));
        }
    }
    let (cpu, redis_cpu, begun) = (cpu(), redis_cpu(redis).await, Instant::now());
    let mut publishing = JoinSet::new();
    let data: Arc<str> = "x".repeat(DATA).into();
    for n in 0..publishers {
        let (hub, topic, data) = (nodes[n % nodes.len()].clone(), topic.clone(), Arc::clone(&data));
        publishing.spawn(async move {
            let mut latencies = Vec::new();
            for _ in (n..messages).step_by(publishers) {
                let begun = Instant::now();
                hub.publish(&topic, Event::new(&*data)).await.expect("it is appended");
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    let mut latencies = publishing.join_all().await.concat();
    nodes[0].publish(&topic, Event::new("end")).await.expect("it is appended");
    for seen in reading.join_all().await {
        assert_eq!(seen, messages, "every client has every message");
    }
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    let rate = messages as f64 / elapsed.as_secs_f64();
    let per = |cpu: Duration, of: usize| cpu.as_secs_f64() * 1e6 / of as f64;
    println!(
        "| {log} | {} | {clients} | {publishers} | {rate:.0} | {:.2?} | {:.2?} | {:.0} | {:.1} |",
        nodes.len(),
        latencies[latencies.len() / 2],
        latencies[latencies.len() * 99 / 100],
        per(self::cpu().saturating_sub(cpu), messages * nodes.len()),
        per(self::redis_cpu(redis).await.saturating_sub(redis_cpu), messages),
    );
}

/// Returns the number of messages that came before the last.
async fn read(mut stream: Subscription) -> usize {
    let mut seen = 0;
    loop {
        match stream.recv().await.expect("it goes on") {
            Delivery::Entry(entry) if entry.frame().starts_with(b"data: end\n") => return seen,
            Delivery::Entry(_) => seen += 1,
            other => panic!("{other:?}"),
        }
    }
}

/// The time that this process has had on processors.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<i64> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect())
        .unwrap_or_default();
    // Without the state, which is a letter: user and system time, in hundredths of a second.
    Duration::from_millis(
        fields.get(10..12).map_or(0, |times| times.iter().sum::<i64>().unsigned_abs() * 10),
    )
}

async fn redis_cpu(redis: Option<&Server>) -> Duration {
    let Some(redis) = redis else { return Duration::ZERO };
    let info: String = redis.command(&["INFO", "cpu"]).await;
    let used = ["used_cpu_user:", "used_cpu_sys:"].map(|name| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|seconds| seconds.trim().parse::<f64>().ok()).unwrap_or_default()
    });
    Duration::from_secs_f64(used.iter().sum())
}
