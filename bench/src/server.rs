//! One server from its start to its end.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use port::Port;

use super::system;

/// The time within which a server must print its address.
const START: Duration = Duration::from_secs(20);

/// The time within which a server must end after the signal.
const END: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(10);

/// A server that is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    address: Address,
}

/// The way to find the address of a server.
#[derive(Debug)]
pub(super) enum Address {
    /// It says so: `listening on http://…`.
    InItsFirstLine,
    /// It was told to listen there; the port is claimed for as long as the server runs.
    AtPort(Port),
}

impl Server {
    pub(super) fn start(command: &mut Command, address: Address) -> Result<Self> {
        // Its errors are for people to read; how it starts and stops is not.
        command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self { child: command.spawn().context("cannot start the server")?, address })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the server listens, and returns its address.
    pub(super) fn address(&mut self) -> Result<SocketAddr> {
        match &self.address {
            Address::InItsFirstLine => self.read_address(),
            Address::AtPort(port) => {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
                let started = Instant::now();
                while TcpStream::connect(address).is_err() {
                    self.check_running()?;
                    ensure!(started.elapsed() < START, "the server does not listen at {address}");
                    thread::sleep(POLL);
                }
                Ok(address)
            }
        }
    }

    fn read_address(&mut self) -> Result<SocketAddr> {
        let stdout = self.child.stdout.take().context("its address was asked for before")?;
        let (sender, first_line) = mpsc::channel();
        thread::spawn(move || {
            // To the end: a server that cannot print would stop.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line =
            first_line.recv_timeout(START).context("the server did not say where it listens")?;
        address(&line).with_context(|| format!("the server said {line:?}, which is no address"))
    }

    /// Fails when it has ended by itself.
    pub(super) fn check_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("the server ended while it was measured: {status}"),
            None => Ok(()),
        }
    }

    /// Ends it, and fails if it does not end by itself.
    pub(super) fn stop(mut self) -> Result<()> {
        self.end()?;
        let status = self.child.wait()?;
        ensure!(!system::was_killed(status), "the server did not end in time");
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        system::terminate(&self.child)?;
        let told = Instant::now();
        while told.elapsed() < END {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
        eprintln!("note: the server did not end within {END:?} of SIGTERM, and was killed");
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("note: cannot end process {}: {error:#}", self.child.id());
        }
    }
}

fn address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening on http://")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn shell(script: &str) -> Server {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Server::start(&mut command, Address::InItsFirstLine).expect("every Unix has sh")
    }

    #[test]
    fn a_server_says_where_it_listens() {
        let mut server = shell("echo listening on http://127.0.0.1:4321; exec sleep 60");
        let address = server.address().expect("it says so");
        assert_eq!(address, SocketAddr::from(([127, 0, 0, 1], 4321)));
        server.check_running().expect("it sleeps");
        server.end().expect("it ends");
        let status = server.child.wait().expect("it has ended");
        assert_eq!(status.signal(), Some(15), "at once, and not killed later");
    }

    #[test]
    fn a_server_that_does_not_start_is_an_error() {
        assert!(shell("exit 1").address().is_err());
        let error = shell("echo hello; exec sleep 60").address().expect_err("no address");
        assert!(error.to_string().contains("\"hello\""), "{error}");
    }
}
