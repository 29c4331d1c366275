//! Protects a server from pages that reach it under a foreign host name.

use std::net::IpAddr;
use std::str::FromStr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};
use sse_kit_event::{TextError, TextErrorKind};

use crate::same_site::CrossSiteError;

/// The host names that a server accepts.
///
/// After a page has loaded, its site can change its DNS name to the address of this server ([DNS
/// rebinding]). The browser then treats both as the same origin, and [`ensure_same_site`] cannot
/// detect it. Only the header `Host` still has the foreign name. So a server on a private network,
/// or on a developer's machine, must check it.
///
/// `localhost`, all names below it, and all IP addresses are always allowed: no site has these
/// names, and a page that was loaded from an address cannot change where it leads. The port is
/// ignored. A request without a host, which HTTP/1.0 permits, is not from a browser and is allowed.
///
/// ```
/// use http::Request;
/// use sse_kit_http::HostRules;
///
/// let rules = HostRules::new(["hub.internal".parse()?]);
/// for host in ["localhost:8081", "127.0.0.1:8081", "[::1]", "Hub.Internal:80"] {
///     let request = Request::get("/stats").header("host", host).body(())?;
///     assert!(rules.ensure(request.uri(), request.headers()).is_ok());
/// }
/// let request = Request::get("/stats").header("host", "evil.example").body(())?;
/// assert!(rules.ensure(request.uri(), request.headers()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [DNS rebinding]: https://en.wikipedia.org/wiki/DNS_rebinding
/// [`ensure_same_site`]: crate::ensure_same_site
#[derive(Clone, Debug, Default)]
pub struct HostRules {
    names: Box<[HostName]>,
}

impl HostRules {
    /// Creates rules that allow these names in addition to those always allowed.
    pub fn new(names: impl IntoIterator<Item = HostName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    /// Checks the host of a request.
    ///
    /// # Errors
    ///
    /// [`CrossSiteError::Host`] if the host is not allowed or cannot be parsed, or if there is more than
    /// one.
    pub fn ensure(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), CrossSiteError> {
        // A request to a proxy, or over HTTP/2, has the host in the URI, which takes precedence;
        // the header then has the same host.
        let mut hosts = headers.get_all(HOST).iter();
        let header = hosts.next();
        let allowed = hosts.next().is_none()
            && uri.authority().is_none_or(|authority| self.allow(authority.host()))
            && header.is_none_or(|host| {
                // Every request has one, and to parse any authority takes five times as long.
                if let Some(host) = host.to_str().ok().and_then(plain_host) {
                    return self.allow(host);
                }
                let authority = Authority::try_from(host.as_bytes());
                authority.is_ok_and(|authority| self.allow(authority.host()))
            });
        allowed.then_some(()).ok_or(CrossSiteError::Host)
    }

    fn allow(&self, host: &str) -> bool {
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if address.unwrap_or(host).parse::<IpAddr>().is_ok() {
            return true;
        }
        let Ok(HostName(host)) = host.parse() else { return false };
        let local = host.strip_suffix("localhost");
        local.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            || self.names.iter().any(|name| name.0 == host)
    }
}

/// Returns the host of a header that has a name or an IPv4 address, and perhaps a port; `None` for
/// everything else, such as an IPv6 address.
fn plain_host(header: &str) -> Option<&str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let length = header.as_bytes().iter().take_while(|byte| is_plain(byte)).count();
    let (host, port) = header.split_at(length);
    let is_port = match port.as_bytes() {
        [] => true,
        [b':', port @ ..] => matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    Some(host).filter(|host| is_port && !host.is_empty())
}

/// The name of a host, without a port.
///
/// A name has at most 253 bytes of `[A-Za-z0-9._-]`. Upper and lower case are equal, and a dot at
/// the end is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Box<str>);

const WHAT: &str = "a host name";

impl HostName {
    /// The maximum length of a name, in bytes, without the dot at its end.
    const MAX_LEN: usize = 253;
}

impl FromStr for HostName {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.is_empty() {
            return Err(TextError::empty(WHAT));
        }
        if name.len() > Self::MAX_LEN {
            return Err(TextError::too_long(name, WHAT, Self::MAX_LEN));
        }
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.chars().all(is_plain) {
            let rule = "use only letters, digits and `._-`, without a port";
            return Err(TextError::new(text, WHAT, TextErrorKind::Character, rule));
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use sse_kit_test_support::{rng, scaled};

    use super::*;

    fn allowed(uri: &str, hosts: &[&str]) -> bool {
        let rules = HostRules::new(["hub.internal".parse().unwrap()]);
        let mut request = Request::get(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        rules.ensure(request.uri(), request.headers()).is_ok()
    }

    #[test]
    fn its_own_names_local_ones_and_addresses_are_allowed() {
        for host in [
            "localhost",
            "localhost:8081",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "[::1]:80",
            "192.168.1.7:8081",
            "hub.internal",
            "HUB.internal.:80",
        ] {
            assert!(allowed("/", &[host]), "{host}");
        }
        assert!(allowed("/", &[]), "HTTP/1.0");
    }

    /// The host that is read without the parser is the one that the parser reads.
    #[test]
    fn plain_hosts_are_those_of_authorities() {
        let mut random = rng();
        let mut plain = 0;
        for _ in 0..scaled(20_000) {
            let letters =
                ['a', '.', 'Z', '-', '_', '0', ':', '9', '@', '[', ']', '/', '%', '\u{e9}', ' '];
            let text: String =
                (0..random.usize(..10)).map(|_| *random.choice(&letters).unwrap()).collect();
            let Some(host) = plain_host(&text) else { continue };
            plain += 1;
            let authority = Authority::try_from(text.as_bytes()).unwrap();
            assert_eq!(authority.host(), host);
        }
        assert!(plain > 0);
        for (header, host) in [
            ("localhost:8081", Some("localhost")),
            ("127.0.0.1:99999", Some("127.0.0.1")),
            ("[::1]:80", None),
            ("user@localhost", None),
            ("localhost:", None),
            ("localhost:80:80", None),
            (":80", None),
            ("", None),
        ] {
            assert_eq!(plain_host(header), host, "{header:?}");
            let authority = Authority::try_from(header);
            assert!(
                host.is_none() || authority.is_ok_and(|authority| Some(authority.host()) == host)
            );
        }
    }

    #[test]
    fn an_error_names_what_is_no_host_name() {
        for text in ["", "a.test:80", "a b", "\u{e9}.test"] {
            let error = text.parse::<HostName>().unwrap_err();
            assert!(error.to_string().contains("is not a host name: "));
        }
        let long = "x".repeat(1 << 20).parse::<HostName>().unwrap_err();
        assert!(long.to_string().len() < 200, "it quotes the beginning");
    }

    #[test]
    fn all_others_are_not() {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "hub.internal.evil.example",
            "x.hub.internal",
            "",
            " ",
            "user@evil.example",
            "a b",
            "localhost, evil.example",
            "[::1",
            "127.0.0.1/",
            "\u{e9}vil",
        ] {
            assert!(!allowed("/", &[host]), "{host:?}");
        }
        assert!(!allowed("/", &["localhost", "localhost"]), "two");
    }

    #[test]
    fn the_uri_counts_too() {
        assert!(allowed("http://localhost/", &[]));
        assert!(!allowed("http://evil.example/", &[]));
        assert!(!allowed("http://evil.example/", &["localhost"]));
        assert!(!allowed("http://localhost/", &["evil.example"]));
    }
}
