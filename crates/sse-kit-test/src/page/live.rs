//! A page's streams, and the effects of a message.

use std::panic::Location;
use std::time::Duration;

use dom_query::NodeId;
use futures_util::FutureExt;
use futures_util::future::select_all;
use sse_kit_event::Message;
use sse_kit_event::control::ControlName;
use sse_kit_htmx::Dialect;
use tokio::time::timeout;

use super::{GapHandling, TestPage};
use crate::client::resolve;
use crate::dom::{MainSwap, NodeExt};
use crate::failure::{At, fail};
use crate::stream::{Read, TestStream, require_paused_clock};

/// An element's connection.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) element: NodeId,
    pub(super) stream: TestStream,
    /// The event that ends it for good.
    close: Option<String>,
    pub(super) is_closed: bool,
}

/// The time without a message after which nothing is under way any more.
const QUIET: Duration = Duration::from_secs(1);

/// The largest number of times that a page comes back to a server that ends its streams.
const MOST_RETURNS: usize = 20;

/// The largest number of messages that a page takes in while it settles.
const MOST_MESSAGES: usize = 100_000;

impl TestPage {
    /// Takes in all that is under way, until nothing has come for a second of the paused clock.
    ///
    /// # Panics
    ///
    /// If Tokio's clock is not paused, or messages come without end.
    #[track_caller]
    pub fn settle(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            require_paused_clock(at, "settle");
            self.settle_at(at).await;
        }
    }

    pub(crate) async fn settle_at(&mut self, at: At) {
        for _ in 0..MOST_MESSAGES {
            if timeout(QUIET, self.take_next(at)).await.is_err() {
                return;
            }
        }
        fail(at, "the page does not settle: messages come without end");
    }

    /// Leaves all streams: the server sees a client that is gone, and the page stays as it is.
    pub fn disconnect(&mut self) {
        for live in &mut self.streams {
            live.stream.disconnect();
        }
    }

    /// Comes back to all streams, each from its last id, but for those that the server has ended for good.
    ///
    /// # Panics
    ///
    /// If an answer is no stream of events.
    #[track_caller]
    pub fn reconnect(&mut self) -> impl Future<Output = ()> {
        self.reconnect_at(Location::caller())
    }

    pub(crate) async fn reconnect_at(&mut self, at: At) {
        for live in self.streams.iter_mut().filter(|live| !live.is_closed) {
            live.stream.reconnect_at(at).await;
        }
    }

    /// Comes back until the streams stay: what a browser does by itself.
    pub(crate) async fn come_back(&mut self, at: At) {
        for _ in 0..MOST_RETURNS {
            for stream in self.streams_mut() {
                stream.heal();
            }
            let lost = |live: &Live| !live.is_closed && !live.stream.is_open();
            for live in self.streams.iter_mut().filter(|live| lost(live)) {
                live.stream.reconnect_at(at).await;
            }
            self.settle_at(at).await;
            if !self.streams.iter().any(lost) {
                return;
            }
        }
    }

    pub(crate) fn streams_mut(&mut self) -> impl Iterator<Item = &mut TestStream> {
        self.streams.iter_mut().map(|live| &mut live.stream)
    }

    /// Opens the streams of elements that have none yet, and leaves those of elements that are gone.
    pub(super) async fn connect(&mut self, at: At) {
        let dom = &self.dom;
        self.streams.retain(|live| dom.node(live.element).is_connected());
        let mut wanted = Vec::new();
        for node in self.dom.root().descendants_it().filter(dom_query::NodeRef::is_element) {
            let v4 = node.hx("hx-sse:connect");
            let close = node.hx(if v4.is_some() { "hx-sse:close" } else { "sse-close" });
            if let Some(url) = v4.or_else(|| node.hx("sse-connect")) {
                wanted.push((node.id, url, close));
            }
        }
        for (element, url, close) in wanted {
            if self.streams.iter().any(|live| live.element == element) {
                continue;
            }
            let Some(path) = resolve(&self.path, &url) else {
                fail(at, format_args!("the page connects to another site: {url}"));
            };
            let stream = TestStream::open(at, self.client.clone(), path).await;
            self.streams.push(Live { element, stream, close, is_closed: false });
        }
    }

    /// Waits for one message of any stream, and takes it in. Never comes to an end when all are closed.
    pub(super) async fn take_next(&mut self, at: At) {
        let open = self.streams.iter_mut().filter(|live| live.stream.is_open());
        let reading: Vec<_> = open
            .map(|live| {
                let element = live.element;
                async move { (element, live.stream.read().await) }.boxed_local()
            })
            .collect();
        if reading.is_empty() {
            return std::future::pending().await;
        }
        let ((element, read), _, _) = select_all(reading).await;
        if let Read::Message(message) = read {
            self.take(at, element, message).await;
        }
    }

    /// Does to the page what a message of an element's stream does.
    async fn take(&mut self, at: At, connection: NodeId, message: Message) {
        let Message { name, data, .. } = message;
        let elements = self.listening(connection, &name);
        let is_unnamed = name == "message";
        for element in elements {
            if element == connection && is_unnamed && self.dialect == Dialect::V4 {
                continue; // htmx itself does that
            }
            self.swap_into(at, element, &data);
        }
        if is_unnamed && self.dialect == Dialect::V4 && self.takes_unnamed(connection) {
            self.swap_into(at, connection, &data);
        }
        for element in self.triggered(connection, &name) {
            self.request_by(at, element, Vec::new()).await;
        }
        if let Some(live) = self.streams.iter_mut().find(|live| live.element == connection)
            && live.close.as_deref() == Some(&name)
        {
            live.stream.disconnect();
            live.is_closed = true;
        }
        self.connect(at).await;
        if name == ControlName::Gap.as_str() && self.reloads_at_a_gap() {
            self.reload_at(at).await;
        }
    }

    pub(crate) async fn reload_at(&mut self, at: At) {
        let path = self.path.clone();
        self.load(at, http::Method::GET, path, String::new()).await;
        self.connect(at).await;
    }

    fn reloads_at_a_gap(&self) -> bool {
        match self.on_gap {
            GapHandling::Reload => true,
            GapHandling::Ignore => false,
            GapHandling::AsItsMonitor => {
                let monitor = self.dom.select("script[data-sse-kit-monitor]").unwrap_or_default();
                monitor.iter().any(|block| {
                    let config: Result<serde_json::Value, _> = serde_json::from_str(&block.text());
                    config.is_ok_and(|config| config["gap"] != "report")
                })
            }
        }
    }

    /// Returns the elements that events of this name are swapped into, in the order of the document.
    fn listening(&self, connection: NodeId, name: &str) -> Vec<NodeId> {
        let (attribute, connects) = match self.dialect {
            Dialect::V2 => ("sse-swap", "sse-connect"),
            _ => ("sse-kit-swap", "hx-sse:connect"),
        };
        let root = self.dom.node(connection);
        let within = std::iter::once(root).chain(root.descendants_it());
        let listed = within.filter(|node| {
            let names = node.is_element().then(|| node.hx(attribute)).flatten().unwrap_or_default();
            names.split(',').any(|listed| listed.trim() == name)
                && node.closest_with(connects).is_some_and(|found| found.id == connection)
        });
        listed.map(|node| node.id).collect()
    }

    /// Returns whether htmx 4 swaps unnamed events by the element that connects: not when that lists others.
    fn takes_unnamed(&self, connection: NodeId) -> bool {
        let listed = self.dom.node(connection).hx("sse-kit-swap");
        listed.is_none_or(|names| names.split(',').any(|name| name.trim() == "message"))
    }

    /// Returns the elements that make a request when an event of this name comes.
    fn triggered(&self, connection: NodeId, name: &str) -> Vec<NodeId> {
        let connects = self.dom.node(connection);
        let is_triggered = |node: &dom_query::NodeRef<'_>| {
            let Some(triggers) = node.is_element().then(|| node.hx("hx-trigger")).flatten() else {
                return false;
            };
            triggers.split(',').any(|trigger| {
                let mut words = trigger.split_whitespace();
                let event = words.next().unwrap_or_default();
                if self.dialect == Dialect::V2 {
                    let source = node.closest_with("sse-connect").map(|found| found.id);
                    return event.strip_prefix("sse:") == Some(name) && source == Some(connection);
                }
                let from = words.find_map(|word| word.strip_prefix("from:"));
                let comes_from = from.map_or(node.id == connection, |selector| {
                    let found = connects.tree.root().find_all(selector).unwrap_or_default();
                    found.iter().any(|found| found.id == connection)
                });
                event == name && comes_from
            })
        };
        self.dom.root().descendants_it().filter(is_triggered).map(|node| node.id).collect()
    }

    /// Swaps what came by a stream, in the way that the element asks for.
    fn swap_into(&mut self, at: At, element: NodeId, data: &str) {
        let node = self.dom.node(element);
        if !node.is_connected() {
            return;
        }
        let style = self.inherited(element, "hx-swap");
        let style = match self.dialect {
            Dialect::V2 => style,
            // A message of a stream that has only updates out of band leaves its target alone.
            _ => Some(format!("{} swapEmpty:false", style.unwrap_or_default())),
        };
        let target = self.target_of(at, element);
        let how = MainSwap { style: style.as_deref(), target };
        if let Err(error) = self.dom.swap(self.dialect, node, data, how) {
            fail(at, format_args!("a message cannot be swapped: {error}; it is {data}"));
        }
    }

    /// Returns the value of an attribute of htmx: htmx 2 takes it from the elements around too.
    pub(super) fn inherited(&self, element: NodeId, name: &str) -> Option<String> {
        let node = self.dom.node(element);
        match self.dialect {
            Dialect::V2 => node.closest_with(name)?.hx(name),
            _ => node.hx(name).or_else(|| {
                let name = format!("{name}:inherited");
                node.closest_with(&name)?.hx(&name)
            }),
        }
    }
}
