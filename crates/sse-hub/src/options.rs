//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use sse_kit::event::Topics;
use sse_kit::http::{HostName, Network, Origin, TrustedProxies};
use sse_kit::serve::ListenAddress;

use crate::auth::AuthOptions;
use crate::config;
use crate::postgres_options::PostgresOptions;
use crate::redis_options::RedisOptions;
use crate::tls_options::TlsOptions;

/// A small stand-alone hub for Server-Sent Events.
#[derive(Clone, Debug, clap::Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(
    name = "hub",
    version,
    after_help = "\
Each option may also be a variable, `SSE_HUB_HISTORY=7`, or a line of the file of `--config`, `history = 7`.
A switch is `true` or `false`; a list is separated by commas in a variable. The command line comes before
the environment, and the environment before the file.

Publish:  curl -d hello 'http://127.0.0.1:8081/publish?topic=news'
Listen:   curl -N 'http://127.0.0.1:8081/events?topic=news&topic=jobs:*'"
)]
pub(crate) struct Options {
    /// A file in TOML that has options too, by their names here: `history = 7`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on: an IP address or the name of a host, and a port, of which 0 takes a free one; or
    /// `unix:PATH`.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(crate) listen: ListenAddress,
    /// A name by which the hub may be called, besides `localhost` and IP addresses; may be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<HostName>,
    /// Events kept for each topic, for clients that come back; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) history: usize,
    /// Events kept for a topic, or for each topic that matches a pattern, in place of `--history`:
    /// `rooms:*=500`; may be repeated. The first that covers a topic counts.
    #[arg(long = "history-for", value_name = "PATTERN=N", value_parser = history_for)]
    pub(crate) history_for: Vec<(Topics, usize)>,
    /// Events that may wait for one connection.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub(crate) queue: usize,
    /// Seconds for which an event may wait for others, to be written with them.
    #[arg(long, value_name = "SECS", default_value_t = 0.0, value_parser = seconds)]
    max_delay: f64,
    /// Seconds between heartbeats; 0 sends none, with a warning.
    #[arg(long, value_name = "SECS", default_value_t = 15.0, value_parser = seconds)]
    heartbeat: f64,
    /// Seconds that clients have to read the events left for them, on shutdown.
    #[arg(long, value_name = "SECS", default_value_t = 1.0, value_parser = seconds)]
    shutdown_delay: f64,
    /// Seconds over which clients come back after a shutdown, at random.
    #[arg(long, value_name = "SECS", default_value_t = 5.0, value_parser = seconds)]
    reconnect_spread: f64,
    /// Seconds for which it serves on after a signal, while it says that it is not ready.
    #[arg(long, value_name = "SECS", default_value_t = 0.0, value_parser = seconds)]
    pre_drain: f64,
    /// A network of proxies that may tell a client's address by `X-Forwarded-For`; may be repeated.
    #[arg(long = "trust-proxy", value_name = "CIDR")]
    trusted: Vec<Network>,
    /// Expect trusted proxies to begin each connection with the PROXY protocol, version 1 or 2.
    #[arg(long, requires = "trusted")]
    pub(crate) proxy_protocol: bool,
    /// Event streams that may be open; more are asked to come back later.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_connections: usize,
    /// Event streams that may be open from one address.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_per_ip: usize,
    /// Compress events once for all clients that accept gzip. Not for events that have a secret beside
    /// what a stranger may choose: their length would tell of it.
    #[arg(long)]
    pub(crate) gzip: bool,
    /// Answer streams without hyper, where they come over HTTP/1.1: less memory and time for each.
    #[arg(long)]
    pub(crate) fast_path: bool,
    /// Seconds for which a client may take no bytes before it is cut off; 0 for no limit.
    #[arg(long, value_name = "SECS", default_value_t = 30.0, value_parser = seconds)]
    write_timeout: f64,
    /// A directory in which events survive the hub: it goes on where it was, and its clients with it. It
    /// is created if there is none.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["redis", "redis_url_file", "postgres", "postgres_url_file"])]
    pub(crate) store: Option<PathBuf>,
    /// Events that one publisher (the `sub` of its token, or its address) may publish in a second, and twice
    /// as many at once; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) publish_rate: u32,
    /// An origin whose pages may listen, and publish with a token in a header: `https://app.example`; may be
    /// repeated.
    #[arg(long = "cors-origin", value_name = "ORIGIN")]
    pub(crate) cors: Vec<Origin>,
    /// Log each request, and each stream when it opens and closes, with the reason.
    #[arg(long)]
    pub(crate) access_log: bool,
    /// Show what the hub does at `/inspector`: topics, clients and events, and publish and disconnect there.
    /// With a key it needs a token with the claim `inspect`. Without one the hub must listen on a loopback
    /// address, without `--trust-proxy`, and only this machine may look.
    #[arg(long)]
    pub(crate) inspector: bool,
    #[command(flatten)]
    pub(crate) auth: AuthOptions,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    #[command(flatten)]
    pub(crate) redis: RedisOptions,
    #[command(flatten)]
    pub(crate) postgres: PostgresOptions,
    /// Threads that serve; otherwise as many as there are processors.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    threads: Option<usize>,
}

