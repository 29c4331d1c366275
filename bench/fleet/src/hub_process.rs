//! One hub.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::plan::{Lane, Plan};

/// The seconds that clients have for the remaining events when a hub ends, as in the manifest for Kubernetes.
const SHUTDOWN_DELAY: &str = "10";

/// A hub that does not answer within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub's process. Killed when dropped.
#[derive(Debug)]
pub(crate) struct HubProcess {
    process: Child,
    address: SocketAddr,
}

impl HubProcess {
    pub(crate) fn start(plan: &Plan, redis: &str) -> Result<Self> {
        let mut command = Command::new(&plan.hub);
        command.args(["--listen", "127.0.0.1:0", "--shutdown-delay", SHUTDOWN_DELAY]);
        command.args(["--threads", &plan.threads.max(1).to_string()]);
        if plan.lane == Lane::Hyper {
            command.arg("--hyper-streams");
        }
        command.env("SSE_KIT_REDIS_URL", redis).env("RUST_LOG", "warn").stdin(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).spawn().context("cannot start the hub")?;
        let stdout = process.stdout.take().context("stdout was piped")?;
        // It prints one line, so nobody needs to read on.
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on http://");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            process.kill()?;
            process.wait()?;
            bail!("the hub said {line:?}, which is no address");
        };
        Ok(Self { process, address })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells it to drain and to end.
    pub(crate) fn drain(&self) -> Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM).context("cannot signal the hub")
    }

    /// Returns how it has ended, if it has.
    pub(crate) fn end(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Fails if it has ended by itself.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.end()? {
            Some(status) => bail!("the hub at {} ended by itself: {status}", self.address),
            None => Ok(()),
        }
    }

    /// Asks for its counters.
    pub(crate) fn stats(&self) -> Result<Value> {
        let mut socket = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let host = self.address;
        write!(socket, "GET /stats HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the answer has no body")?;
        Ok(serde_json::from_str(body)?)
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        let has_ended = self.process.try_wait().is_ok_and(|status| status.is_some());
        if has_ended {
            return;
        }
        if let Err(error) = self.process.kill().and_then(|()| self.process.wait().map(drop)) {
            eprintln!("note: cannot end the hub, process {}: {error}", self.process.id());
        }
    }
}
