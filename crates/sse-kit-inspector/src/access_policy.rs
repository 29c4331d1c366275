//! The decision who may see the inspector.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, HeaderName, HeaderValue, ORIGIN, REFERER};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Uri, Version};
use sse_kit_http::HostRules;

/// Headers with which proxies and CDNs say that they pass on the request of another client, beside all
/// that begin with `x-forwarded`.
const OF_PROXIES: [&str; 16] = [
    "ali-cdn-real-ip",
    "cdn-loop",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-ray",
    "client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "forwarded",
    "true-client-ip",
    "via",
    "x-azure-clientip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-forwarded-for",
    "x-real-ip",
];

/// The decision who may see the inspector, and publish and disconnect with it.
///
/// It is made for each request. For an open page it is made again whenever the page is updated, so
/// the page stops when its viewer loses the right.
#[derive(Clone)]
pub struct AccessPolicy(Kind);

#[derive(Clone)]
enum Kind {
    OnThisMachine,
    When(Predicate),
    All,
    Choose(Choice),
}

/// A choice of the app's.
type Choice = Arc<dyn Fn(&Parts) -> AccessPolicy + Send + Sync>;

/// A decision of the app's.
type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

impl AccessPolicy {
    /// Allows browsers on the machine of the server: the connection comes from a loopback address,
    /// the request names `localhost` or a loopback address as its host, `Origin` and `Referer` name no
    /// other host, and no header says that a proxy passed it on.
    ///
    /// The host must be local because a page of another site could otherwise reach the server by a
    /// DNS name that leads to this machine. A proxy on this machine that speaks HTTP/1.1 and adds none
    /// of the headers `Forwarded`, `X-Forwarded…`, `X-Real-IP`, `Via` and those of the usual CDNs can
    /// look like a browser: **behind a proxy use [`AccessPolicy::when`]**, or everybody is allowed.
    pub fn on_this_machine() -> Self {
        Self(Kind::OnThisMachine)
    }

    /// Allows requests for which the app says so, by a session or a token.
    ///
    /// ```
    /// use sse_kit_inspector::AccessPolicy;
    ///
    /// # fn is_admin(_: &http::HeaderMap) -> bool { false }
    /// let policy = AccessPolicy::when(|request| is_admin(&request.headers));
    /// ```
    pub fn when(allows: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Kind::When(Arc::new(allows)))
    }

    /// Chooses for each request who may look, for an app whose rules change while it runs.
    ///
    /// ```
    /// use sse_kit_inspector::AccessPolicy;
    ///
    /// # fn has_users() -> bool { true }
    /// # fn is_admin(_: &http::HeaderMap) -> bool { false }
    /// let policy = AccessPolicy::choose(|_| {
    ///     if has_users() {
    ///         AccessPolicy::when(|request| is_admin(&request.headers))
    ///     } else {
    ///         AccessPolicy::on_this_machine()
    ///     }
    /// });
    /// ```
    pub fn choose(choose: impl Fn(&Parts) -> Self + Send + Sync + 'static) -> Self {
        Self(Kind::Choose(Arc::new(choose)))
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
            Kind::Choose(choose) => choose(request).allow(request, client),
            Kind::OnThisMachine => {
                client.is_some_and(|client| client.to_canonical().is_loopback())
                    // Proxies speak it, by their defaults, and browsers do not.
                    && request.version > Version::HTTP_10
                    && has_local_host(request)
                    && [ORIGIN, REFERER].iter().all(|name| names_this_machine(request, name))
                    && !is_passed_on(&request.headers)
            }
        }
    }
}

fn has_local_host(request: &Parts) -> bool {
    let header = request.headers.get(HOST);
    let header = header.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let hosts = [header.as_ref(), request.uri.authority()];
    HostRules::default().ensure(&request.uri, &request.headers).is_ok()
        && hosts.into_iter().flatten().all(is_loopback)
}

