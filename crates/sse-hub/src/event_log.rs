//! The log of the hub: in memory, in a store on disk, in PostgreSQL, or in Redis.

use serde_json::{Value, json};
use sse_kit::broadcast::{HubBuilder, LogHealth};
use sse_kit::file::{FileConfig, FileLog, FileStatus};
use sse_kit::postgres::{PostgresLog, PostgresStatus};
use sse_kit::redis::{RedisLog, RedisStatus};

use crate::options::Options;

/// The log of the hub.
pub(crate) enum EventLog {
    Memory,
    Postgres(Box<PostgresLog>),
    Redis(Box<RedisLog>),
    Store(Box<FileLog>),
}

/// The status of that log.
pub(crate) enum LogStatus {
    Memory,
    Postgres(PostgresStatus),
    Redis(RedisStatus),
    Store(FileStatus),
}

impl EventLog {
    /// Opens the log that the command line names.
    pub(crate) async fn open(options: &Options) -> anyhow::Result<Self> {
        if let Some(store) = &options.store {
            return Ok(Self::Store(FileLog::open(FileConfig::new(store)).await?.into()));
        }
        if let Some(config) = options.postgres.config()? {
            return Ok(Self::Postgres(PostgresLog::connect(config).await?.into()));
        }
        Ok(match options.redis.config()? {
            Some(config) => Self::Redis(RedisLog::connect(config).await?.into()),
            None => Self::Memory,
        })
    }

    /// Sets the log of a hub, and returns its status.
    pub(crate) fn serve(self, hub: HubBuilder) -> (HubBuilder, LogStatus) {
        match self {
            Self::Memory => (hub, LogStatus::Memory),
            Self::Postgres(log) => {
                let status = LogStatus::Postgres(log.monitor());
                (hub.log(*log), status)
            }
            Self::Redis(log) => {
                let status = LogStatus::Redis(log.monitor());
                (hub.log(*log), status)
            }
            Self::Store(log) => {
                let status = LogStatus::Store(log.monitor());
                (hub.log(*log), status)
            }
        }
    }
}

impl LogStatus {
    /// Returns `true` unless the log cannot be reached.
    pub(crate) fn is_up(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Postgres(postgres) => postgres.health() == LogHealth::Up,
            Self::Redis(redis) => redis.health() == LogHealth::Up,
            Self::Store(store) => store.health() == LogHealth::Up,
        }
    }

    /// Returns the name and the counters of a log that has some.
    pub(crate) fn stats(&self) -> Option<(&'static str, Value)> {
        let (name, mut stats) = match self {
            Self::Memory => return None,
            Self::Postgres(postgres) => ("postgres", json!(postgres.stats())),
            Self::Redis(redis) => ("redis", json!(redis.stats())),
            Self::Store(store) => ("store", json!(store.stats())),
        };
        stats["up"] = self.is_up().into();
        Some((name, stats))
    }
}
