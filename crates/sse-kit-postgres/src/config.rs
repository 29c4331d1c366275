//! The settings of a log in PostgreSQL.

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::TargetSessionAttrs;

use crate::error::PostgresConnectError;
use crate::hosts::each_host;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// The maximum of every duration: a hundred years. Longer ones are reduced to it.
const MAX_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The largest count that PostgreSQL accepts.
const MAX_COUNT: u64 = i64::MAX.unsigned_abs();

/// The settings of a log in PostgreSQL: its address, retention and timeouts.
///
/// A database has one log, in the schema `sse`.
///
/// ```
/// use std::time::Duration;
/// use sse_kit_postgres::PostgresConfig;
///
/// let config = PostgresConfig::new("postgres://app@127.0.0.1/shop")?
///     .keep_events(200_000)
///     .keep_for(Duration::from_secs(7 * 24 * 3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use = "settings are used when a log is opened"]
pub struct PostgresConfig {
    /// The settings for each host of the address.
    pub(crate) hosts: Vec<tokio_postgres::Config>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Tls,
    pub(crate) keep_events: u64,
    pub(crate) keep_for: Option<Duration>,
    pub(crate) warm_up: u64,
    pub(crate) append_deadline: Duration,
    pub(crate) attempt_timeout: Duration,
    pub(crate) start_deadline: Duration,
    pub(crate) migrate: bool,
}

impl PostgresConfig {
    /// Creates the settings for the log in this database: `postgres://user:password@host:port/name`,
    /// or `host=… dbname=…` as in libpq. Several hosts may be named; nodes connect to the first that
    /// accepts writes, and find the new primary after a failover.
    ///
    /// With the feature `tls`, connections are encrypted if the server offers it; with
    /// `sslmode=require` in the address, no others are made. The server's certificate is verified
    /// against the certificates of the operating system in both cases. Without the feature,
    /// `sslmode=require` is refused.
    ///
    /// # Errors
    ///
    /// [`PostgresConnectError::Address`] if `url` is not such an address.
    pub fn new(url: &str) -> Result<Self, PostgresConnectError> {
        let address = |error: tokio_postgres::Error| PostgresConnectError::Address(error.into());
        let mut server: tokio_postgres::Config = url.parse().map_err(address)?;
        if !cfg!(feature = "tls")
            && server.get_ssl_mode() == tokio_postgres::config::SslMode::Require
        {
            let reason = "`sslmode=require` needs the feature `tls` of sse-kit-postgres";
            return Err(PostgresConnectError::Address(reason.into()));
        }
        server.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if server.get_application_name().is_none() {
            server.application_name("sse-kit");
        }
        let Some(hosts) = each_host(&server) else {
            let reason = "the address names no host, or not one address and one port for each";
            return Err(PostgresConnectError::Address(reason.into()));
        };
        Ok(Self {
            hosts,
            #[cfg(feature = "tls")]
            tls: Tls::default(),
            keep_events: 100_000,
            keep_for: None,
            warm_up: 10_000,
            append_deadline: Duration::from_secs(3),
            attempt_timeout: Duration::from_secs(1),
            start_deadline: Duration::from_secs(10),
            migrate: true,
        })
    }

    /// Sets the settings of TLS, such as the certificates to trust. Default: those of the operating
    /// system.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: std::sync::Arc<rustls::ClientConfig>) -> Self {
        Self { tls: Tls::new(tls), ..self }
    }

    /// Sets the number of events that the log keeps. Default: 100,000.
    pub fn keep_events(self, events: u64) -> Self {
        Self { keep_events: events.clamp(1, MAX_COUNT), ..self }
    }

    /// Sets the maximum age of events in the log, accurate to about a second. Default: no limit.
    pub fn keep_for(self, age: Duration) -> Self {
        Self { keep_for: Some(age.min(MAX_TIME)), ..self }
    }

    /// Sets how many of the newest events a node reads at its start, at most 64 MiB, to serve clients
    /// that resume on it. Default: 10,000.
    pub fn warm_up(self, events: u64) -> Self {
        Self { warm_up: events.min(MAX_COUNT), ..self }
    }

    /// Sets the deadline of an append, including retries. Default: 3 s.
    pub fn append_deadline(self, deadline: Duration) -> Self {
        Self { append_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// Sets the timeout of a connection attempt to one host, after which the node tries the next one, and
    /// of one append, after which it retries on a new connection. Reads may take five times as long.
    /// Default: 1 s.
    ///
    /// Hosts are tried in turn within [`append_deadline`](Self::append_deadline) too: with several of
    /// them, that should be longer than this for each.
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        Self { attempt_timeout: timeout.clamp(Duration::from_millis(10), MAX_TIME), ..self }
    }

    /// Sets how long [`PostgresLog::connect`](crate::PostgresLog::connect) retries while PostgreSQL is
    /// unreachable. Default: 10 s.
    pub fn start_deadline(self, deadline: Duration) -> Self {
        Self { start_deadline: deadline.min(MAX_TIME), ..self }
    }

    /// Lets no node create the schema `sse`: apply [`MIGRATION`](crate::MIGRATION) instead. Default:
    /// a node creates it if the database has none, for which its role needs the right.
    pub fn without_migration(self) -> Self {
        Self { migrate: false, ..self }
    }

    /// Returns the maximum duration of an attempt to connect, over all hosts.
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.attempt_timeout.saturating_mul(u32::try_from(self.hosts.len()).unwrap_or(u32::MAX))
    }

    /// Returns the maximum duration of a read.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.attempt_timeout.saturating_mul(5)
    }
}

/// Leaves the address out, because it may contain a password.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts.iter().map(|host| (host.get_hosts(), host.get_hostaddrs()));
        f.debug_struct("PostgresConfig")
            .field("hosts", &hosts.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_printed() {
        let config = PostgresConfig::new("postgres://u:secret@localhost/x").unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        for wrong in
            ["http://u:secret@localhost", "postgres://u:secret@localhost:x/y", "", "secret"]
        {
            let error = PostgresConfig::new(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn an_address_that_requires_tls_is_refused_without_it() {
        let config = PostgresConfig::new("postgres://localhost/x?sslmode=require");
        assert_eq!(config.is_ok(), cfg!(feature = "tls"));
    }
}
