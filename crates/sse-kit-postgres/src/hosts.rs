//! The hosts of an address, each by itself.
//!
//! `tokio_postgres` tries them one after the other in one call. A host that accepts the connection and then
//! never answers would hold up all the others.

use sse_kit_event::random_bytes;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts};

/// Returns the settings for each host, or `None` if the address has not one host and port for each.
pub(crate) fn each_host(server: &Config) -> Option<Vec<Config>> {
    let (hosts, addresses) = (server.get_hosts(), server.get_hostaddrs());
    let ports = server.get_ports();
    let count = hosts.len().max(addresses.len());
    let fits = |len| len == 0 || len == count;
    if count == 0 || !fits(hosts.len()) || !fits(addresses.len()) {
        return None;
    }
    if ports.len() > 1 && ports.len() != count {
        return None;
    }
    let each = (0..count).map(|at| {
        let mut one = without_hosts(server);
        match hosts.get(at) {
            Some(Host::Tcp(name)) => drop(one.host(name)),
            #[cfg(unix)]
            Some(Host::Unix(path)) => drop(one.host_path(path)),
            None => {}
        }
        if let Some(&address) = addresses.get(at) {
            one.hostaddr(address);
        }
        if let Some(&port) = ports.get(at).or_else(|| ports.first()) {
            one.port(port);
        }
        one
    });
    Some(each.collect())
}

/// Returns the hosts in the order in which to try them: that of the address, or one that begins anywhere if
/// the address has `load_balance_hosts=random`.
pub(crate) fn in_order(hosts: &[Config]) -> impl Iterator<Item = &Config> {
    let is_random = |host: &Config| host.get_load_balance_hosts() == LoadBalanceHosts::Random;
    let random = || random_bytes().map(usize::from_ne_bytes).unwrap_or_default();
    let begin = if hosts.iter().any(is_random) { random() % hosts.len() } else { 0 };
    hosts.iter().cycle().skip(begin).take(hosts.len())
}

fn without_hosts(server: &Config) -> Config {
    let mut one = Config::new();
    one.ssl_mode(server.get_ssl_mode())
        .ssl_negotiation(server.get_ssl_negotiation())
        .keepalives(server.get_keepalives())
        .keepalives_idle(server.get_keepalives_idle())
        .target_session_attrs(server.get_target_session_attrs())
        .channel_binding(server.get_channel_binding())
        .load_balance_hosts(server.get_load_balance_hosts());
    server.get_user().map(|user| one.user(user));
    server.get_password().map(|password| one.password(password));
    server.get_dbname().map(|name| one.dbname(name));
    server.get_options().map(|options| one.options(options));
    server.get_application_name().map(|name| one.application_name(name));
    server.get_connect_timeout().map(|&time| one.connect_timeout(time));
    server.get_tcp_user_timeout().map(|&time| one.tcp_user_timeout(time));
    server.get_keepalives_interval().map(|interval| one.keepalives_interval(interval));
    server.get_keepalives_retries().map(|retries| one.keepalives_retries(retries));
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(address: &str) -> Config {
        address.parse().unwrap()
    }

    #[test]
    fn each_host_has_all_settings() {
        let all = "user=u password=p dbname=d options=o application_name=a sslmode=require \
            sslnegotiation=direct connect_timeout=3 tcp_user_timeout=4 keepalives=0 keepalives_idle=5 \
            keepalives_interval=6 keepalives_retries=7 target_session_attrs=read-write \
            channel_binding=require load_balance_hosts=random";
        let of = |hosts: &str| parsed(&format!("{all} {hosts}"));
        let several = of("host=a,/b,c hostaddr=10.0.0.1,10.0.0.2,10.0.0.3 port=1,2,3");
        let each = [
            of("host=a hostaddr=10.0.0.1 port=1"),
            of("host=/b hostaddr=10.0.0.2 port=2"),
            of("host=c hostaddr=10.0.0.3 port=3"),
        ];
        assert_eq!(each_host(&several).unwrap(), each);
        let one_port = parsed("host=a,b port=1");
        let each = [parsed("host=a port=1"), parsed("host=b port=1")];
        assert_eq!(each_host(&one_port).unwrap(), each);
        assert_eq!(each_host(&parsed("hostaddr=10.0.0.1")).unwrap().len(), 1);
    }

    #[test]
    fn hosts_that_do_not_fit_are_no_address() {
        for address in ["user=u", "host=a,b hostaddr=10.0.0.1", "host=a,b,c port=1,2"] {
            assert!(each_host(&parsed(address)).is_none(), "{address}");
        }
    }

    #[test]
    fn every_host_is_tried_once_in_any_order() {
        let names = |hosts: &[Config]| {
            let names = in_order(hosts).map(|host| format!("{:?}", host.get_hosts()));
            names.collect::<Vec<_>>()
        };
        let hosts = each_host(&parsed("host=a,b,c")).unwrap();
        let in_turn = names(&hosts);
        assert_eq!(in_turn.len(), 3);
        assert_eq!(names(&hosts), in_turn);
        let hosts = each_host(&parsed("host=a,b,c load_balance_hosts=random")).unwrap();
        let orders = (0..200).map(|_| names(&hosts)).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(orders.len(), 3, "any of them is the first");
        let is_whole = |mut order: Vec<String>| {
            order.sort();
            order == in_turn
        };
        assert!(orders.into_iter().all(is_whole));
    }
}
