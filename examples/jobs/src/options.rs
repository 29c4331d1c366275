//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use sse_kit::http::HostName;
use sse_kit::serve::ListenAddress;

/// A job board: a job computes the SHA-256 of every file under a folder, and every open page
/// watches.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The address to listen on: an IP address or the name of a host, and a port (port 0 takes a
    /// free one); or `unix:PATH`.
    ///
    /// A client that can reach this address can have folders of this machine read.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: ListenAddress,
    /// A name by which it may be called, besides `localhost` and IP addresses; may be repeated.
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<HostName>,
    /// The folder that the form proposes.
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// A folder `node_modules` with htmx.org, htmx2 and htmx-ext-sse; otherwise pages take htmx from
    /// its CDN.
    #[arg(long, value_name = "DIR")]
    pub(crate) assets: Option<PathBuf>,
    /// Events kept for pages that reconnect. A page that missed more is loaded again.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) history: usize,
    /// Events that may wait for one page.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub(crate) queue: usize,
    /// Seconds between heartbeats; 0 sends none, with a warning.
    #[arg(long, value_name = "SECS", default_value = "15", value_parser = seconds)]
    heartbeat: Duration,
    /// Seconds that pages have to read their last events, on shutdown.
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    pub(crate) shutdown_delay: Duration,
    /// Pages that may be open; more are asked to come back later.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_connections: usize,
    /// Pages that may be open from one address.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_per_ip: usize,
    /// Seconds for which a client may take no bytes before the server disconnects it; 0 is no
    /// limit.
    #[arg(long, value_name = "SECS", default_value = "30", value_parser = seconds)]
    write_timeout: Duration,
    /// A directory in which the jobs survive the server, and the pages do not notice. Jobs that
    /// have not ended begin again. It is created if there is none.
    #[arg(long, value_name = "DIR", conflicts_with = "redis")]
    pub(crate) store: Option<PathBuf>,
    /// A Redis server that several job boards share. A job runs on the board that took it, and shows on
    /// the pages of all. A password is better given in the environment, where others do not see it.
    #[arg(long, value_name = "URL", env = "SSE_KIT_REDIS_URL", hide_env_values = true)]
    pub(crate) redis: Option<String>,
    /// Show what the hub does, at `/inspector`, to browsers on this machine.
    #[arg(long)]
    pub(crate) inspector: bool,
    /// Threads that serve; otherwise as many as there are processors.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) threads: Option<usize>,
}

impl Options {
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        Some(self.heartbeat).filter(|every| !every.is_zero())
    }

    pub(crate) fn write_timeout(&self) -> Option<Duration> {
        Some(self.write_timeout).filter(|timeout| !timeout.is_zero())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".into()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}
