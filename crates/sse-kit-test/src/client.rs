//! A browser's side of HTTP, in the test's own process.

use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower_service::Service;
use url::Url;

use crate::body::TestBody;
use crate::cookies::Cookies;
use crate::failure::{At, fail};
use crate::response::TestResponse;
use crate::service::{AnyBody, App, BoxError};
use crate::stream::TestStream;

/// The origin of the app, as its pages know it. Nothing listens there.
const ORIGIN_OF_APP: &str = "http://localhost";

/// A client of an app that runs in the test's own process, without a socket.
///
/// The app is any [`tower::Service`] from a request to a response: an axum `Router`, or handlers of your
/// own by [`tower::service_fn`]. Clones are one browser: they share their cookies.
///
/// Every request has what a browser sends of its own: `Host`, `Origin` for all but `GET`,
/// `Sec-Fetch-Site: same-origin`, and the cookies.
///
/// ```
/// # use http::{Request, Response};
/// # use sse_kit_test::TestBody;
/// use sse_kit_test::TestClient;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let app = tower::service_fn(async |request: Request<TestBody>| {
/// #     let body = format!("{} {}", request.method(), request.uri().path());
/// #     let body = http_body_util::Full::new(bytes::Bytes::from(body));
/// #     Ok::<_, std::convert::Infallible>(Response::new(body))
/// # });
/// let client = TestClient::new(app).cookie("session", "s3cret");
/// let answer = client.get("/hello").await.expect_status(200);
/// assert_eq!(answer.text(), "GET /hello");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TestClient {
    app: App,
    cookies: Cookies,
    headers: HeaderMap,
    patience: Duration,
}

impl TestClient {
    /// Makes a client of an app, with no cookies.
    pub fn new<S, B>(app: S) -> Self
    where
        S: Service<Request<TestBody>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            app: App::new(app),
            cookies: Cookies::default(),
            headers: HeaderMap::new(),
            patience: Duration::from_secs(30),
        }
    }

    /// Sets a cookie, as an answer could.
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.cookies.set(name, value);
        self
    }

    /// Returns the value of a cookie.
    pub fn cookie_value(&self, name: &str) -> Option<String> {
        self.cookies.get(name)
    }

    /// Adds a header to every request.
    ///
    /// # Panics
    ///
    /// If the name or the value is none of a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            (Ok(name), Ok(value)) => {
                self.headers.append(name, value);
            }
            _ => fail(Location::caller(), format_args!("`{name}: {value}` is no header")),
        }
        self
    }

    /// Sets how long the client waits for an answer or a message before the test fails. Default: 30 s of
    /// Tokio's clock, which take no time when it is paused.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns a client of the same app in another browser: with the cookies that there are now, and apart
    /// from then on.
    pub fn other_browser(&self) -> Self {
        Self { cookies: self.cookies.fork(), ..self.clone() }
    }

    /// Asks for a path, and waits for the whole answer.
    ///
    /// # Panics
    ///
    /// If the app fails, or the answer does not end within the [patience](Self::patience).
    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = TestResponse> + Send + 'static {
        self.request(Method::GET, path, HeaderMap::new(), Bytes::new())
    }

    /// Posts a form.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
    ) -> impl Future<Output = TestResponse> + Send + 'static {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, FORM);
        self.request(Method::POST, path, headers, body.into())
    }

    /// Makes any request, and waits for the whole answer.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[track_caller]
    pub fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = TestResponse> + Send + 'static {
        self.request_at(Location::caller(), method, path, headers, body)
    }

    pub(crate) fn request_at(
        &self,
        at: At,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> impl Future<Output = TestResponse> + Send + 'static {
        let (client, path) = (self.clone(), path.to_owned());
        async move {
            let sent = client.send(at, &method, &path, headers, body).await;
            let (parts, body) = sent.into_parts();
            let request = format!("{method} {path}");
            let body = match timeout(client.patience, body.collect()).await {
                Ok(Ok(body)) => body.to_bytes(),
                Ok(Err(error)) => {
                    fail(at, format_args!("{request}: the answer broke off: {error}"))
                }
                Err(_) => fail(at, format_args!("{request}: the answer does not end")),
            };
            TestResponse { request, status: parts.status, headers: parts.headers, body }
        }
    }

    /// Opens the stream at a path.
    ///
    /// # Panics
    ///
    /// If the answer is no stream of events: the failure says its status, its type and its beginning.
    #[track_caller]
    pub fn stream(&self, path: &str) -> impl Future<Output = TestStream> + Send + 'static {
        let (at, client, path) = (Location::caller(), self.clone(), path.to_owned());
        async move { TestStream::open(at, client, path).await }
    }

    pub(crate) fn waits(&self) -> Duration {
        self.patience
    }

    /// Makes a request, and returns the answer as soon as its head is there.
    pub(crate) async fn send(
        &self,
        at: At,
        method: &Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> http::Response<AnyBody> {
        let mut request = Request::new(TestBody::new(body));
        *request.method_mut() = method.clone();
        match path.parse() {
            Ok(uri) => *request.uri_mut() = uri,
            Err(error) => fail(at, format_args!("`{path}` cannot be asked for: {error}")),
        }
        let all = request.headers_mut();
        all.insert(HOST, HeaderValue::from_static("localhost"));
        all.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
        all.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if method != Method::GET {
            all.insert(ORIGIN, HeaderValue::from_static(ORIGIN_OF_APP));
        }
        if let Some(cookies) = self.cookies.header() {
            all.insert(COOKIE, cookies);
        }
        all.extend(self.headers.clone());
        all.extend(headers);
        match timeout(self.patience, self.app.call(request)).await {
            Ok(Ok(response)) => {
                self.cookies.take(response.headers());
                response
            }
            Ok(Err(error)) => fail(at, format_args!("{method} {path}: the app failed: {error}")),
            Err(_) => fail(at, format_args!("{method} {path}: there is no answer")),
        }
    }
}

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Resolves a reference against the URL of a page; `None` when it leads to another origin.
pub(crate) fn resolve(page: &str, reference: &str) -> Option<String> {
    let base = Url::parse(ORIGIN_OF_APP).and_then(|origin| origin.join(page)).ok()?;
    let url = base.join(reference).ok()?;
    if url.origin() != base.origin() {
        return None;
    }
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{}{query}", url.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_against_the_page() {
        for (page, reference, path) in [
            ("/", "/events?a=b", Some("/events?a=b")),
            ("/rooms/x?n=1", "events", Some("/rooms/events")),
            ("/rooms/x?n=1", "?n=2", Some("/rooms/x?n=2")),
            ("/rooms/x?n=1", "#end", Some("/rooms/x?n=1")),
            ("/a", "//elsewhere.example/", None),
            ("/a", "http://localhost/b", Some("/b")),
        ] {
            assert_eq!(resolve(page, reference).as_deref(), path, "{page} {reference}");
        }
    }
}
