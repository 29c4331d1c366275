//! Protects a server from requests of other origins' pages.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Rejects requests from pages of another origin. Call it in every route that changes something.
///
/// The origin must be the same: scheme, host and port. A page of another subdomain is rejected too,
/// although browsers call it same-site, as subdomains are often run by others. A request that the user
/// makes without a page, such as from a bookmark, is allowed.
///
/// Browsers send [`Sec-Fetch-Site`][fetch-metadata]. Old browsers send at least `Origin`, which
/// must then name this host. Other clients send neither; they are allowed, because no page controls
/// them.
///
/// # Errors
///
/// [`CrossSiteError::Origin`] if the request comes from a page of another origin, or may come from one.
///
/// ```
/// use http::Request;
/// use sse_kit_http::{CrossSiteError, ensure_same_site};
///
/// let request = Request::post("/publish").header("sec-fetch-site", "cross-site").body(())?;
/// assert_eq!(ensure_same_site(request.uri(), request.headers()), Err(CrossSiteError::Origin));
/// # Ok::<(), http::Error>(())
/// ```
///
/// [fetch-metadata]: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
pub fn ensure_same_site(uri: &Uri, headers: &HeaderMap) -> Result<(), CrossSiteError> {
    // In one pass: requests that are no browser's have neither header, and few others.
    let (mut site, mut origin) = (None, None);
    for (name, value) in headers {
        if *name == SEC_FETCH_SITE {
            site.get_or_insert(value);
        } else if *name == ORIGIN {
            origin.get_or_insert(value);
        }
    }
    let same_site = match (site, origin) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => is_origin_of(origin, host(uri, headers)),
        (None, None) => true,
    };
    same_site.then_some(()).ok_or(CrossSiteError::Origin)
}

/// Returns the host of the request, with its port unless that is the default of the scheme.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let header = || headers.get(HOST)?.to_str().ok();
    uri.authority().map(Authority::as_str).or_else(header)
}

fn is_origin_of(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_scheme, origin)| Some(origin) == host)
}

/// The error for a request that a page of another site has sent, or may have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrossSiteError {
    /// The request comes from a page of another origin, or may come from one.
    #[error("the request comes from a page of another origin")]
    Origin,
    /// The request is for a host name that is not allowed; see [`HostRules`](crate::HostRules).
    #[error("this server does not serve that host name")]
    Host,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cross_site(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        ensure_same_site(&Uri::from_static("/"), &headers.collect()).is_err()
    }

    #[test]
    fn what_the_browser_says_of_itself_wins() {
        let own = [("host", "jobs.test:80"), ("origin", "http://jobs.test:80")];
        assert!(!cross_site(&[("sec-fetch-site", "same-origin")]));
        assert!(!cross_site(&[("sec-fetch-site", "none")]));
        assert!(cross_site(&[("sec-fetch-site", "same-site"), own[0], own[1]]));
        assert!(cross_site(&[("sec-fetch-site", "cross-site"), own[0], own[1]]));
    }

    #[test]
    fn otherwise_the_origin_must_be_the_host() {
        let host = ("host", "jobs.test:8080");
        assert!(!cross_site(&[]));
        assert!(!cross_site(&[host, ("origin", "http://jobs.test:8080")]));
        for origin in ["http://jobs.test", "http://evil.test", "null", ""] {
            assert!(cross_site(&[host, ("origin", origin)]), "{origin}");
        }
        assert!(cross_site(&[("origin", "null")]));
    }

    #[test]
    fn a_host_in_the_uri_is_what_counts() {
        let uri = Uri::from_static("https://jobs.test/publish");
        let of = |origin| {
            let origin = (ORIGIN, HeaderValue::from_static(origin));
            let host = (HOST, HeaderValue::from_static("evil.test"));
            ensure_same_site(&uri, &HeaderMap::from_iter([origin, host]))
        };
        assert_eq!(of("https://jobs.test"), Ok(()));
        assert_eq!(of("https://evil.test"), Err(CrossSiteError::Origin));
    }
}
