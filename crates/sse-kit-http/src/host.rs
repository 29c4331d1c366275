//! Keeping pages out that reach this server under a name of their own.

use std::net::IpAddr;
use std::str::FromStr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderMap, Uri};

/// By which hosts a server may be called.
///
/// A page can have the name of its own site lead to this server, once it is loaded
/// ([DNS rebinding]): then the browser takes the two for one, and [`ensure_same_site`] sees nothing
/// wrong. What is left to see is the name, in the header `Host`. So a server on a private network, or
/// on the developer's own machine, checks that it is one of its own.
///
/// These are allowed always, as no site has them: `localhost` and all under it, and IP addresses,
/// whichever they are, since a page that was loaded from an address cannot have it lead elsewhere.
/// The port does not matter. A request that names no host, as HTTP/1.0 permits, comes from no
/// browser, and is let through.
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
    /// Allows these names besides what is always allowed.
    pub fn new(names: impl IntoIterator<Item = HostName>) -> Self {
        Self { names: names.into_iter().collect() }
    }

    /// Refuses a request that calls the server by another host.
    ///
    /// # Errors
    ///
    /// [`WrongHostError`] when the host is not allowed, or there are several, or it cannot be read.
    pub fn ensure(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), WrongHostError> {
        // A request to a proxy, and one of HTTP/2, has it in the URI; then that is what counts, and
        // the header says the same.
        let mut hosts = headers.get_all(HOST).iter();
        let header = hosts.next();
        let allowed = hosts.next().is_none()
            && uri.authority().is_none_or(|authority| self.allow(authority.host()))
            && header.is_none_or(|host| {
                let authority = Authority::try_from(host.as_bytes());
                authority.is_ok_and(|authority| self.allow(authority.host()))
            });
        allowed.then_some(()).ok_or(WrongHostError)
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

/// The name of a host, without a port.
///
/// At most 253 bytes of `[A-Za-z0-9._-]`. Upper and lower case are the same, and so is a name with a
/// dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Box<str>);

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(name: &str) -> Result<Self, HostNameError> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > 253 || !name.bytes().all(plain) {
            return Err(HostNameError);
        }
        Ok(Self(name.to_ascii_lowercase().into()))
    }
}

/// A text is no name of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is named by letters, digits and `._-`, without a port")]
pub struct HostNameError;

/// A request called the server by a name that is none of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this server is not known by that host name")]
pub struct WrongHostError;

#[cfg(test)]
mod tests {
    use http::Request;

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
