//! One stream of events, as a client reads it.

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::panic::Location;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::BodyExt;
use sse_kit_event::control::{ControlName, Hello};
use sse_kit_event::{Decoded, Decoder, Message};
use tokio::time::{sleep, timeout};

use crate::client::TestClient;
use crate::clock;
use crate::failure::{At, fail, listed, shortened};
use crate::service::AnyBody;

/// The number of messages that a failure lists, and of ids that can be forgotten.
const REMEMBERED: usize = 50;

/// A stream of events, as a client reads it: it keeps its last id, and can lose its connection in all
/// the ways that connections are lost.
///
/// A stream is read only when the test asks for something, so a test that does not ask is a slow client.
/// All methods that wait fail the test when what they wait for does not come within the client's
/// [patience](TestClient::patience), and say what came instead. With Tokio's clock paused
/// (`#[tokio::test(start_paused = true)]`) that takes no time.
///
/// # Cancel safety
///
/// All waiting methods are cancel safe but [`reconnect`](Self::reconnect): no message is lost when their
/// future is dropped.
#[derive(Debug)]
pub struct TestStream {
    client: TestClient,
    path: String,
    connection: Option<Connection>,
    last_event_id: String,
    /// The ids that came before, the newest last.
    ids: VecDeque<String>,
    retry: Option<Duration>,
    hello: Option<Hello>,
    received: VecDeque<String>,
    delay: Duration,
    /// The number of bytes that the connection still brings before it breaks.
    left: Option<usize>,
    end: End,
}

#[derive(Debug)]
struct Connection {
    body: AnyBody,
    decoder: Decoder,
}

/// The state of a connection: open, or the reason why it brings nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection is there.
    Open,
    /// The server ended the stream.
    Ended,
    /// The server broke the stream off.
    Broken(String),
    /// The test cut the connection.
    Cut,
    /// The test left.
    Disconnected,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("the stream is open"),
            Self::Ended => f.write_str("the server ended the stream"),
            Self::Broken(error) => write!(f, "the stream broke off: {error}"),
            Self::Cut => f.write_str("the test cut the connection"),
            Self::Disconnected => f.write_str("the test disconnected"),
        }
    }
}

/// The outcome of reading.
#[derive(Debug)]
pub(crate) enum Read {
    Message(Message),
    End,
}

impl TestStream {
    pub(crate) async fn open(at: At, client: TestClient, path: String) -> Self {
        let mut stream = Self {
            client,
            path,
            connection: None,
            last_event_id: String::new(),
            ids: VecDeque::new(),
            retry: None,
            hello: None,
            received: VecDeque::new(),
            delay: Duration::ZERO,
            left: None,
            end: End::Disconnected,
        };
        stream.connect(at).await;
        stream
    }

