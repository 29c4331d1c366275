//! The command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use sse_kit::http::{HostName, Network, Origin, TrustedProxies};
use sse_kit::serve::ListenAddress;

use crate::auth::AuthOptions;
use crate::config;
use crate::limit_options::LimitOptions;
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
    /// The arguments from all sources.
    #[arg(skip)]
    arguments: Vec<OsString>,
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
    /// Let a compressed event refer to the four before it in its stream: small events that resemble one
    /// another take a tenth. Not for streams that have a secret and what a stranger may choose, even in
    /// events of their own.
    #[arg(long, requires = "gzip")]
    pub(crate) gzip_window: bool,
    /// Answer streams by hyper, also where they come over HTTP/1.1 without TLS: each takes five times the memory.
    /// To find out whether a fault is of the hub's own way, the fast path.
    #[arg(long)]
    pub(crate) hyper_streams: bool,
    /// Seconds for which a client may take no bytes before it is cut off; 0 for no limit.
    #[arg(long, value_name = "SECS", default_value_t = 30.0, value_parser = seconds)]
    write_timeout: f64,
    /// A directory in which events survive the hub: it goes on where it was, and its clients with it. It
    /// is created if there is none.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["redis", "redis_url_file", "postgres", "postgres_url_file"])]
    pub(crate) store: Option<PathBuf>,
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
    pub(crate) limits: LimitOptions,
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
            Ok(arguments) => Self { arguments: arguments.clone(), ..Self::parse_from(arguments) },
            Err(error) => {
                Self::command().error(ErrorKind::ValueValidation, format!("{error:#}")).exit()
            }
        }
    }

    /// Reads the options again.
    pub(crate) fn reload() -> anyhow::Result<Self> {
        let arguments = Self::arguments()?;
        Ok(Self { arguments: arguments.clone(), ..Self::try_parse_from(arguments)? })
    }

    /// Warns of options that have changed since the start, and that a reload leaves as they are.
    pub(crate) fn warn_of_changes(&self, since: &Self) {
        let (before, now) = (&since.arguments, &self.arguments);
        for option in config::need_a_restart(&Self::command(), before, now) {
            tracing::warn!("`{option}` has changed, which takes effect at the next start");
        }
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

pub(crate) fn none_if_zero(seconds: f64) -> Option<Duration> {
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

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
