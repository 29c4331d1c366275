//! The usual app in Rust today: axum's `Sse` over `tokio::sync::broadcast`, one channel
//! per topic. A subscriber that lags loses events. Allocator, runtime, socket options and buffers are those
//! of the hub, so that the comparison is of the rest.
#![expect(clippy::print_stdout, reason = "where it listens is said on stdout")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use clap::Parser;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{Stream, StreamExt};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messages that a channel keeps for its slowest subscriber: the hub's 100, as a power of two.
const CAPACITY: usize = 128;

/// To compare with: axum's `Sse` over tokio's broadcast channel
#[derive(Debug, Parser)]
struct Options {
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// Compress each stream by itself, for clients that accept it
    #[arg(long)]
    gzip: bool,
    /// Threads of the runtime [default: one for each CPU]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // As in the hub: several threads on one CPU would only take work from each other.
    let threads = options.threads.map_or_else(available_parallelism, Ok)?.get();
    let mut runtime = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.worker_threads(threads).enable_all().build()?.block_on(serve(options))
}

async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let mut app = Router::new()
        .route("/events", get(events))
        .route("/publish", post(publish))
        .with_state(Hub::default());
    if options.gzip {
        // What it does by default leaves event streams out.
        app = app.layer(CompressionLayer::new().compress_when(SizeAbove::new(0)));
    }
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            eprintln!("a socket refuses TCP_NODELAY: {error}");
        }
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn events(
    State(hub): State<Hub>,
    Query(query): Query<TopicQuery>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(hub.channel(query.topic).subscribe())
        .filter_map(Result::ok)
        .map(|data| Ok(Event::default().data(data)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(
    State(hub): State<Hub>,
    Query(query): Query<TopicQuery>,
    data: String,
) -> Json<Published> {
    // It fails when nobody listens.
    let receivers = hub.channel(query.topic).send(data.into()).unwrap_or(0);
    Json(Published { receivers })
}

#[derive(Deserialize)]
struct TopicQuery {
    topic: String,
}

#[derive(Serialize)]
struct Published {
    receivers: usize,
}

#[derive(Clone, Default)]
struct Hub {
    channels: Arc<Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>>,
}

impl Hub {
    fn channel(&self, topic: String) -> broadcast::Sender<Arc<str>> {
        let mut channels = self.channels.lock().expect("nothing panics while it is held");
        channels.entry(topic).or_insert_with(|| broadcast::channel(CAPACITY).0).clone()
    }
}
