//! `cargo run --release --package logbench`: how fast a hub publishes with its log in memory, in files, in
//! Redis and in PostgreSQL. The logs take turns in each round, so that whatever else the machine does
//! meets all of them. The servers run on this machine; figures compare with each other and not with those
//! of other machines.
#![expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a command-line tool talks on stdout"
)]

mod logs;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Parser;
use sse_kit_broadcast::Hub;
use sse_kit_event::{Event, Topic};
use tokio::task::JoinSet;

use crate::logs::Logs;

/// Measures how fast a hub publishes, with each of its logs in turn
#[derive(Debug, Parser)]
struct Cli {
    /// Rounds, of which the median counts
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// Milliseconds of one measurement
    #[arg(long, default_value_t = 2_000)]
    lasts: u64,
    /// Publishers at once
    #[arg(long, value_delimiter = ',', default_value = "1,16,64,256")]
    publishers: Vec<NonZeroUsize>,
    /// The size of the data, in bytes
    #[arg(long, default_value_t = 128)]
    bytes: usize,
    /// The directory for the files and the data of the servers
    #[arg(long, default_value = "target")]
    directory: PathBuf,
}

/// The figures of one measurement.
#[derive(Clone, Copy, Debug)]
struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let logs = Logs::start(&cli.directory).await?;
    let hubs = logs.hubs();
    let mut figures = vec![vec![Vec::new(); hubs.len()]; cli.publishers.len()];
    for _ in 0..cli.rounds.get() {
        for (row, &publishers) in figures.iter_mut().zip(&cli.publishers) {
            for (cell, (_, hub)) in row.iter_mut().zip(&hubs) {
                cell.push(measure(hub, publishers.get(), &cli).await?);
            }
        }
    }
    println!("{} ms each, the median of {} rounds; {} bytes\n", cli.lasts, cli.rounds, cli.bytes);
    println!("| log | publishers | events/s | slowest to fastest round | publish p50 | p99 |");
    println!("|---|---|---|---|---|---|");
    for (at, (name, _)) in hubs.iter().enumerate() {
        for (row, publishers) in figures.iter_mut().zip(&cli.publishers) {
            let rounds = &mut row[at];
            rounds.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
            let (Some(slowest), Some(fastest)) = (rounds.first(), rounds.last()) else { continue };
            let Figures { per_second, p50, p99 } = rounds[rounds.len() / 2];
            println!(
                "| {name} | {publishers} | {per_second:.0} | {:.0} to {:.0} | {p50:.2?} | {p99:.2?} |",
                slowest.per_second, fastest.per_second
            );
        }
    }
    Ok(())
}

/// Publishes for a while.
async fn measure(hub: &Hub, publishers: usize, cli: &Cli) -> Result<Figures> {
    let topic: Topic = "a".parse()?;
    let data: Arc<str> = "x".repeat(cli.bytes).into();
    let is_over = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let mut publishing = JoinSet::new();
    for _ in 0..publishers {
        let (hub, topic, data) = (hub.clone(), topic.clone(), Arc::clone(&data));
        let is_over = Arc::clone(&is_over);
        publishing.spawn(async move {
            let mut latencies = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                hub.publish(&topic, Event::new(&*data)).await?;
                latencies.push(begun.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    tokio::time::sleep(Duration::from_millis(cli.lasts)).await;
    is_over.store(true, Ordering::Relaxed);
    let latencies = publishing.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let elapsed = begun.elapsed();
    let mut latencies = latencies.concat();
    latencies.sort_unstable();
    let at = |percent| latencies.get(latencies.len() * percent / 100).copied();
    Ok(Figures {
        per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
        p50: at(50).context("nothing was published")?,
        p99: at(99).context("nothing was published")?,
    })
}
