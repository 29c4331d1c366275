//! A shared connection to Redis.

use std::fmt;
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
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// The number of this connection, to tell it from earlier ones.
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(config: RedisConfig) -> Self {
        Self { config, now: Mutex::default() }
    }

    /// Returns the connection and its number.
    pub(crate) async fn connection(&self) -> Result<(u64, MultiplexedConnection), RedisError> {
        let mut now = self.now.lock().await;
        if let Some(connection) = &now.connection {
            return Ok((now.number, connection.clone()));
        }
        let connection = connect(&self.config, self.config.attempt_timeout).await?;
        now.number += 1;
        now.connection = Some(connection.clone());
        Ok((now.number, connection))
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
