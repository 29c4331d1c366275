//! A shared connection to Redis.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::sync::Mutex;

use crate::config::RedisConfig;

/// A connection that is opened on demand, and again after a failure.
///
/// It is not the connection manager of the `redis` crate, which reports an append that was never
/// sent and one whose reply was lost in the same way. Here the two differ.
#[derive(Debug)]
pub(crate) struct Link {
    config: RedisConfig,
    /// Locked while a connection is opened. Callers pass one after another, so that their commands
    /// are sent in the order in which they asked.
    now: Mutex<Now>,
    /// The number of attempts to connect that have failed.
    failed: AtomicU64,
}

#[derive(Default)]
struct Now {
    /// The number of this connection, to tell it from earlier ones.
    number: u64,
    connection: Option<MultiplexedConnection>,
    /// The failure of the last attempt to connect.
    failure: Option<RedisError>,
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { config, now: Mutex::default(), failed: AtomicU64::new(0) }
    }

    /// Returns the connection and its number.
    ///
    /// If an attempt to connect fails, it fails for all callers that waited for it: a hundred of them
    /// do not wait for a hundred attempts.
    pub(crate) async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let failed = self.failed.load(Ordering::Acquire);
        let mut now = self.now.lock().await;
        if let Some(connection) = &now.connection {
            return Ok((now.number, connection.clone()));
        }
        if let Some(failure) = &now.failure
            && self.failed.load(Ordering::Acquire) > failed
        {
            return Err(failure.clone());
        }
        match connect(&self.config, self.config.attempt_timeout).await {
            Ok(connection) => {
                now.number += 1;
                (now.connection, now.failure) = (Some(connection.clone()), None);
                Ok((now.number, connection))
            }
            Err(error) => {
                now.failure = Some(error.clone());
                self.failed.fetch_add(1, Ordering::Release);
                Err(error)
            }
        }
    }

    /// Discards a connection that has failed, if it is still the current one.
    pub(crate) async fn discard(&self, number: u64) {
        let mut now = self.now.lock().await;
        if now.number == number {
            now.connection = None;
        }
    }
}

/// Opens a connection with this response timeout.
pub(crate) async fn connect(
    config: &RedisConfig,
    response_timeout: Duration,
) -> Result<MultiplexedConnection, RedisError> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.attempt_timeout))
        .set_response_timeout(Some(response_timeout));
    let server = config.address.server(&config.meta_key(), config.attempt_timeout).await?;
    server.get_multiplexed_async_connection_with_config(&settings).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn callers_that_wait_for_an_attempt_share_its_failure() {
        // A server that accepts, and never says anything.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let attempts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&attempts);
        let server = tokio::spawn(async move {
            let mut silent = Vec::new();
            while let Ok(accepted) = listener.accept().await {
                silent.push(accepted);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let config = RedisConfig::new(&format!("redis://{address}")).unwrap();
        let link = Arc::new(Link::new(config.attempt_timeout(Duration::from_millis(500))));
        for round in 1..=2 {
            let mut callers = JoinSet::new();
            for _ in 0..100 {
                let link = Arc::clone(&link);
                callers.spawn(async move { link.connection().await.is_err() });
            }
            assert!(callers.join_all().await.into_iter().all(|failed| failed));
            // The next callers try again.
            assert_eq!(attempts.load(Ordering::Relaxed), round);
        }
        server.abort();
    }
}
