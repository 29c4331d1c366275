//! Hubs, each a process, on one Redis.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};

use crate::server::PATIENCE;

pub(crate) struct Nodes {
    redis: String,
    /// The address of each of them now; none while it is being replaced.
    nodes: Vec<Mutex<Option<Node>>>,
}

struct Node {
    process: Child,
    address: String,
}

impl Nodes {
    pub(crate) async fn start(count: usize, redis: &str) -> Self {
        let mut nodes = Vec::new();
        for _ in 0..count {
            nodes.push(Mutex::new(Some(Node::start(redis).await)));
        }
        Self { redis: redis.to_owned(), nodes }
    }

    /// The address of the `n`th node, if it is there.
    pub(crate) fn address(&self, n: usize) -> Option<String> {
        let node = self.nodes[n % self.nodes.len()].lock().expect("nobody panics");
        node.as_ref().map(|node| node.address.clone())
    }

    /// SIGKILL, and another in its place.
    pub(crate) async fn replace(&self, n: usize) {
        let node = self.nodes[n].lock().expect("nobody panics").take();
        let mut node = node.expect("one at a time");
        node.process.kill().await.expect("it was running");
        let node = Node::start(&self.redis).await;
        *self.nodes[n].lock().expect("nobody panics") = Some(node);
    }

    /// SIGTERM, and another in its place once it has ended in order.
    pub(crate) async fn restart(&self, n: usize) {
        let node = self.nodes[n].lock().expect("nobody panics").take();
        let mut node = node.expect("one at a time");
        let pid = node.process.id().expect("it was running").to_string();
        let kill = Command::new("kill").args(["-s", "TERM", &pid]).status().await;
        assert!(kill.expect("kill runs").success());
        let exit = tokio::time::timeout(PATIENCE, node.process.wait()).await;
        assert_eq!(exit.expect("it ends").expect("it can be waited for").code(), Some(0));
        let node = Node::start(&self.redis).await;
        *self.nodes[n].lock().expect("nobody panics") = Some(node);
    }

    /// The address of a proxy that gives each connection to the next node that takes it.
    pub(crate) fn proxy(self: &Arc<Self>) -> String {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        // By default 128 clients may wait, and the others would try again after a second.
        let listener = socket.listen(4096).expect("it listens");
        let address = listener.local_addr().expect("an address").to_string();
        let nodes = Arc::clone(self);
        tokio::spawn(async move {
            for n in 0.. {
                let (mut client, _) = listener.accept().await.expect("a connection");
                let nodes = Arc::clone(&nodes);
                tokio::spawn(async move {
                    for n in n..n + nodes.nodes.len() {
                        let Some(address) = nodes.address(n) else { continue };
                        let Ok(mut node) = TcpStream::connect(address).await else { continue };
                        // The end of one side ends both.
                        let _ = copy_bidirectional(&mut client, &mut node).await;
                        return;
                    }
                });
            }
        });
        address
    }

    /// The id that the message was given; `None` when there is no telling whether it was published.
    pub(crate) async fn publish(&self, n: usize, data: &str) -> Option<String> {
        let (status, receipt) = self.post(n, "/publish?topic=a", data).await?;
        (status == 200).then(|| receipt["id"].as_str().expect("an id").to_owned())
    }

    /// `None` when the node went away.
    pub(crate) async fn post(
        &self,
        n: usize,
        path: &str,
        body: &str,
    ) -> Option<(StatusCode, Value)> {
        let response = send(&self.address(n)?, Request::post(path), body).await.ok()?;
        let status = response.status();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).ok()?))
    }

    pub(crate) async fn await_connections(self: &Arc<Self>, count: usize) {
        let wait = async {
            loop {
                let mut connections = 0;
                for n in 0..self.nodes.len() {
                    let address = self.address(n).expect("it is there");
                    let stats =
                        send(&address, Request::get("/stats"), "").await.expect("an answer");
                    let stats = stats.into_body().collect().await.expect("a body").to_bytes();
                    let stats: Value = serde_json::from_slice(&stats).expect("JSON");
                    connections +=
                        usize::try_from(stats["connections"].as_u64().expect("a number"))
                            .expect("it fits");
                }
                if connections == count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("all clients connect");
    }

    /// Returns the CPU time of each node.
    pub(crate) fn cpu(&self) -> Vec<Duration> {
        let of = |node: &Mutex<Option<Node>>| {
            let node = node.lock().expect("nobody panics");
            let process = node.as_ref().and_then(|node| node.process.id())?;
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            // After the name, which may have blanks in it: user and system time, in hundredths.
            let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let ticks: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
            Some(Duration::from_millis(ticks * 10))
        };
        self.nodes.iter().map(|node| of(node).unwrap_or_default()).collect()
    }
}

impl Node {
    async fn start(redis: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_hub"))
            .args(["--listen", "127.0.0.1:0"])
            .env("SSE_KIT_REDIS_URL", redis)
            .args(["--history", "100000", "--queue", "1000", "--shutdown-delay", "600"])
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the hub starts");
        let stdout = process.stdout.take().expect("it is piped");
        let first = BufReader::new(stdout).lines().next_line().await;
        let first = first.expect("it can be read").expect("there is a first line");
        let address = first.strip_prefix("listening on http://").expect("the contract");
        Self { process, address: address.to_owned() }
    }
}

/// A request over a connection of its own.
pub(crate) async fn send(
    address: &str,
    request: http::request::Builder,
    body: &str,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let answer = async {
        let socket = TcpStream::connect(address).await?;
        let (mut client, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        Ok(client.send_request(request.header("host", address).body(body)?).await?)
    };
    tokio::time::timeout(PATIENCE, answer).await?
}
