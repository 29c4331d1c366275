//! A job board: a job computes the SHA-256 of every file under a folder, and every open page
//! watches. See the README beside it.
//!
//! In the order in which to read it: `job` is what a job is, `board` keeps all of them and emits what
//! happens to them, `messages` says what that changes on the pages; `runner` gives jobs their turns, `walk`, `hashing` and
//! `digest` do the work; `peers` is for several boards that are one, and `store` for one that outlives its process; `routes`, `form` and `page` are what a browser meets.

mod amounts;
mod assets;
mod board;
mod digest;
mod file_hash;
mod form;
mod hashing;
mod job;
mod messages;
mod options;
mod page;
mod peers;
mod progress;
mod reply;
mod routes;
mod runner;
mod store;
mod walk;

use std::convert::Infallible;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use clap::Parser;
use http::Request;
use http_body_util::Either;
use sse_kit::Hub;
use sse_kit::file::{FileConfig, FileLog};
use sse_kit::http::{HostRules, Quota};
use sse_kit::inspector::{AccessPolicy, ClientInfo, Inspector};
use sse_kit::redis::{RedisConfig, RedisLog};
use sse_kit::serve::{ListenAddress, Listener, RequestBody, Server};
use sse_kit::shutdown::{GoodbyePolicy, ReconnectSpread, Shutdown, Signals};
use tracing_subscriber::EnvFilter;

use crate::assets::Assets;
use crate::board::Board;
use crate::options::Options;
use crate::peers::Peers;
use crate::routes::App;
use crate::runner::Runner;
use crate::store::Store;

/// After how long pages come back that a shutdown sent away: at most this, at random.
const COME_BACK_WITHIN: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let mut log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if !stderr().is_terminal() {
        // A file or a pipe gets no colours.
        log = log.with_ansi(false);
    }
    log.init();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    let exit_code = runtime.block_on(run(options));
    // Jobs stop within a block; should a disk hang, that is no reason to hang with it.
    runtime.shutdown_timeout(Duration::from_secs(1));
    exit_code
}

async fn run(options: Options) -> anyhow::Result<ExitCode> {
    if options.inspector && matches!(options.listen, ListenAddress::Unix(_)) {
        bail!(
            "`--inspector` is for browsers on this machine, and through {} everybody looks local: \
             listen on a TCP address",
            options.listen
        );
    }
    let signals = Signals::install()?;
    if options.heartbeat().is_none() {
        tracing::warn!(
            "without heartbeats proxies end quiet streams, pages do not notice a connection that is dead, and \
             clients that are gone without a word stay for a minute"
        );
    }
    let server = Server::new(Listener::bind(&options.listen).await?)
        .write_timeout(options.write_timeout())
        .user_timeout(options.write_timeout());
    let mut hub =
        Hub::builder().history(options.history).queue(options.queue).heartbeat(options.heartbeat());
    if let Some(url) = &options.redis {
        hub = hub.log(RedisLog::connect(RedisConfig::new(url)?).await?);
    }
    let mut store = None;
    if let Some(directory) = &options.store {
        // The log creates the directory, and waits at most 30 s for the process before.
        hub = hub.log(FileLog::open(FileConfig::new(Store::events(directory))).await?);
        store = Some(Store::open(directory)?);
    }
    let hub = hub.build()?;
    let shutdown = Shutdown::builder()
        .hub(hub.clone())
        .goodbye(GoodbyePolicy::ComeBack(ReconnectSpread::Within(COME_BACK_WITHIN)))
        .shutdown_delay(options.shutdown_delay)
        .deadline(options.shutdown_delay)
        .build();
    let peers = match options.redis {
        Some(_) => Some(Peers::join(hub.clone()).await?),
        None => None,
    };
    let (board, unstarted) = match store {
        Some((store, saved)) => Board::restored(hub.clone(), store, saved).await,
        None => (Board::new(hub.clone(), peers), Vec::new()),
    };
    let board = Arc::new(board);
    let hearing = board.catch_up_with_peers().await?;
    let following = hearing.map(|hearing| tokio::spawn(Arc::clone(&board).follow_peers(hearing)));
    let runner = Runner::new(Arc::clone(&board));
    runner.resume(unstarted);
    let inspector = options.inspector.then(|| inspect(&hub, &board)).transpose()?;
    let app = Arc::new(App {
        hub,
        shutdown: shutdown.clone(),
        runner,
        board: Arc::clone(&board),
        assets: Assets::load(options.assets.as_deref())?,
        limits: Quota::new().total(options.max_connections).per_client(options.max_per_ip),
        hosts: HostRules::new(options.hosts),
        server: server.monitor(),
        folder: options.folder,
    });

    match server.address()? {
        ListenAddress::Tcp(address) => {
            writeln!(stdout(), "listening on http://{address}")?;
            if let Some(inspector) = &inspector {
                writeln!(stdout(), "the inspector is at http://{address}{}", inspector.path())?;
            }
            if !address.ip().is_loopback() {
                tracing::warn!(%address, "whoever can reach this can have folders of this machine read");
            }
        }
        other => writeln!(stdout(), "listening on {other}")?,
    }

    let service = move |request: Request<RequestBody>, client: SocketAddr| {
        let (app, inspector) = (Arc::clone(&app), inspector.clone());
        async move {
            Ok::<_, Infallible>(match inspector {
                Some(inspector) if inspector.serves(request.uri().path()) => {
                    inspector.answer(request, Some(client.ip())).await.map(Either::Left)
                }
                _ => app.answer(request, client.ip()).await.map(Either::Right),
            })
        }
    };
    let outcome = server.serve_until_shutdown(&shutdown, signals, service).await;
    if let Some(following) = following {
        following.abort();
    }
    board.cancel_all().await;
    Ok(outcome.exit_code())
}

/// Makes the inspector, which shows where pages are from and how long each change took.
fn inspect(hub: &Hub, board: &Board) -> anyhow::Result<Inspector> {
    let inspector = Inspector::builder(hub.clone(), AccessPolicy::on_this_machine())
        .describe(|page| {
            Some(ClientInfo::default().address(page.metadata::<IpAddr>()?.to_string()))
        })
        // Only where the option asks for it.
        .in_release_builds()
        .build()?;
    board.dispatcher().middleware(inspector.trace());
    Ok(inspector)
}
