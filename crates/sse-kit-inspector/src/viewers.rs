//! The decision who may see the inspector.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{FORWARDED, HOST, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Version};
use sse_kit_http::HostRules;

/// Headers with which proxies say that they pass on the request of another client.
const OF_PROXIES: [&str; 4] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The decision who may see the inspector, and publish and disconnect with it.
///
/// It is made for each request. For an open page it is made again whenever the page is updated, so
/// the page stops when its viewer loses the right.
#[derive(Clone)]
pub struct Viewers(Kind);

#[derive(Clone)]
enum Kind {
    OnThisMachine,
    When(Predicate),
    All,
}

/// A decision of the app's.
type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl Viewers {
    /// Allows browsers on the machine of the server: the connection comes from a loopback address,
    /// the request names `localhost` or a loopback address as its host, and no header says that a
    /// proxy passed it on.
    ///
    /// The host must be local because a page of another site could otherwise reach the server by a
    /// DNS name that leads to this machine. A proxy on this machine that adds none of the headers
    /// `Forwarded`, `X-Forwarded-*`, `X-Real-IP` and `Via`, as nginx by its defaults, looks like a
    /// browser: **behind a proxy use [`Viewers::when`]**, or everybody is allowed.
    pub fn on_this_machine() -> Self {
        Self(Kind::OnThisMachine)
    }

    /// Allows requests for which the app says so, by a session or a token.
    ///
    /// ```
    /// use sse_kit_inspector::Viewers;
    ///
    /// # fn is_admin(_: &http::HeaderMap) -> bool { false }
    /// let viewers = Viewers::when(|request| is_admin(&request.headers));
    /// ```
    pub fn when(allows: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::When(Arc::new(allows)))
    }

    /// Allows every request, for an app that asks who it is before it passes a request on.
    ///
    /// Without such a check everybody who can reach the server sees all events and may publish. An
    /// open page then stays open when its viewer loses the right.
    pub fn checked_by_the_app() -> Self {
        Self(Kind::All)
    }

    pub(crate) fn allow(&self, request: &Parts, client: Option<IpAddr>) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::When(allows) => allows(request),
            Kind::OnThisMachine => {
                client.is_some_and(|client| client.to_canonical().is_loopback())
                    // Proxies speak it, by their defaults, and browsers do not.
                    && request.version > Version::HTTP_10
                    && has_local_host(request)
                    && !is_passed_on(&request.headers)
            }
        }
    }
}

fn has_local_host(request: &Parts) -> bool {
    let header = request.headers.get(HOST);
    let header = header.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let hosts = [header.as_ref(), request.uri.authority()];
    // The rules allow all addresses; here the address must be one of this machine alone.
    let is_loopback = |host: &Authority| {
        let host = host.host();
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = address.unwrap_or(host).parse::<IpAddr>();
        address.map_or(true, |address| address.to_canonical().is_loopback())
    };
    HostRules::default().ensure(&request.uri, &request.headers).is_ok()
        && hosts.into_iter().flatten().all(is_loopback)
}

fn is_passed_on(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED)
        || headers.contains_key(VIA)
        || OF_PROXIES.iter().any(|name| headers.contains_key(*name))
}

impl fmt::Debug for Viewers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::OnThisMachine => "Viewers::on_this_machine",
            Kind::When(_) => "Viewers::when",
            Kind::All => "Viewers::checked_by_the_app",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/inspector");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn on_this_machine_means_the_connection_the_host_and_no_proxy() {
        let viewers = Viewers::on_this_machine();
        let allows = |headers: &[(&str, &str)], client: Option<&str>| {
            viewers.allow(&parts(headers), client.map(|client| client.parse().unwrap()))
        };
        let host = ("host", "localhost:8080");
        for client in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(allows(&[host], Some(client)), "{client}");
        }
        for client in ["192.0.2.7", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.7"] {
            assert!(!allows(&[host], Some(client)), "{client}");
        }
        assert!(!allows(&[host], None), "a client that is not known");
        let mut old = parts(&[host]);
        old.version = Version::HTTP_10;
        assert!(!viewers.allow(&old, Some([127, 0, 0, 1].into())), "a proxy");
        for host in ["127.0.0.1:8080", "[::1]:8080", "a.localhost"] {
            assert!(allows(&[("host", host)], Some("127.0.0.1")), "{host}");
        }
        for host in ["evil.example", "192.0.2.7", "[2001:db8::1]:80", "0.0.0.0"] {
            assert!(
                !allows(&[("host", host)], Some("127.0.0.1")),
                "{host}: DNS rebinding, a proxy"
            );
        }
        for name in ["forwarded", "via"].into_iter().chain(OF_PROXIES) {
            assert!(!allows(&[host, (name, "127.0.0.1")], Some("127.0.0.1")), "{name}");
        }
    }

    #[test]
    fn the_app_decides_if_it_is_asked() {
        let viewers = Viewers::when(|request| request.headers.contains_key("x-admin"));
        assert!(viewers.allow(&parts(&[("x-admin", "1")]), None));
        assert!(!viewers.allow(&parts(&[]), Some([127, 0, 0, 1].into())));
        assert!(Viewers::checked_by_the_app().allow(&parts(&[]), None));
    }
}
