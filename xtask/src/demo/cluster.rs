//! Three nodes on one Redis, behind a round-robin.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use port::Port;

use crate::workspace::{Workspace, cargo};
use crate::{assets, process, tools};

const NODES: usize = 3;

/// The time limit for the start of Redis.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running processes, which end when this is dropped.
struct Cluster(Vec<Child>);

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in &mut self.0 {
            terminate(child);
        }
        for child in &mut self.0 {
            // It may have been killed already; that is what the demo is for.
            let _ = child.wait();
        }
    }
}

/// Runs until a signal.
pub(super) fn run(workspace: &Workspace, listen: &str, args: &[OsString]) -> Result<()> {
    let redis = tools::REDIS.find_or_install()?;
    process::run(cargo("build").args(["--release", "--package", "jobs"]))?;
    let signals = signals()?;
    let listener =
        TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;

    // Nodes are stopped before Redis, as they are dropped first to last.
    let mut cluster = Cluster(Vec::new());
    let folder = workspace.target_dir().join("xtask/cluster");
    let port = Port::claim()?;
    let url = format!("redis://127.0.0.1:{}", port.number());
    let server = start_redis(&redis, &folder, &port)?;
    let redis_process = server.id();
    let program = workspace.target_dir().join("release/jobs");
    let mut addresses = Vec::new();
    let mut lines = vec![format!("  redis   {url:<28} process {redis_process}")];
    for n in 1..=NODES {
        let mut command = Command::new(&program);
        assets::offer(workspace, "jobs", &mut command);
        command.args(["--listen", "127.0.0.1:0", "--redis", &url]).args(args);
        let (child, address) = start_node(&mut command)?;
        lines.push(format!("  node {n}  http://{address:<21} process {}", child.id()));
        addresses.push(address);
        cluster.0.push(child);
    }
    cluster.0.push(server);

    println!("listening on http://{}", listener.local_addr()?);
    println!("{}", lines.join("\n"));
    println!(
        "Open the first address in several tabs: they are spread over the nodes, and show the same."
    );
    println!("Kill a node with `kill -9 PROCESS`: its pages go on elsewhere. Ctrl-C ends all.");
    thread::spawn(move || pass_on(&listener, addresses));
    watch(&mut cluster, &signals);
    Ok(())
}

fn start_redis(program: &Path, folder: &Path, port: &Port) -> Result<Child> {
    fs::create_dir_all(folder)?;
    let port = port.number();
    let mut child = Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .arg("--dir")
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start Redis")?;
    let started = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if child.try_wait()?.is_some() || started.elapsed() > PATIENCE {
            terminate(&mut child);
            bail!("Redis does not start");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}

fn start_node(command: &mut Command) -> Result<(Child, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("stdout was piped")?;
    let mut first = String::new();
    BufReader::new(stdout).read_line(&mut first)?;
    let address = first.trim().strip_prefix("listening on http://").map(str::to_owned);
    match address {
        Some(address) => Ok((child, address)),
        None => bail!("a node does not start: {:?}", child.wait()),
    }
}

/// Prints which node has gone, until all have or a signal comes.
fn watch(cluster: &mut Cluster, signals: &mpsc::Receiver<()>) {
    let mut gone = [false; NODES];
    while signals.recv_timeout(Duration::from_millis(200)).is_err() {
        for (n, child) in cluster.0.iter_mut().take(NODES).enumerate() {
            if !gone[n] && matches!(child.try_wait(), Ok(Some(_))) {
                gone[n] = true;
                println!("node {} is gone; its pages go on elsewhere", n + 1);
            }
        }
        if gone == [true; NODES] {
            println!("no node is left");
            return;
        }
    }
}

/// Gives each connection to the next node that takes it.
fn pass_on(listener: &TcpListener, addresses: Vec<String>) {
    let addresses = Arc::new(addresses);
    let next = AtomicUsize::new(0);
    for client in listener.incoming().flatten() {
        let first = next.fetch_add(1, Ordering::Relaxed);
        let addresses = Arc::clone(&addresses);
        thread::spawn(move || {
            let nodes = (0..NODES).map(|n| &addresses[(first + n) % NODES]);
            let Some(node) = nodes.flat_map(TcpStream::connect).next() else { return };
            let (Ok(from_client), Ok(from_node)) = (client.try_clone(), node.try_clone()) else {
                return;
            };
            thread::spawn(move || copy(from_client, node));
            copy(from_node, client);
        });
    }
}

/// Copies bytes one way until the end, then closes both sides, so pages notice at once that their node is gone.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    // How it ended does not matter: it has.
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.flush();
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

fn terminate(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // One that has been waited for must not be signalled: its number may be another's.
    if let (Ok(None), Some(pid)) = (child.try_wait(), pid) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Sends a message at the first SIGINT or SIGTERM.
fn signals() -> Result<mpsc::Receiver<()>> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let (sender, receiver) = mpsc::channel();
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || signals.forever().try_for_each(|_| sender.send(())));
    Ok(receiver)
}
