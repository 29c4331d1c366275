//! Finds the server of a log from its address.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, RedisError, RedisResult};

/// The maximum number of hosts in an address.
const MAX_SEEDS: usize = 16;

/// The address of a log: a server, or hosts that know the current server.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    kind: Kind,
    /// The connection settings of the server itself, whichever host it is.
    server: Client,
    seeds: Arc<[Client]>,
    /// The index of the seed to ask next. It rotates, so that a seed that is cut off from the
    /// others is not asked forever.
    next: Arc<AtomicUsize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Single,
    /// Sentinels, which know the primary of this name.
    Sentinel(String),
    /// Nodes of a cluster.
    Cluster,
}

/// The host and the port of a server.
type Host = (String, u16);

impl Address {
    /// Parses `redis://…`, `redis+unix://…`,
    /// `redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/NAME[/DB]` and
    /// `redis+cluster://[USER:PASSWORD@]HOST:PORT,…`, and the same with `rediss`.
    pub(crate) fn parse(url: &str) -> RedisResult<Self> {
        for scheme in ["redis", "rediss"] {
            let rest = url.strip_prefix(scheme);
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix("+sentinel://")) {
                return Self::sentinel(scheme, rest);
            }
            if let Some(rest) = rest.and_then(|rest| rest.strip_prefix("+cluster://")) {
                let (user, hosts) = split_user(rest);
                let seeds = seeds(scheme, user, hosts.trim_end_matches('/'))?;
                return Self::new(Kind::Cluster, seeds[0].clone(), seeds);
            }
        }
        Self::new(Kind::Single, Client::open(url)?, Vec::new())
    }

    fn sentinel(scheme: &str, rest: &str) -> RedisResult<Self> {
        let (user, rest) = split_user(rest);
        let (hosts, name) = rest.split_once('/').ok_or(wrong(
            "the name of the primary is missing; write it after the hosts: `…/NAME`",
        ))?;
        let (name, database) = name.split_once('/').unwrap_or((name, ""));
        if name.is_empty() {
            return Err(wrong(
                "the name of the primary is missing; write it after the hosts: `…/NAME`",
            )
            .into());
        }
        // The password is for the servers: sentinels rarely have one.
        let seeds = seeds(scheme, "", hosts)?;
        let first = hosts.split(',').next().unwrap_or_default();
        let server = Client::open(format!("{scheme}://{user}{first}/{database}"))?;
        Self::new(Kind::Sentinel(name.to_owned()), server, seeds)
    }

    fn new(kind: Kind, server: Client, seeds: Vec<Client>) -> RedisResult<Self> {
        if seeds.len() > MAX_SEEDS {
            return Err(wrong("the address has too many hosts; at most 16 are allowed").into());
        }
        Ok(Self { kind, server, seeds: seeds.into(), next: Arc::default() })
    }

    /// Returns the server that currently has the log: the primary, or the cluster node with the
    /// slot of `key`.
    pub(crate) async fn server(&self, key: &str, timeout: Duration) -> RedisResult<Client> {
        if self.kind == Kind::Single {
            return Ok(self.server.clone());
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut failed = RedisError::from(wrong("the address has no host"));
        for n in 0..self.seeds.len() {
            let seed = &self.seeds[(first.wrapping_add(n)) % self.seeds.len()];
            match self.ask(seed, key, timeout).await {
                Ok((host, port)) => {
                    let info = self.server.get_connection_info();
                    let at = moved(info.addr(), host, port);
                    return Client::open(info.clone().set_addr(at));
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn ask(&self, seed: &Client, key: &str, timeout: Duration) -> RedisResult<Host> {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout));
        let mut connection = seed.get_multiplexed_async_connection_with_config(&settings).await?;
        if let Kind::Sentinel(name) = &self.kind {
            let mut command = redis::cmd("SENTINEL");
            command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
            let primary: Option<Host> = command.query_async(&mut connection).await?;
            return primary.ok_or_else(|| {
                let text = "the sentinel knows no primary with this name";
                (ErrorKind::MasterNameNotFoundBySentinel, text, name.clone()).into()
            });
        }
        // A node that is cut off from the others still believes that it owns its slots, so ask for
        // the state too.
        let (info, slot, slots): (String, u16, Vec<redis::Value>) = redis::pipe()
            .cmd("CLUSTER")
            .arg("INFO")
            .cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(key)
            .cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut connection)
            .await?;
        let unknown = (
            ErrorKind::ClusterConnectionNotFound,
            "the node does not know which node has the slot",
        );
        if !info.contains("cluster_state:ok") {
            return Err(unknown.into());
        }
        let (host, port) = owner(slot, slots)?.ok_or(unknown)?;
        // A node may not know its own host name.
        if host.is_empty() || host == "?" {
            let (host, _) = host_of(seed.get_connection_info().addr()).ok_or(unknown)?;
            return Ok((host, port));
        }
        Ok((host, port))
    }
}

/// Returns the primary that has a slot, from the reply to `CLUSTER SLOTS`.
fn owner(slot: u16, slots: Vec<redis::Value>) -> RedisResult<Option<Host>> {
    for range in slots {
        let redis::Value::Array(parts) = range else { continue };
        let mut parts = parts.into_iter();
        let (Some(from), Some(to), Some(primary)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (from, to): (u16, u16) = (redis::from_redis_value(from)?, redis::from_redis_value(to)?);
        if !(from..=to).contains(&slot) {
            continue;
        }
        let redis::Value::Array(primary) = primary else { continue };
        let mut primary = primary.into_iter();
        if let (Some(host), Some(port)) = (primary.next(), primary.next()) {
            let host: Option<String> = redis::from_redis_value(host)?;
            return Ok(Some((host.unwrap_or_default(), redis::from_redis_value(port)?)));
        }
    }
    Ok(None)
}

/// Splits `USER:PASSWORD@`, or nothing, from the rest.
fn split_user(rest: &str) -> (&str, &str) {
    let end = rest.rfind('@').map_or(0, |at| at + 1);
    rest.split_at(end)
}

fn seeds(scheme: &str, user: &str, hosts: &str) -> RedisResult<Vec<Client>> {
    hosts.split(',').map(|host| Client::open(format!("{scheme}://{user}{host}"))).collect()
}

fn host_of(address: &ConnectionAddr) -> Option<Host> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host.clone(), *port))
        }
        _ => None,
    }
}

