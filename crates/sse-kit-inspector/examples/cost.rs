//! Measures the cost of an inspector: the CPU time of a process whose hub has many connections and
//! publishes all the time, first without an inspector, then with one, and then with open pages.
//!
//! `cargo run --release -p sse-kit-inspector --example cost [connections] [events a second]`

use std::error::Error;
use std::fs;
use std::io::{Write, stdout};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use sse_kit_inspector::{AccessPolicy, Inspector};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

type BoxError = Box<dyn Error + Send + Sync>;

/// Each phase, of which the first part is not measured.
const PHASE: Duration = Duration::from_secs(10);
const WARM_UP: Duration = Duration::from_secs(3);

/// The connections of each topic.
const PER_TOPIC: usize = 10;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let connections = args.next().transpose()?.unwrap_or(10_000);
    let rate = args.next().transpose()?.unwrap_or(1_000);
    let hub = Hub::new();
    let topics = (0..connections.div_ceil(PER_TOPIC))
        .map(|n| format!("jobs:{n}").parse())
        .collect::<Result<Vec<Topic>, _>>()?;
    for n in 0..connections {
        let mut page = hub.subscribe(&topics[n / PER_TOPIC]).open()?;
        tokio::spawn(async move { while page.recv().await.is_some() {} });
    }
    tokio::spawn(publish(hub.clone(), topics, rate));

    let mut out = stdout();
    writeln!(out, "{connections} connections, {rate} events a second to {PER_TOPIC} of them each")?;
    writeln!(out, "without an inspector    {}", measure().await?)?;
    let inspector = Inspector::builder(hub.clone(), AccessPolicy::checked_by_the_app())
        .in_release_builds()
        .build()?;
    writeln!(out, "with one                {}", measure().await?)?;
    for pages in [1, 8] {
        let open = (0..pages).map(|_| tokio::spawn(look(inspector.clone())));
        let open: Vec<_> = open.collect();
        writeln!(out, "with {pages} of its pages     {}", measure().await?)?;
        for page in open {
            page.abort();
        }
    }
    Ok(())
}

/// Publishes in bursts, a hundred times a second.
async fn publish(hub: Hub, topics: Vec<Topic>, rate: usize) -> Result<(), BoxError> {
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut topics = topics.iter().cycle();
    loop {
        ticks.tick().await;
        for topic in topics.by_ref().take(rate / 100) {
            let data =
                "<hx-partial hx-target=\"#job\" hx-swap=\"innerHTML\"><b>40 %</b></hx-partial>";
            hub.publish(topic, Event::new(data)).await?;
        }
    }
}

/// Reads the stream of a page.
async fn look(inspector: Inspector) -> Result<(), BoxError> {
    let request = Request::get("/inspector/live").body(Empty::<Bytes>::new())?;
    let mut body = inspector.answer(request, None).await.into_body();
    while body.frame().await.is_some() {}
    Ok(())
}

/// Measures the process for a while.
async fn measure() -> Result<String, BoxError> {
    sleep(WARM_UP).await;
    let (began, before) = (Instant::now(), Used::now()?);
    sleep(PHASE).await;
    let (took, after) = (began.elapsed(), Used::now()?);
    let share = after.cpu.saturating_sub(before.cpu).as_secs_f64() / took.as_secs_f64();
    Ok(format!("{:5.1} % of a core, {} MiB", share * 100.0, after.memory >> 20))
}

/// The CPU time that the process has used, and its memory, as Linux counts them.
struct Used {
    cpu: Duration,
    memory: u64,
}

impl Used {
    fn now() -> Result<Self, BoxError> {
        let all = fs::read_dir("/proc/self/task")?.map(|task| {
            let stat = fs::read_to_string(task?.path().join("schedstat"))?;
            Ok(stat.split(' ').next().ok_or("no time")?.parse::<u64>()?)
        });
        let nanoseconds = all.sum::<Result<u64, BoxError>>()?;
        let status = fs::read_to_string("/proc/self/status")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            resident.and_then(|line| line.split_whitespace().next()).ok_or("no memory")?;
        Ok(Self { cpu: Duration::from_nanos(nanoseconds), memory: kilobytes.parse::<u64>()? << 10 })
    }
}
