//! The logs, and the servers of which they are in need.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use port::Port;
use sse_kit_broadcast::{Hub, HubBuilder};
use sse_kit_file::{FileConfig, FileLog, SyncMode};
use sse_kit_postgres::{PostgresConfig, PostgresLog};
use sse_kit_redis::{RedisConfig, RedisLog};
use sse_kit_test_support::postgres;
use tempfile::TempDir;

/// A hub for each log. The hubs go before their servers do.
#[derive(Debug)]
pub(crate) struct Logs {
    hubs: Vec<(&'static str, Hub)>,
    _redis: Redis,
    _postgres: postgres::Server,
    _files: TempDir,
}

impl Logs {
    pub(crate) async fn start(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).context("no directory for the files")?;
        let files = tempfile::tempdir_in(directory)?;
        let redis = Redis::start(directory)?;
        // As an administrator would have it: each commit waits for the disk.
        let postgres = postgres::Server::start(&["-c", "fsync=on", "-c", "full_page_writes=on"]);
        let file = async |name: &str, mode| {
            FileLog::open(FileConfig::new(files.path().join(name)).sync(mode)).await
        };
        let redis_log = RedisLog::connect(RedisConfig::new(&redis.url())?).await?;
        let postgres_log = PostgresLog::connect(PostgresConfig::new(&postgres.url())?).await?;
        let hubs = vec![
            ("memory", builder().build()?),
            ("files, `Process`", builder().log(file("process", SyncMode::Process).await?).build()?),
            ("files, `Always`", builder().log(file("always", SyncMode::Always).await?).build()?),
            ("Redis", builder().log(redis_log).build()?),
            ("PostgreSQL", builder().log(postgres_log).build()?),
        ];
        Ok(Self { hubs, _redis: redis, _postgres: postgres, _files: files })
    }

    pub(crate) fn hubs(&self) -> Vec<(&'static str, Hub)> {
        self.hubs.clone()
    }
}

fn builder() -> HubBuilder {
    Hub::builder().heartbeat(None).history(50)
}

/// A Redis server that survives its own end, and loses at most a second with the machine.
#[derive(Debug)]
struct Redis {
    process: Child,
    port: Port,
    _folder: TempDir,
}

impl Redis {
    fn start(directory: &Path) -> Result<Self> {
        let folder = tempfile::tempdir_in(directory)?;
        let port = Port::claim()?;
        let process = Command::new("redis-server")
            .args(["--port", &port.number().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "everysec"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("redis-server does not start; install Redis 6.2 or newer")?;
        Ok(Self { process, port, _folder: folder })
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port.number())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.process.kill()); // it has ended if this fails
        drop(self.process.wait());
    }
}
