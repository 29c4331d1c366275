//! Servers that look after themselves: a pair with sentinels, and a cluster.

use std::time::Duration;

use crate::server::{PATIENCE, Server};

/// The time that a server may be silent before the others replace it, in milliseconds.
const SILENT: &str = "500";

/// A primary and its replica, and three sentinels.
pub(crate) struct Sentinels {
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Sentinels {
    pub(crate) async fn start() -> Self {
        let servers = vec![Server::start(&[]).await, Server::start(&[]).await];
        servers[1].replicate(&servers[0]).await;
        let settings = format!(
            "sentinel monitor main 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds main {SILENT}\n\
             sentinel failover-timeout main 3000\n",
            servers[0].port
        );
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Server::start_with(&settings, &["--sentinel"]).await);
        }
        // They find each other and the replica by way of the primary.
        for sentinel in &sentinels {
            wait(async || {
                let known: std::collections::HashMap<String, String> =
                    sentinel.command(&["SENTINEL", "MASTER", "main"]).await;
                known["num-slaves"] == "1" && known["num-other-sentinels"] == "2"
            })
            .await;
        }
        Self { servers, sentinels }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://{}/main", hosts(&self.sentinels))
    }

    /// The number of the primary, once all sentinels agree on it.
    pub(crate) async fn primary(&self) -> usize {
        let mut agreed = 0;
        wait(async || {
            let mut ports = Vec::new();
            for sentinel in &self.sentinels {
                let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"];
                let (_, port): (String, u16) = sentinel.command(&ask).await;
                ports.push(port);
            }
            agreed = self
                .servers
                .iter()
                .position(|server| server.port == ports[0])
                .expect("it is one of the two");
            ports.iter().all(|port| *port == ports[0])
        })
        .await;
        agreed
    }
}

/// Three primaries that share the slots, and a replica of each.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", SILENT];
        let mut servers = Vec::new();
        for _ in 0..6 {
            servers.push(Server::start(&options).await);
        }
        for server in &servers[1..] {
            let port = servers[0].port.to_string();
            let _: String = server.command(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
        }
        let slots: Vec<String> = (0..16384).map(|slot| slot.to_string()).collect();
        for (server, slots) in servers.iter().zip(slots.chunks(16384 / 3 + 1)) {
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            let _: String = server.command(&command).await;
        }
        let cluster = Self { servers };
        cluster.wait_for_all("cluster_known_nodes:6").await;
        for n in 3..6 {
            let primary: String = cluster.servers[n - 3].command(&["CLUSTER", "MYID"]).await;
            // It may not have heard of it yet.
            wait(async || {
                let replicate = ["CLUSTER", "REPLICATE", &primary];
                cluster.servers[n].try_command(&replicate).await.is_ok()
            })
            .await;
        }
        cluster.wait_for_all("cluster_state:ok").await;
        for server in &cluster.servers[3..] {
            wait(async || {
                let info: String = server.command(&["INFO", "replication"]).await;
                info.contains("master_link_status:up")
            })
            .await;
        }
        // Each must know of all replicas, or else nobody votes for them.
        for server in &cluster.servers {
            wait(async || {
                let nodes: String = server.command(&["CLUSTER", "NODES"]).await;
                nodes.lines().filter(|line| line.contains("slave")).count() == 3
            })
            .await;
        }
        cluster
    }

    async fn wait_for_all(&self, says: &str) {
        for server in &self.servers {
            wait(async || {
                let info: String = server.command(&["CLUSTER", "INFO"]).await;
                info.contains(says)
            })
            .await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+cluster://{}", hosts(&self.servers))
    }

    /// The number of the primary that has the log.
    pub(crate) async fn owner(&self) -> usize {
        let mut owner = None;
        wait(async || {
            for (n, server) in self.servers.iter().enumerate() {
                let exists = server.try_command(&["HGET", "{sse-kit}:meta", "epoch"]).await;
                if exists.is_ok() {
                    owner = Some(n);
                }
            }
            owner.is_some()
        })
        .await;
        owner.expect("it was found")
    }

    /// Moves the slot of the log to another primary.
    pub(crate) async fn move_slot(&self, from: usize, to: usize) {
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let slot: u16 = source.command(&["CLUSTER", "KEYSLOT", "{sse-kit}:meta"]).await;
        let slot = slot.to_string();
        let ids: [String; 2] = [
            source.command(&["CLUSTER", "MYID"]).await,
            target.command(&["CLUSTER", "MYID"]).await,
        ];
        let _: String = target.command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[0]]).await;
        let _: String = source.command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[1]]).await;
        loop {
            let keys: Vec<String> =
                source.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
            if keys.is_empty() {
                break;
            }
            let port = target.port.to_string();
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            command.extend(keys.iter().map(String::as_str));
            let _: String = source.command(&command).await;
        }
        for server in [target, source] {
            let _: String = server.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[1]]).await;
        }
    }
}

fn hosts(servers: &[Server]) -> String {
    let hosts: Vec<_> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    hosts.join(",")
}

async fn wait(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to that");
}