/// Returns an address of the same kind with another host and port.
fn moved(address: &ConnectionAddr, host: String, port: u16) -> ConnectionAddr {
    match address {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

fn wrong(what: &'static str) -> (ErrorKind, &'static str) {
    (ErrorKind::InvalidClientConfig, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_several_hosts_and_a_password_for_the_server() {
        let address = Address::parse("redis+sentinel://u:p%40@a:1,b:2,c/main/3").unwrap();
        assert_eq!(address.kind, Kind::Sentinel("main".to_owned()));
        let hosts: Vec<_> =
            address.seeds.iter().filter_map(|s| host_of(s.get_connection_info().addr())).collect();
        assert_eq!(hosts, [("a".into(), 1), ("b".into(), 2), ("c".into(), 6379)]);
        assert_eq!(address.seeds[0].get_connection_info().redis_settings().password(), None);
        let server = address.server.get_connection_info().redis_settings();
        assert_eq!((server.username(), server.password(), server.db()), (Some("u"), Some("p@"), 3));

        let address = Address::parse("redis+cluster://:p@a:1,b:2/").unwrap();
        assert_eq!((address.kind, address.seeds.len()), (Kind::Cluster, 2));
        assert_eq!(address.seeds[1].get_connection_info().redis_settings().password(), Some("p"));
    }

    #[test]
    fn wrong_addresses_are_refused() {
        let many = format!("redis+cluster://{}", ["a:1"; 17].join(","));
        for url in [
            "redis+sentinel://a:1,b:2",
            "redis+sentinel://a:1/",
            "redis+sentinel:///main",
            "redis+cluster://",
            "redis+cluster://a:1,,b:2",
            "redis+cluster://a:port",
            "redis+else://a",
            "",
            &many,
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_owner_of_a_slot_is_found() {
        use redis::Value::{Array, BulkString, Int, Nil};
        let node = |host: redis::Value, port| Array(vec![host, Int(port), Nil]);
        let host = |text: &str| BulkString(text.as_bytes().to_vec());
        let slots = vec![
            Array(vec![Int(0), Int(99), node(host("a"), 1), node(host("replica"), 9)]),
            Array(vec![Int(100), Int(100), node(Nil, 2)]),
            Int(7),
            Array(vec![Int(200)]),
        ];
        let owner = |slot| owner(slot, slots.clone()).unwrap();
        assert_eq!(owner(99), Some(("a".into(), 1)));
        assert_eq!(owner(100), Some((String::new(), 2)));
        assert_eq!(owner(200), None);
    }
}