    /// Returns the next message of the app: what sse-kit says of its own accord at the beginning and as
    /// heartbeats is passed over, a gap and a goodbye are not.
    ///
    /// # Panics
    ///
    /// If none comes, or the stream ends.
    #[track_caller]
    #[expect(
        clippy::should_implement_trait,
        reason = "the field's word, and a test has no iterator here"
    )]
    pub fn next(&mut self) -> impl Future<Output = Message> + Send {
        let at = Location::caller();
        async move { self.find(at, "a message", |_| true).await }
    }

    /// Returns the next message of this name, and passes over all others; `message` stands for those
    /// without a name.
    ///
    /// # Panics
    ///
    /// If none comes, or the stream ends.
    #[track_caller]
    pub fn next_named(&mut self, name: &str) -> impl Future<Output = Message> + Send {
        let (at, name) = (Location::caller(), name.to_owned());
        async move {
            let wanted = format!("a message named `{name}`");
            self.find(at, &wanted, |message| message.name == name).await
        }
    }

    /// Fails the test if a message of the app comes within this time of Tokio's clock.
    ///
    /// # Panics
    ///
    /// If one comes; if the stream ends; or if the clock is not paused, as silence would then be a matter
    /// of how busy the machine is.
    #[track_caller]
    pub fn expect_silence(&mut self, time: Duration) -> impl Future<Output = ()> + Send {
        let at = Location::caller();
        async move {
            require_paused_clock(at, "expect_silence");
            match timeout(time, self.read_app()).await {
                Ok(Read::Message(message)) => fail(
                    at,
                    format_args!("silence was expected, and this came: {}", line(&message)),
                ),
                Ok(Read::End) => fail(at, format_args!("silence was expected, but {}", self.end)),
                Err(_) => {}
            }
        }
    }

    /// Waits until the server ends the stream.
    ///
    /// # Panics
    ///
    /// If a message of the app comes before that, or the stream does not end.
    #[track_caller]
    pub fn expect_end(&mut self) -> impl Future<Output = ()> + Send {
        let at = Location::caller();
        async move {
            let patience = self.client.waits();
            match timeout(patience, self.read_app()).await {
                Ok(Read::End) => {}
                Ok(Read::Message(message)) => fail(
                    at,
                    format_args!("the stream was to end, and this came: {}", line(&message)),
                ),
                Err(_) => fail(at, format_args!("the stream does not end{}", self.so_far())),
            }
        }
    }

    /// Leaves: the server sees a client that is gone.
    pub fn disconnect(&mut self) {
        self.stop(End::Disconnected);
    }

    /// Comes back from the last id, as a browser does; a connection that is still there is left first.
    ///
    /// The `retry` that the server asked for is waited for when the clock is paused. With a running clock
    /// the client comes back at once.
    ///
    /// # Panics
    ///
    /// If the answer is no stream of events.
    ///
    /// # Cancel safety
    ///
    /// The stream is disconnected when the future is dropped.
    #[track_caller]
    pub fn reconnect(&mut self) -> impl Future<Output = ()> + Send {
        self.reconnect_at(Location::caller())
    }

    pub(crate) async fn reconnect_at(&mut self, at: At) {
        self.disconnect();
        if let Some(retry) = self.retry.filter(|_| clock::is_paused()) {
            sleep(retry).await;
        }
        self.connect(at).await;
    }

    /// Lets the connection bring so many more bytes, and then breaks it, wherever in an event that is. 0
    /// breaks it with the next byte.
    pub fn cut_after(&mut self, bytes: usize) {
        self.left = Some(bytes);
    }

    /// Waits so long before each time that it reads from the connection: a slow client.
    pub fn slow(&mut self, delay: Duration) {
        self.delay = delay;
    }

    /// Forgets the newest `count` ids: a client that reconnects is sent those events again.
    pub fn rewind(&mut self, count: usize) {
        for _ in 0..count {
            self.last_event_id = self.ids.pop_back().unwrap_or_default();
        }
    }

    /// Changes what the client sends as its last id: another one, none, or nonsense.
    pub fn resume_from(&mut self, id: &str) {
        id.clone_into(&mut self.last_event_id);
    }

    /// Returns the id that the client sends when it reconnects; empty when it has none.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Returns how long the server asked clients to wait before they reconnect.
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Returns what the server said at the beginning, once that has been read.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Returns whether the connection is there, as far as the client has read.
    pub fn is_open(&self) -> bool {
        self.end == End::Open
    }

    /// Takes back a cut that is still to come.
    pub(crate) fn heal(&mut self) {
        self.left = None;
    }

    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// Reads the next message, whatever it is.
    pub(crate) async fn read(&mut self) -> Read {
        loop {
            let Some(connection) = &mut self.connection else { return Read::End };
            if let Some(decoded) = connection.decoder.pop() {
                let last = connection.decoder.last_event_id();
                if last != self.last_event_id && !last.is_empty() {
                    let before = mem::replace(&mut self.last_event_id, last.to_owned());
                    remember(&mut self.ids, before);
                }
                match decoded {
                    Decoded::Message(message) => {
                        self.note(&message);
                        return Read::Message(message);
                    }
                    Decoded::Retry(retry) => self.retry = Some(retry),
                    _ => {}
                }
                continue;
            }
            if let End::Broken(_) = self.end {
                self.connection = None; // what came before the fault has been read
                return Read::End;
            }
            if self.left == Some(0) {
                self.stop(End::Cut);
                return Read::End;
            }
            if !self.delay.is_zero() {
                sleep(self.delay).await;
            }
            match connection.body.frame().await {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().unwrap_or_default();
                    let taken = self.left.map_or(bytes.len(), |left| left.min(bytes.len()));
                    self.left = self.left.map(|left| left - taken);
                    if let Err(error) = connection.decoder.push(&bytes[..taken]) {
                        self.end = End::Broken(error.to_string());
                    }
                }
                Some(Err(error)) => self.stop(End::Broken(error.to_string())),
                None => self.stop(End::Ended),
            }
        }
    }

    /// Reads the next message that is not of sse-kit's own accord.
    async fn read_app(&mut self) -> Read {
        loop {
            match self.read().await {
                Read::Message(message) if is_housekeeping(&message.name) => {}
                read => return read,
            }
        }
    }

    async fn find(
        &mut self,
        at: At,
        wanted: &str,
        is_it: impl Fn(&Message) -> bool + Send,
    ) -> Message {
        let patience = self.client.waits();
        let found = async {
            loop {
                match self.read_app().await {
                    Read::Message(message) if is_it(&message) => return Some(message),
                    Read::Message(_) => {}
                    Read::End => return None,
                }
            }
        };
        match timeout(patience, found).await {
            Ok(Some(message)) => message,
            Ok(None) => {
                fail(at, format_args!("{wanted} was expected, but {}{}", self.end, self.so_far()))
            }
            Err(_) => {
                fail(at, format_args!("{wanted} was expected, and does not come{}", self.so_far()))
            }
        }
    }

    async fn connect(&mut self, at: At) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Ok(id) = HeaderValue::from_str(&self.last_event_id)
            && !id.is_empty()
        {
            headers.insert("last-event-id", id);
        }
        let response = self.client.send(at, &Method::GET, &self.path, headers, Bytes::new()).await;
        let (parts, body) = response.into_parts();
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_stream =
            content_type.is_some_and(|content_type| content_type.starts_with("text/event-stream"));
        if parts.status != 200 || !is_stream {
            let body = timeout(self.client.waits(), body.collect()).await;
            let text = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes);
            fail(
                at,
                format_args!(
                    "GET {} is no stream: status {}, content type {}, and it says: {}",
                    self.path,
                    parts.status,
                    content_type.unwrap_or("none"),
                    shortened(&String::from_utf8_lossy(&text.unwrap_or_default())),
                ),
            );
        }
        self.connection = Some(Connection { body, decoder: Decoder::new() });
        self.end = End::Open;
    }

    fn stop(&mut self, end: End) {
        self.connection = None;
        self.left = None;
        self.end = end;
    }

    fn note(&mut self, message: &Message) {
        if message.name == ControlName::Hello.as_str() {
            self.hello = serde_json::from_str(&message.data).ok();
        }
        remember(&mut self.received, line(message));
    }

    /// Describes what was received lately, for a failure.
    pub(crate) fn so_far(&self) -> String {
        format!("; received so far, the newest last:{}", listed(&self.received))
    }
}

fn remember(all: &mut VecDeque<String>, newest: String) {
    if all.len() >= REMEMBERED {
        all.pop_front();
    }
    all.push_back(newest);
}

/// Returns whether a message says nothing of the app's.
fn is_housekeeping(name: &str) -> bool {
    name == ControlName::Hello.as_str() || name == ControlName::Heartbeat.as_str()
}

/// Returns a message as a failure lists it.
pub(crate) fn line(message: &Message) -> String {
    format!("[{}] {}: {}", message.last_event_id, message.name, shortened(&message.data))
}

pub(crate) fn require_paused_clock(at: At, method: &str) {
    if !clock::is_paused() {
        fail(
            at,
            format_args!(
                "`{method}` needs Tokio's clock paused, or it would wait and be uncertain; begin the \
                 test with `#[tokio::test(start_paused = true)]`"
            ),
        );
    }
}
