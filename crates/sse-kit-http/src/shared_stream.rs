//! A stream that outlives the pages that watch it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use sse_kit_broadcast::{Hub, PublishError, Start, SubscribeError, SubscriptionBuilder};
use sse_kit_event::{Event, EventId, LastEventId, Topic};
use tokio::sync::watch;

use crate::response::SseResponse;

/// What a [`SharedStream`] has produced so far, and how its items become events.
pub trait Progress: Send + 'static {
    /// An item of the stream. The last one may say how it ended.
    type Item: Send;

    /// Returns the event that tells open pages of an item, which is not [applied](Self::apply) yet.
    fn event(&self, item: &Self::Item) -> Event;

    /// Adds an item to what a page shows that is loaded later.
    fn apply(&mut self, item: Self::Item);
}

/// A stream whose items are published to a topic of its own until it is done, such as the tokens of an
/// LLM's answer: any page, tab or device joins, leaves, reloads and resumes. Cheap to clone; all clones
/// are one stream.
///
/// The hub's history bridges cuts, as for any topic. A page that was cut off for longer gets the event
/// `sse-kit:gap`; it reloads, and shows the [progress](Self::read) so far. So history needs to hold no
/// more than what comes during a short cut, however long the whole stream is.
///
/// The progress is kept by this process: with several nodes, route the pages of a stream to the
/// node that produces it, or keep the progress in a database as well.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::{Event, Topic};
/// use sse_kit_http::{Progress, SharedStream};
///
/// struct Answer(String);
///
/// impl Progress for Answer {
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

/// The progress, and the event that it goes up to.
struct Produced<P> {
    progress: P,
    cursor: EventId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// More may follow.
    Open,
    /// Nothing follows the event.
    After(EventId),
    /// The producer is gone before the end of its stream.
    Abandoned,
}

impl<P: Progress> SharedStream<P> {
    /// Makes a shared stream, and the future that produces it: spawn that, or await it.
    ///
    /// The future publishes each item, and is ready when the stream has ended, and everything is
    /// published. It returns the error of the hub when an item could not be published; nothing is
    /// produced after that.
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, the stream is over, and the open responses end
    /// with `sse-kit:close`. An item that was being published is on all pages or on none.
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

    /// Reads the progress for a page, and the cursor from which the page's stream goes on; `None` when
    /// the stream is over, and the page needs none.
    ///
    /// Calls `read` under a lock; it must not call the stream.
    pub fn read<R>(&self, read: impl FnOnce(&P) -> R) -> (R, Option<EventId>) {
        let produced = self.shared.produced.lock();
        let is_open = *self.shared.end.borrow() == End::Open;
        (read(&produced.progress), is_open.then_some(produced.cursor))
    }

    /// Returns the topic to which the items are published.
    pub fn topic(&self) -> &Topic {
        &self.shared.topic
    }

    /// Opens a stream for one page, which goes on after the last event that the page has seen, and ends
    /// with `sse-kit:close` when everything has been sent. Without a last event it begins with what
    /// history has.
    ///
    /// # Errors
    ///
    /// Those of [`SubscriptionBuilder::open`].
    ///
    /// # Cancel safety
    ///
    /// When the future is dropped before it is ready, nothing is opened.
    pub async fn open(
        &self,
        last_event_id: Option<LastEventId>,
    ) -> Result<SseResponse, SubscribeError> {
        let subscription = self.subscribe(last_event_id).backfill().await?;
        Ok(self.end_with(SseResponse::new(subscription)))
    }

    /// Begins a subscription to the stream's topic, for an app that sets more about it or asks a
    /// [`Gate`](crate::Gate); pass the response to [`end_with`](Self::end_with).
    pub fn subscribe(&self, last_event_id: Option<LastEventId>) -> SubscriptionBuilder {
        let builder = self.shared.hub.subscribe(&self.shared.topic);
        builder.resume(last_event_id).start(Start::All)
    }

    /// Lets a response end with `sse-kit:close` when everything of this stream has been sent.
    pub fn end_with(&self, response: SseResponse) -> SseResponse {
        let mut end = self.shared.end.subscribe();
        response.until(async move {
            // It is an error when nobody can end it any more, which is as good as an end.
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

/// The one that publishes; dropping it ends the stream.
struct Producer<P> {
    stream: SharedStream<P>,
}

impl<P: Progress> Producer<P> {
    async fn run(self, items: impl Stream<Item = P::Item>) -> Result<(), PublishError> {
        let mut items = pin!(items);
        let Shared { hub, topic, produced, end } = &*self.stream.shared;
        while let Some(item) = items.next().await {
            // Items that are all there at once must let others run.
            tokio::task::consume_budget().await;
            let event = produced.lock().progress.event(&item);
            let receipt = hub.publish(topic, event).await?;
            // Both at once, and after the event: a page that reads in between resumes from before it.
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