impl Options {
    /// Reads the options of this process; ends it if they are wrong.
    pub(crate) fn load() -> Self {
        let command = Self::command();
        let variables: Vec<_> =
            std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        for name in config::unknown_variables(&command, variables.iter().map(String::as_str)) {
            tracing::warn!("the variable {name} is no option of the hub");
        }
        match Self::arguments() {
            Ok(arguments) => Self::parse_from(arguments),
            Err(error) => {
                Self::command().error(ErrorKind::ValueValidation, format!("{error:#}")).exit()
            }
        }
    }

    /// Reads the options again.
    pub(crate) fn reload() -> anyhow::Result<Self> {
        Ok(Self::try_parse_from(Self::arguments()?)?)
    }

    fn arguments() -> anyhow::Result<Vec<OsString>> {
        let environment = |name: &str| std::env::var_os(name);
        config::arguments(&Self::command(), std::env::args_os().collect(), &environment)
    }

    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        none_if_zero(self.heartbeat)
    }

    pub(crate) fn max_delay(&self) -> Duration {
        Duration::from_secs_f64(self.max_delay)
    }

    pub(crate) fn shutdown_delay(&self) -> Duration {
        Duration::from_secs_f64(self.shutdown_delay)
    }

    pub(crate) fn reconnect_spread(&self) -> Duration {
        Duration::from_secs_f64(self.reconnect_spread)
    }

    pub(crate) fn pre_drain(&self) -> Duration {
        Duration::from_secs_f64(self.pre_drain)
    }

    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        none_if_zero(self.write_timeout)
    }

    pub(crate) fn trusted(&self) -> TrustedProxies {
        TrustedProxies::new(self.trusted.iter().copied())
    }

    /// Returns `true` if requests come by a proxy.
    pub(crate) fn has_proxies(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// Creates a runtime with the configured number of threads. One thread needs none of the machinery that several
    /// share.
    pub(crate) fn runtime(&self) -> anyhow::Result<tokio::runtime::Runtime> {
        let threads = match self.threads {
            Some(threads) => threads,
            None => std::thread::available_parallelism()?.get(),
        };
        let mut runtime = match threads {
            1 => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        Ok(runtime.worker_threads(threads).enable_all().build()?)
    }
}

fn none_if_zero(seconds: f64) -> Option<Duration> {
    (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if (0.0..=1e9).contains(&seconds) { Ok(seconds) } else { Err("out of range".into()) }
}

/// Returns the first line of a file, which is an address that nobody else is to see.
pub(crate) fn first_line(file: &Path, what: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the address of {what} from {}", file.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(
        !line.is_empty(),
        "{} has no address of {what} in its first line",
        file.display()
    );
    Ok(line.to_owned())
}

/// Parses a topic or pattern and a number. A topic may contain `=`, so the last one counts.
fn history_for(text: &str) -> Result<(Topics, usize), String> {
    let (topic, events) =
        text.rsplit_once('=').ok_or("write `PATTERN=N`, such as `rooms:*=500`")?;
    let topics = Topics::parse([topic]).map_err(|error| error.to_string())?;
    let events = events.parse().map_err(|_| format!("`{events}` is no number of events"))?;
    Ok((topics, events))
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
