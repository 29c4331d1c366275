//! CORS: lets pages of other origins read streams.

use std::fmt;
use std::str::FromStr;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use sse_kit_event::{TextError, TextErrorKind};

/// The origins whose pages may read streams, with cookies. An origin must match exactly: there are
/// no wildcards, and `null` is never allowed.
///
/// ```
/// use http::{HeaderMap, Request, Response};
/// use sse_kit_http::Cors;
///
/// let cors = Cors::new(["https://app.example".parse()?]);
/// let request = Request::get("/events").header("origin", "https://app.example").body(())?;
/// let mut response = Response::new(());
/// cors.allow(request.headers(), response.headers_mut());
/// assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
/// assert_eq!(response.headers()["vary"], "origin");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Box<[Origin]>,
    /// The request headers that a page may set, as the answer to a preflight lists them.
    request_headers: HeaderValue,
}

impl Cors {
    /// Allows pages of these origins.
    pub fn new(origins: impl IntoIterator<Item = Origin>) -> Self {
        let origins = origins.into_iter().collect();
        Self { origins, request_headers: HeaderValue::from_static("last-event-id") }
    }

    /// Allows pages to set these request headers, in addition to `last-event-id`: `authorization`
    /// for clients that send a token, `cache-control` for polyfills of `EventSource` that send it,
    /// `content-type` for clients that post. A second call replaces the list.
    ///
    /// ```
    /// use http::header::{AUTHORIZATION, CACHE_CONTROL};
    /// use sse_kit_http::Cors;
    ///
    /// let cors = Cors::new(["https://app.example".parse()?])
    ///     .request_headers([AUTHORIZATION, CACHE_CONTROL]);
    /// # Ok::<(), sse_kit_event::TextError>(())
    /// ```
    pub fn request_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        Self { request_headers: with_last_event_id(names), ..self }
    }

    /// Adds the CORS headers to a response if the page's origin is allowed. In any case it adds
    /// `Vary: origin`, for caches.
    ///
    /// Answer a preflight (an `OPTIONS` request with `Access-Control-Request-Method`) with an empty
    /// response, status 204, on which this was called. As a tower layer (feature `tower`), `Cors` does
    /// both by itself.
    pub fn allow(&self, request: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("origin"));
        let Some(asking) = request.get(ORIGIN) else { return };
        if !self.origins.iter().any(|origin| asking == origin.as_str()) {
            return;
        }
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, asking.clone());
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
            // Clients that read streams with `fetch` set these headers; `EventSource` needs no
            // permission.
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.request_headers.clone());
            response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
    }
}

/// An origin, as browsers write it in the header `Origin`: scheme, host, and the port unless it is
/// the default of the scheme.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// Returns the origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if is_origin(text) {
            return Ok(Self(text.into()));
        }
        let rule = "write `https://host` or `https://host:port`, in lower case, without a path \
                    and without the default port: browsers send no other form";
        Err(TextError::new(text, "an origin", TextErrorKind::Form, rule))
    }
}

impl TryFrom<&str> for Origin {
    type Error = TextError;

    fn try_from(text: &str) -> Result<Self, TextError> {
        text.parse()
    }
}

impl AsRef<str> for Origin {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// Returns `true` if a text is an origin as browsers write it. Another text would never match.
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    let Ok(uri) = text.parse::<Uri>() else { return false };
    // A parsed URI always has a path, so compare the text.
    let bare = uri.authority().is_some_and(|authority| authority.as_str() == host);
    let named = uri.host().is_some_and(|name| !name.is_empty()) && !host.contains(['@', '*']);
    let own_port = match scheme {
        "http" => host.ends_with(":80"),
        "https" => host.ends_with(":443"),
        _ => return false,
    };
    bare && named && !own_port && !text.contains(|c: char| c.is_ascii_uppercase())
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns a list of these names, after `last-event-id`.
fn with_last_event_id(names: impl IntoIterator<Item = HeaderName>) -> HeaderValue {
    let mut list = "last-event-id".to_owned();
    for name in names {
        list.push_str(", ");
        list.push_str(name.as_str());
    }
    HeaderValue::try_from(list).expect("names of headers are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        asked_of(&Cors::new(["https://a.test".parse().unwrap()]), headers)
    }

    fn asked_of(cors: &Cors, headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut response = HeaderMap::new();
        cors.allow(&headers.collect(), &mut response);
        response
    }

    #[test]
    fn what_no_browser_writes_is_no_origin() {
        for text in ["https://a.test", "http://localhost:8080", "http://[::1]:1", "http://1.2.3.4"]
        {
            assert_eq!(text.parse::<Origin>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "*",
            "null",
            "a.test",
            "https://",
            "https://*",
            "https://*.a.test",
            "https://a.test/",
            "https://a.test/x",
            "https://A.test",
            "https://a.test:443",
            "http://a.test:80",
            "ftp://a.test",
            "https://u@a.test",
            "https://a.test?x",
            "https://a .test",
            "https://:1",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
        let error = "https://a.test/".parse::<Origin>().unwrap_err();
        assert!(error.to_string().starts_with("\"https://a.test/\" is not an origin: write "));
    }

    #[test]
    fn only_an_origin_of_the_list_is_let_in_and_always_by_its_name() {
        let allowed = asked(&[("origin", "https://a.test")]);
        assert_eq!(allowed["access-control-allow-origin"], "https://a.test");
        assert_eq!(allowed["access-control-allow-credentials"], "true");
        assert!(!allowed.contains_key("access-control-allow-headers"));
        for other in ["https://b.test", "null", "https://a.test.evil.test", "http://a.test", "*"] {
            let refused = asked(&[("origin", other)]);
            assert_eq!(refused.len(), 1, "{other}");
            assert_eq!(refused["vary"], "origin");
        }
        assert_eq!(asked(&[]).len(), 1);
    }

    #[test]
    fn a_preflight_may_send_the_last_event_id() {
        let preflight = [("origin", "https://a.test"), ("access-control-request-method", "GET")];
        let allowed = asked(&preflight);
        assert_eq!(allowed["access-control-allow-headers"], "last-event-id");
        assert_eq!(allowed["access-control-allow-methods"], "GET");
    }

    #[test]
    fn a_preflight_may_send_what_the_app_allows_too() {
        let preflight = [("origin", "https://a.test"), ("access-control-request-method", "GET")];
        let cors = Cors::new(["https://a.test".parse().unwrap()]);
        let cors = cors.request_headers([http::header::AUTHORIZATION, http::header::CONTENT_TYPE]);
        let allowed = &asked_of(&cors, &preflight)["access-control-allow-headers"];
        assert_eq!(allowed, "last-event-id, authorization, content-type");
        let other = [("origin", "https://b.test"), preflight[1]];
        assert!(!asked_of(&cors, &other).contains_key("access-control-allow-headers"));
    }

    #[test]
    fn what_depended_on_something_already_still_does() {
        let mut response = HeaderMap::new();
        response.insert(VARY, HeaderValue::from_static("accept"));
        Cors::new([]).allow(&HeaderMap::new(), &mut response);
        assert_eq!(response.get_all(VARY).iter().collect::<Vec<_>>(), ["accept", "origin"]);
    }
}
