//! A Redis of its own, whose files are gone afterwards.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use port::Port;
use tempfile::TempDir;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A Redis with an append-only file, as a cluster of hubs needs it. Ended when dropped.
#[derive(Debug)]
pub(crate) struct RedisProcess {
    process: Child,
    port: Port,
    _folder: TempDir,
}

impl RedisProcess {
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("sse-kit-fleet-")?;
        let port = Port::claim()?;
        let number = port.number().to_string();
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--port", &number, "--appendonly", "yes"]);
        command.args(["--save", "", "--maxmemory-policy", "noeviction", "--dir"]);
        command.arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().context("cannot start Redis")?;
        let mut redis = Self { process, port, _folder: folder };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, redis.port.number())).is_err() {
            if let Some(status) = redis.process.try_wait()? {
                bail!("Redis ended instead of listening: {status}");
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port.number())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        // Nothing of it is wanted afterwards.
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait().map(drop)) {
            eprintln!("note: cannot end Redis, process {}: {error}", self.process.id());
        }
    }
}
