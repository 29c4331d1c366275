//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// Chat rooms: a message in a room shows on every page that is open on it.
#[derive(Clone, Debug, clap::Parser)]
#[command(version)]
pub(crate) struct Options {
    /// The address to listen on: an IP address or the name of a host, and a port; port 0 takes a
    /// free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8082")]
    pub(crate) listen: String,
    /// A folder `node_modules` with htmx.org, htmx2 and htmx-ext-sse; otherwise pages take htmx from
    /// its CDN.
    #[arg(long, value_name = "DIR")]
    pub(crate) assets: Option<PathBuf>,
    /// Seconds between heartbeats; 0 sends none, with a warning.
    #[arg(long, value_name = "SECS", default_value = "15", value_parser = seconds)]
    heartbeat: Duration,
    /// Seconds that pages have to read their last events, on shutdown.
    #[arg(long, value_name = "SECS", default_value = "1", value_parser = seconds)]
    pub(crate) shutdown_delay: Duration,
    /// Pages that may be open; more are asked to come back later.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_connections: usize,
    /// Pages that may be open from one address.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_per_ip: usize,
}

impl Options {
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        Some(self.heartbeat).filter(|every| !every.is_zero())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