/// Returns `false` if a page of another host has caused the request, or the host that the browser knows
/// is another one, as behind a proxy.
fn names_this_machine(request: &Parts, name: &HeaderName) -> bool {
    request.headers.get_all(name).iter().all(|url| {
        let url = Uri::try_from(url.as_bytes()).ok();
        let host = url.as_ref().and_then(Uri::authority);
        host.is_some_and(|host| {
            let headers = HeaderValue::from_str(host.as_str()).map(|host| (HOST, host));
            let headers: HeaderMap = headers.into_iter().collect();
            HostRules::default().ensure(&Uri::default(), &headers).is_ok() && is_loopback(host)
        })
    })
}

/// Returns `false` for an address that is not one of this machine alone, as [`HostRules`] allow all
/// addresses.
fn is_loopback(host: &Authority) -> bool {
    let host = host.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = address.unwrap_or(host).parse::<IpAddr>();
    address.map_or(true, |address| address.to_canonical().is_loopback())
}

fn is_passed_on(headers: &HeaderMap) -> bool {
    let says_so = |name: &str| name.starts_with("x-forwarded") || OF_PROXIES.contains(&name);
    headers.keys().any(|name| says_so(name.as_str()))
}

impl fmt::Debug for AccessPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::OnThisMachine => "AccessPolicy::on_this_machine",
            Kind::When(_) => "AccessPolicy::when",
            Kind::All => "AccessPolicy::checked_by_the_app",
            Kind::Choose(_) => "AccessPolicy::choose",
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
        let policy = AccessPolicy::on_this_machine();
        let allows = |headers: &[(&str, &str)], client: Option<&str>| {
            policy.allow(&parts(headers), client.map(|client| client.parse().unwrap()))
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
        assert!(!policy.allow(&old, Some([127, 0, 0, 1].into())), "a proxy");
        for host in ["127.0.0.1:8080", "[::1]:8080", "a.localhost"] {
            assert!(allows(&[("host", host)], Some("127.0.0.1")), "{host}");
        }
        for host in ["evil.example", "192.0.2.7", "[2001:db8::1]:80", "0.0.0.0"] {
            assert!(
                !allows(&[("host", host)], Some("127.0.0.1")),
                "{host}: DNS rebinding, a proxy"
            );
        }
        for name in [
            "Forwarded",
            "Via",
            "X-Real-IP",
            "X-Forwarded",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded-Server",
            "X-Forwarded-Prefix",
            "X-Client-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
            "Fly-Client-IP",
            "Fastly-Client-IP",
        ] {
            assert!(!allows(&[host, (name, "127.0.0.1")], Some("127.0.0.1")), "{name}");
        }
        for name in ["Origin", "Referer"] {
            for url in ["http://localhost:8080", "http://127.0.0.1/a?b", "http://[::1]:1/"] {
                assert!(allows(&[host, (name, url)], Some("127.0.0.1")), "{name}: {url}");
            }
            for url in ["https://public.example", "http://192.0.2.7/", "null", ""] {
                assert!(!allows(&[host, (name, url)], Some("127.0.0.1")), "{name}: {url}");
            }
        }
    }

    #[test]
    fn the_app_decides_if_it_is_asked() {
        let policy = AccessPolicy::when(|request| request.headers.contains_key("x-admin"));
        assert!(policy.allow(&parts(&[("x-admin", "1")]), None));
        assert!(!policy.allow(&parts(&[]), Some([127, 0, 0, 1].into())));
        assert!(AccessPolicy::checked_by_the_app().allow(&parts(&[]), None));
        let policy = AccessPolicy::choose(|request| {
            if request.headers.contains_key("x-admin") {
                AccessPolicy::checked_by_the_app()
            } else {
                AccessPolicy::on_this_machine()
            }
        });
        assert!(policy.allow(&parts(&[("x-admin", "1")]), None));
        assert!(!policy.allow(&parts(&[("host", "localhost")]), None));
        let here = Some([127, 0, 0, 1].into());
        assert!(policy.allow(&parts(&[("host", "localhost")]), here));
    }
}
