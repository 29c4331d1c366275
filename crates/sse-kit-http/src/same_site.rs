//! Keeping other sites' pages from changing things here.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

/// Refuses what a page of another site asks for: for every route that changes something.
///
/// Browsers say so themselves, in [`Sec-Fetch-Site`][fetch-metadata]; old ones say at least where the
/// page came from, in `Origin`, which then has to name this host. What is no browser says neither,
/// and is no danger: no page makes it do things.
///
/// # Errors
///
/// [`CrossSite`] when the request comes from a page of another site, or may come from one.
///
/// ```
/// use http::HeaderMap;
/// use sse_kit_http::{CrossSite, ensure_same_site};
///
/// let mut headers = HeaderMap::new();
/// headers.insert("sec-fetch-site", "cross-site".parse()?);
/// assert_eq!(ensure_same_site(&headers), Err(CrossSite));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
///
/// [fetch-metadata]: https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
pub fn ensure_same_site(headers: &HeaderMap) -> Result<(), CrossSite> {
    let same_site = match (headers.get("sec-fetch-site"), headers.get(ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, Some(origin)) => is_origin_of(origin, headers.get(HOST)),
        (None, None) => true,
    };
    same_site.then_some(()).ok_or(CrossSite)
}

fn is_origin_of(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    let host = host.and_then(|host| host.to_str().ok());
    origin.is_some_and(|(_scheme, origin)| Some(origin) == host)
}

/// A page of another site asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a page of another site asked for this")]
pub struct CrossSite;

#[cfg(test)]
mod tests {
    use super::*;

    fn cross_site(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        });
        ensure_same_site(&headers.collect()).is_err()
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
}
