//! A client as a browser is one: it goes on elsewhere, from the last id that it saw.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::BodyExt;
use sse_kit::event::Decoder;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::nodes::{Nodes, send};

/// The last message.
pub(crate) const END: &str = "end";

/// Nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(300);

pub(crate) struct Client {
    task: JoinHandle<Seen>,
    told: watch::Receiver<Option<Instant>>,
}

/// The events that a client saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// The ids and the data of all messages before the last.
    pub(crate) messages: Vec<(String, String)>,
    pub(crate) gaps: usize,
    /// The time that each change of nodes took, from the end of one stream to the hello of the next.
    pub(crate) failovers: Vec<Duration>,
    /// The longest time between two messages.
    pub(crate) longest_pause: Duration,
    last_message: Option<Instant>,
}

impl Seen {
    fn message(&mut self, id: String, data: String) {
        let now = Instant::now();
        let pause = self.last_message.replace(now).map_or(Duration::ZERO, |last| now - last);
        self.longest_pause = self.longest_pause.max(pause);
        self.messages.push((id, data));
    }
}

impl Client {
    /// Follows until the last message, and begins with the `n`th node.
    pub(crate) fn follow(n: usize, nodes: &Arc<Nodes>) -> Self {
        let nodes = Arc::clone(nodes);
        Self::follow_at(move |attempt| nodes.address(n + attempt))
    }

    /// Follows until the last message, by a proxy.
    pub(crate) fn behind(proxy: &str) -> Self {
        let proxy = proxy.to_owned();
        Self::follow_at(move |_| Some(proxy.clone()))
    }

    fn follow_at(address: impl Fn(usize) -> Option<String> + Send + 'static) -> Self {
        let (telling, told) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut seen = Seen::default();
            let mut last_id = None;
            let mut cut_at = None::<Instant>;
            for attempt in 0.. {
                if let Some(address) = address(attempt)
                    && read(&address, &mut seen, &mut last_id, &mut cut_at, &telling).await
                {
                    break;
                }
                cut_at.get_or_insert_with(Instant::now);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            seen
        });
        Self { task, told }
    }
}

/// Reads one stream to its end; true when the last message was on it.
async fn read(
    address: &str,
    seen: &mut Seen,
    last_id: &mut Option<String>,
    cut_at: &mut Option<Instant>,
    telling: &watch::Sender<Option<Instant>>,
) -> bool {
    let mut request = Request::get("/events?topic=a");
    if let Some(id) = last_id {
        request = request.header("Last-Event-ID", id.as_str());
    }
    let Ok(response) = send(address, request, "").await else { return false };
    let (mut body, mut decoder) = (response.into_body(), Decoder::new());
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(bytes) = frame.into_data() else { continue };
        decoder.push(&bytes).expect("not too large");
        while let Some(decoded) = decoder.pop() {
            let sse_kit::event::Decoded::Message(message) = decoded else { continue };
            match message.name.as_str() {
                "sse-kit:hello" => {
                    if let Some(cut_at) = cut_at.take() {
                        seen.failovers.push(cut_at.elapsed());
                    }
                }
                "sse-kit:gap" => {
                    seen.gaps += 1;
                    telling.send_replace(Some(Instant::now()));
                }
                "message" if message.data == END => return true,
                "message" => seen.message(message.last_event_id.clone(), message.data),
                _ => {}
            }
            *last_id = Some(message.last_event_id).filter(|id| !id.is_empty());
        }
    }
    false
}

/// Returns what all of them saw, once they have the last message.
pub(crate) async fn all(clients: Vec<Client>) -> Vec<Seen> {
    let mut all = Vec::new();
    for client in clients {
        let seen = tokio::time::timeout(PATIENCE, client.task).await;
        all.push(seen.expect("the last message comes").expect("it does not panic"));
    }
    all
}

/// Returns the times at which each of them was told of a gap.
pub(crate) async fn all_told(clients: Vec<Client>) -> Vec<Instant> {
    let mut all = Vec::new();
    for mut client in clients {
        let told = tokio::time::timeout(PATIENCE, client.told.wait_for(Option::is_some)).await;
        let told = told.expect("a gap comes").expect("the client is there");
        all.push(told.expect("it was waited for"));
        client.task.abort();
    }
    all
}
