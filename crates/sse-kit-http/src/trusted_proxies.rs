//! Finds the client's address behind trusted proxies.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use sse_kit_event::{TextError, TextErrorKind};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of proxies that may report a client's address, and the header that they use.
///
/// The header counts only on connections from one of the networks. The client is the last of its
/// addresses that is not a trusted proxy: each proxy appends the address that it sees, and earlier
/// entries may be forged. So a client outside of the networks cannot set its own address.
///
/// ```
/// use http::Request;
/// use sse_kit_http::TrustedProxies;
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8".parse()?]);
/// let request = Request::get("/").header("x-forwarded-for", "1.1.1.1, 192.0.2.7, 10.0.0.2").body(())?;
/// let client = |peer| proxies.client(peer, request.headers());
/// assert_eq!(client("10.0.0.1".parse()?), "192.0.2.7".parse::<std::net::IpAddr>()?);
/// assert_eq!(client("192.0.2.9".parse()?), "192.0.2.9".parse::<std::net::IpAddr>()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies {
    networks: Box<[Network]>,
    by_forwarded: bool,
}

impl TrustedProxies {
    /// Creates a list of trusted networks; the header is `X-Forwarded-For`.
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self { networks: networks.into_iter().collect(), by_forwarded: false }
    }

    /// Reads the header `Forwarded` ([RFC 7239]) instead of `X-Forwarded-For`. Only one of them is
    /// read: a proxy that writes one forwards the other as the client sent it.
    ///
    /// [RFC 7239]: https://www.rfc-editor.org/rfc/rfc7239
    pub fn by_forwarded(self) -> Self {
        Self { by_forwarded: true, ..self }
    }

    /// Returns `true` if `address` is a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|Network(network)| network.contains(&address))
    }

    /// Returns the client's address for a request on a connection from `peer`: the last address in
    /// the header that is not a trusted proxy, or the first address if all are. If a proxy reports
    /// no address, the client is the last proxy before that entry.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        // What follows would return the same, after a look at the headers.
        if !self.trusts(peer) {
            return peer;
        }
        let mut client = peer;
        let name = if self.by_forwarded { FORWARDED } else { X_FORWARDED_FOR };
        for value in headers.get_all(name).iter().rev() {
            let Ok(value) = value.to_str() else { return client };
            for element in split(value, ',').into_iter().rev() {
                if !self.trusts(client) {
                    return client;
                }
                let named = if self.by_forwarded { forwarded_for(element) } else { Some(element) };
                let Some(address) = named.and_then(address) else { return client };
                client = address;
            }
        }
        client
    }
}

/// Returns the value of `for` in an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    split(element, ';').into_iter().find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// Splits a text at separators outside of quotes.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    let parts = text.split(|c| {
        is_quoted ^= c == '"';
        c == separator && !is_quoted
    });
    parts.collect()
}

/// Parses an address with or without a port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`,
/// `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// A network in CIDR notation, such as `10.0.0.0/8` or `fd00::/8`. A single address is a network
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl FromStr for Network {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| {
            let rule = "write it like `10.0.0.0/8`, `fd00::/8` or `192.0.2.7`";
            TextError::new(text, "a network", TextErrorKind::Form, rule)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(["10.0.0.0/8", "fd00::/8", "127.0.0.1"].map(|n| n.parse().unwrap()))
    }

    fn client(proxies: &TrustedProxies, peer: &str, lines: &[&str]) -> String {
        let name = if proxies.by_forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_trusted_is_the_client() {
        for (peer, lines, expected) in [
            ("10.0.0.1", &["192.0.2.7"][..], "192.0.2.7"),
            ("10.0.0.1", &["1.1.1.1, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &["1.1.1.1", "192.0.2.7, 10.2.3.4", "127.0.0.1"], "192.0.2.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::ffff:10.0.0.1", &["192.0.2.7:4711"], "192.0.2.7"),
            ("fd00::1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["::ffff:192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            assert_eq!(client(&proxies(), peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_client_that_is_not_trusted_cannot_set_its_address() {
        for lines in [&["1.1.1.1"][..], &["127.0.0.1"], &["10.0.0.1, 10.0.0.2"]] {
            assert_eq!(client(&proxies(), "192.0.2.9", lines), "192.0.2.9");
            assert_eq!(client(&TrustedProxies::default(), "127.0.0.1", lines), "127.0.0.1");
        }
        // Of what it sends, nothing counts before the address that the proxy has seen.
        assert_eq!(client(&proxies(), "10.0.0.1", &["127.0.0.1, 192.0.2.9"]), "192.0.2.9");
    }

    #[test]
    fn what_is_no_address_ends_the_list() {
        for rubbish in
            ["unknown", "", "_hidden", "1.2.3", "1.1.1.1 2.2.2.2", "\u{e9}", "[::1", "x,"]
        {
            let lines = ["192.0.2.7", rubbish];
            assert_eq!(client(&proxies(), "10.0.0.1", &lines), "10.0.0.1", "{rubbish}");
        }
    }

    #[test]
    fn forwarded_is_read_where_it_is_asked_for() {
        let by_forwarded = proxies().by_forwarded();
        for (line, expected) in [
            ("for=192.0.2.7", "192.0.2.7"),
            ("for=1.1.1.1, For=\"[2001:db8::1]:4711\";proto=http;by=10.0.0.1", "2001:db8::1"),
            ("proto=\"a,b;for=1.1.1.1\";for=192.0.2.7", "192.0.2.7"),
            ("for=192.0.2.7, for=10.0.0.2;host=x", "192.0.2.7"),
            ("for=_secret", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client(&by_forwarded, "10.0.0.1", &[line]), expected, "{line}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("1.1.1.1"));
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(by_forwarded.client(peer, &headers), peer, "the other header is anybody's");
    }

    #[test]
    fn a_network_is_written_with_its_length_or_is_one_address() {
        for text in ["10.0.0.0/8", "192.0.2.7", "::1", "fd00::/8", "0.0.0.0/0"] {
            assert!(text.parse::<Network>().is_ok(), "{text}");
        }
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0.0/", "1.2.3.4:80"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
