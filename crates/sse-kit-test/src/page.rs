//! A page that applies what it is sent.

mod act;
mod asking;
mod expect;
mod form;
mod live;

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

use dom_query::{NodeId, NodeRef};
use http::{Method, StatusCode};
use sse_kit_htmx::Dialect;

use crate::client::TestClient;
use crate::dom::{Dom, DomError, Shown, dialect_of};
use crate::failure::{At, fail};
use crate::stream::TestStream;

use self::live::Live;

/// A page in a browser, as far as live pages are concerned: a document, the streams that it is connected
/// to, and what a user does with it.
///
/// The document is parsed as browsers do (by html5ever). It changes as htmx 2 or htmx 4 would change it,
/// whichever the page connects with: updates out of band, `<hx-partial>`s, events by their names, all swap
/// styles and morphing, and elements with `hx-get` or `hx-post` that are clicked. It is compared with both
/// versions in a browser. Scripts do not run; of sse-kit's own scripts it does what they do for the content
/// of a page.
///
/// A page takes nothing in by itself. It does so while the test waits for something, such as
/// [`expect_text`](Self::expect_text), or for all that is under way, [`settle`](Self::settle).
///
/// A page knows nothing else of htmx: no extensions of others, no `hx-on`, `hx-include` or `hx-boost`, no
/// requests that a timer or the sight of an element triggers, and no answers that are streams.
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use sse_kit_test::{TestBody, TestClient, TestPage};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = tower::service_fn(async |_request: Request<TestBody>| {
///     let html = Full::<bytes::Bytes>::from("<p id=\"count\">0</p>");
///     Ok::<_, Infallible>(Response::new(html))
/// });
/// let mut page = TestPage::open(&TestClient::new(app), "/").await;
/// page.expect_text("#count", "0").await;
/// # }
/// ```
pub struct TestPage {
    client: TestClient,
    path: String,
    status: StatusCode,
    dom: Dom,
    dialect: Dialect,
    streams: Vec<Live>,
    /// The texts that were typed into fields.
    values: HashMap<NodeId, String>,
    /// The boxes that were ticked, or whose tick was taken away.
    ticks: HashMap<NodeId, bool>,
    on_gap: GapHandling,
    loads: usize,
    /// The page is the answer to a form, which cannot be asked for again.
    is_posted: bool,
}

/// The reaction of a page to a gap: its stream says that events are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapHandling {
    /// The page does what its monitor is set to; without a monitor it does nothing.
    #[default]
    AsItsMonitor,
    /// The page loads itself again, by a script of the app's.
    Reload,
    /// The page does nothing.
    Ignore,
}

impl TestPage {
    /// Loads a page, follows redirects, and opens the streams that the page is connected to.
    ///
    /// # Panics
    ///
    /// If the app fails, or answers a request for a stream with something else.
    #[track_caller]
    pub fn open(client: &TestClient, path: &str) -> impl Future<Output = Self> + 'static {
        Self::open_at(Location::caller(), client, path)
    }

    pub(crate) fn open_at(
        at: At,
        client: &TestClient,
        path: &str,
    ) -> impl Future<Output = Self> + 'static {
        let (path, mut page) = (path.to_owned(), Self::blank(client.clone()));
        async move {
            page.load(at, Method::GET, path, String::new()).await;
            page.connect(at).await;
            page
        }
    }

    /// A page that has loaded nothing yet.
    fn blank(client: TestClient) -> Self {
        let dom = Dom::parse("");
        Self {
            client,
            path: String::new(),
            status: StatusCode::OK,
            dialect: dialect_of(&dom),
            dom,
            streams: Vec::new(),
            values: HashMap::new(),
            ticks: HashMap::new(),
            on_gap: GapHandling::default(),
            loads: 0,
            is_posted: false,
        }
    }

    /// Sets what the page does when its stream says that events are missing.
    pub fn on_gap(&mut self, on_gap: GapHandling) {
        self.on_gap = on_gap;
    }

    /// Loads the page again, as a user does.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    #[track_caller]
    pub fn reload(&mut self) -> impl Future<Output = ()> {
        self.reload_at(Location::caller())
    }

    /// Returns the path and query of the page, after redirects.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the status that the page was answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns which version of htmx the page connects with; htmx 4 when it does not.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns how often the page was loaded, by its own accord too.
    pub fn loads(&self) -> usize {
        self.loads
    }

    /// Returns the client, which shares its cookies with the page.
    pub fn client(&self) -> &TestClient {
        &self.client
    }

    /// Returns the text of the first element that matches, with its whitespace collapsed; `None` when
    /// there is no such element.
    ///
    /// # Panics
    ///
    /// If the text is no selector.
    #[track_caller]
    pub fn text(&self, selector: &str) -> Option<String> {
        let found = self.select(Location::caller(), selector);
        found.first().map(|node| node.text().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Returns the HTML in the first element that matches.
    ///
    /// # Panics
    ///
    /// If the text is no selector.
    #[track_caller]
    pub fn html(&self, selector: &str) -> Option<String> {
        let found = self.select(Location::caller(), selector);
        found.first().map(|node| node.inner_html().to_string())
    }

    /// Returns the value of an attribute of the first element that matches.
    ///
    /// # Panics
    ///
    /// If the text is no selector.
    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let found = self.select(Location::caller(), selector);
        found.first()?.attr(name).map(|value| value.to_string())
    }

    /// Returns how many elements match.
    ///
    /// # Panics
    ///
    /// If the text is no selector.
    #[track_caller]
    pub fn count(&self, selector: &str) -> usize {
        self.select(Location::caller(), selector).len()
    }

    /// Returns the page's first stream, for actions on connections alone: cutting, slowness, ids.
    /// The page does not get what a test reads from it.
    pub fn stream(&mut self) -> Option<&mut TestStream> {
        self.streams.first_mut().map(|live| &mut live.stream)
    }

    /// Returns whether all streams of the page are open, as far as it has read; false for a page without any.
    pub fn is_connected(&self) -> bool {
        !self.streams.is_empty() && self.streams.iter().all(|live| live.stream.is_open())
    }

    /// Returns whether the server has ended a stream of the page for good, by the event that the page is bound to.
    pub fn is_closed(&self) -> bool {
        self.streams.iter().any(|live| live.is_closed)
    }

    pub(crate) fn is_posted(&self) -> bool {
        self.is_posted
    }

    fn select(&self, at: At, selector: &str) -> Vec<NodeRef<'_>> {
        self.dom.select(selector).unwrap_or_else(|error| fail(at, error))
    }

    /// Returns the page's body as it can be compared, without what matches one of the selectors.
    pub(crate) fn shown(&self, left_out: &[String]) -> Result<Shown, DomError> {
        let mut without = Vec::new();
        for selector in left_out {
            without.extend(self.dom.select(selector)?.iter().map(|node| node.id));
        }
        let body = self.dom.body().unwrap_or_else(|| self.dom.root());
        Ok(Shown::within(body, &|node| without.contains(&node.id)))
    }

    /// Loads a page, after redirects; nothing is connected yet.
    async fn load(&mut self, at: At, method: Method, path: String, form: String) {
        self.streams.clear();
        let (method, path, response) = self.ask(at, method, path, form).await;
        self.is_posted = method != Method::GET;
        self.path = path;
        self.status = response.status();
        self.dom = Dom::parse(&response.text());
        self.dialect = dialect_of(&self.dom);
        self.values.clear();
        self.ticks.clear();
        self.loads += 1;
    }

    /// Loads the same page again, without its streams.
    pub(crate) async fn fresh(&self, at: At) -> Self {
        let mut page = Self::blank(self.client.clone());
        page.load(at, Method::GET, self.path.clone(), String::new()).await;
        page
    }
}

impl fmt::Debug for TestPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestPage")
            .field("path", &self.path)
            .field("dialect", &self.dialect)
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}
