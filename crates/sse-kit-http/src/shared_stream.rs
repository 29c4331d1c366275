//! Streams that outlive the pages that watch them.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_core::Stream;
use futures_util::StreamExt;
use parking_lot::Mutex;
use sse_kit_broadcast::{Hub, PublishError, Start, SubscribeError, SubscriptionBuilder};
use sse_kit_event::{Event, EventId, LastEventId, Topic};
use tokio::sync::watch;

use crate::response::SseResponse;

/// The progress of a [`SharedStream`], and the conversion of its items to events.
pub trait SharedProgress: Send + 'static {
    /// The type of an item. The last item may say how the stream ended.
    type Item: Send;

    /// Returns the event for open pages for an item, which is not [applied](Self::apply) yet.
    fn event(&self, item: &Self::Item) -> Event;

    /// Applies an item to the progress, for pages that load later.
    fn apply(&mut self, item: Self::Item);
}

/// A stream whose items are published to a topic of their own until it ends, such as the tokens of
/// an LLM's answer. Any page, tab or device can join, leave, reload and resume. Cloning is cheap;
/// all clones are the same stream.
///
/// The hub's history bridges short interruptions, as for any topic. A page that was cut off for
/// longer gets the event `sse-kit:gap`; it reloads, and shows the [progress](Self::read) so far. So
/// history only needs to hold the events of a short interruption, independent of the length of the
/// stream.
///
/// This process keeps the progress. With several nodes, route the pages of a stream to the node
/// that produces it, or also keep the progress in a database.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::{Event, Topic};
/// use sse_kit_http::{SharedProgress, SharedStream};
///
/// struct Answer(String);
///
/// impl SharedProgress for Answer {
///     type Item = String;
///
///     fn event(&self, token: &String) -> Event {
///         Event::new(token.as_str())
///     }
///
///     fn apply(&mut self, token: String) {
///         self.0.push_str(&token);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let topic: Topic = "answers:17".parse()?;
/// let tokens = futures_util::stream::iter(["To ", "be"].map(String::from));
/// let (answer, produce) = SharedStream::new(Hub::new(), topic, Answer(String::new()), tokens);
/// let producing = tokio::spawn(produce);
///
/// // A page shows what there is so far; its stream goes on from the cursor, where more may come.
/// let (text, cursor) = answer.read(|answer| answer.0.clone());
/// if let Some(cursor) = cursor {
///     let response = answer.open(Some(cursor.into())).await?;
/// }
/// # producing.await??;
/// assert_eq!(answer.read(|answer| answer.0.clone()), ("To be".to_owned(), None));
/// # Ok(()) }
/// ```
pub struct SharedStream<P> {
    shared: Arc<Shared<P>>,
}

struct Shared<P> {
    hub: Hub,
    topic: Topic,
    produced: Mutex<Produced<P>>,
    end: watch::Sender<End>,
}

/// The progress, and the event through which it is applied.
struct Produced<P> {
    progress: P,
    cursor: EventId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More items may follow.
    Open,
    /// Nothing follows this event.
    After(EventId),
    /// The producer was dropped before the end of its stream.
    Abandoned,
}

impl<P: SharedProgress> SharedStream<P> {
    /// Creates a shared stream and the future that produces it: spawn the future, or await it.
    ///
    /// The future publishes each item, and completes when the stream has ended and everything is
    /// published. If an item cannot be published, it returns the error of the hub and stops.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, the stream ends, and the open responses end
    /// with `sse-kit:close`. An item that was being published may or may not reach the open pages, as
    /// for [`Hub::publish`]; the [progress](Self::read) does not have it. Spawn the future, so that a
    /// handler whose client leaves does not drop it.
    pub fn new<S>(
        hub: Hub,
        topic: Topic,
        progress: P,
        items: S,
    ) -> (Self, impl Future<Output = Result<(), PublishError>> + Send + use<P, S>)
    where
        S: Stream<Item = P::Item> + Send,
    {
        let produced = Mutex::new(Produced { progress, cursor: hub.cursor() });
        let end = watch::Sender::new(End::Open);
        let stream = Self { shared: Arc::new(Shared { hub, topic, produced, end }) };
        let producer = Producer { stream: stream.clone() };
        (stream, producer.run(items))
    }

    /// Reads the progress for a page, and the cursor from which the page's stream continues; `None`
    /// if the stream has ended and the page needs no stream.
    ///
    /// It calls `read` under a lock; `read` must not call the stream.
    pub fn read<R>(&self, read: impl FnOnce(&P) -> R) -> (R, Option<EventId>) {
        let produced = self.shared.produced.lock();
        let is_open = *self.shared.end.borrow() == End::Open;
        (read(&produced.progress), is_open.then_some(produced.cursor))
    }

    /// Returns the topic of the items.
    pub fn topic(&self) -> &Topic {
        &self.shared.topic
    }

    /// Opens a stream for one page. It continues after the last event that the page has seen, and
    /// ends with `sse-kit:close` when everything was sent. Without a last event it begins with the
    /// events in history.
    ///
    /// # Errors
    ///
    /// The errors of [`SubscriptionBuilder::open`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no stream is opened.
    pub async fn open(
        &self,
        last_event_id: Option<LastEventId>,
    ) -> Result<SseResponse, SubscribeError> {
        let subscription = self.subscribe(last_event_id).backfill().await?;
        Ok(self.end_with(SseResponse::new(subscription)))
    }

    /// Starts building a subscription to the stream's topic, for an app that needs more settings or
    /// a [`Gate`](crate::Gate). Pass the response to [`end_with`](Self::end_with).
    pub fn subscribe(&self, last_event_id: Option<LastEventId>) -> SubscriptionBuilder {
        let builder = self.shared.hub.subscribe(&self.shared.topic);
        builder.resume(last_event_id).start(Start::All)
    }

    /// Makes a response end with `sse-kit:close` when everything of this stream was sent.
    pub fn end_with(&self, response: SseResponse) -> SseResponse {
        let mut end = self.shared.end.subscribe();
        response.until(async move {
            // An error means that the producer is gone, so the stream has ended.
            match end.wait_for(|end| *end != End::Open).await.as_deref() {
                Ok(End::After(last)) => Some(*last),
                _ => None,
            }
        })
    }
}

impl<P> Clone for SharedStream<P> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<P> fmt::Debug for SharedStream<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStream")
            .field("topic", &self.shared.topic)
            .field("end", &*self.shared.end.borrow())
            .finish_non_exhaustive()
    }
}

/// The producer of a shared stream. Dropping it ends the stream.
struct Producer<P> {
    stream: SharedStream<P>,
}

impl<P: SharedProgress> Producer<P> {
    async fn run(self, items: impl Stream<Item = P::Item>) -> Result<(), PublishError> {
        let mut items = pin!(items);
        let Shared { hub, topic, produced, end } = &*self.stream.shared;
        while let Some(item) = items.next().await {
            // Lets other tasks run even if all items are ready at once.
            tokio::task::consume_budget().await;
            let event = produced.lock().progress.event(&item);
            let receipt = hub.publish(topic, event).await?;
            // Updates both together, after the event: a page that reads in between resumes from
            // before it.
            let mut produced = produced.lock();
            produced.progress.apply(item);
            produced.cursor = receipt.id;
        }
        let last = produced.lock().cursor;
        end.send_replace(End::After(last));
        Ok(())
    }
}

impl<P> Drop for Producer<P> {
    fn drop(&mut self) {
        self.stream.shared.end.send_if_modified(|end| {
            let is_open = *end == End::Open;
            if is_open {
                *end = End::Abandoned;
            }
            is_open
        });
    }
}
