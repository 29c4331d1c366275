//! A record of what a hub publishes, as events and as changes of pages.

use std::panic::Location;

use futures_util::FutureExt;
use parking_lot::Mutex;
use sse_kit_broadcast::{Hub, RecvError, Tap};
use sse_kit_event::{Audience, EventId, Message, Topic};
use sse_kit_htmx::Swap;

use crate::dom::{DomChange, changes_in};
use crate::failure::{At, fail, listed, shortened};

/// A record of what a hub publishes, from the moment that the record is begun.
///
/// Nothing needs to be subscribed to, and no page needs to be open. The record is made of a
/// [`Tap`]; a test that publishes more than the hub's `log_buffer` (1,024 events by default) between two
/// looks at the record fails, and says so.
///
/// ```
/// use sse_kit_broadcast::Hub;
/// use sse_kit_event::{Event, Topic};
/// use sse_kit_htmx::{Dialect, Html, Update, Updates};
/// use sse_kit_test::Recorder;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hub = Hub::new();
/// let recorder = Recorder::new(&hub);
///
/// let topic: Topic = "count".parse()?;
/// let update = Update::fill("count".parse()?, &Html::text(3))?;
/// hub.publish(&topic, Event::new(Updates::from(update).render(Dialect::V4)?.as_str())).await?;
///
/// recorder.assert_published("count", "3");
/// recorder.assert_fills("#count", "3");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Recorder {
    tap: Mutex<Tap>,
    published: Mutex<Vec<Published>>,
}

/// One event that was published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The id that the log gave it.
    pub id: EventId,
    /// The audience that it is for.
    pub audience: Audience,
    /// The event as a client reads it.
    pub message: Message,
}

impl Published {
    /// Returns `true` if subscribers of this topic get the event.
    pub fn is_for(&self, topic: &str) -> bool {
        let Ok(topic) = topic.parse::<Topic>() else { return false };
        self.audience.is_everyone() || self.audience.topics().contains(&topic)
    }

    /// Returns the changes of a page that the event asks for, for htmx 2 and 4 alike; none when it is
    /// something else.
    pub fn changes(&self) -> Vec<DomChange> {
        changes_in(&self.message.data).unwrap_or_default()
    }
}

impl Recorder {
    /// Begins a record of what this hub publishes from now on.
    pub fn new(hub: &Hub) -> Self {
        Self { tap: Mutex::new(hub.tap()), published: Mutex::default() }
    }

    /// Returns all that was published, in order.
    ///
    /// # Panics
    ///
    /// If more was published since the last look than the hub keeps.
    #[track_caller]
    pub fn published(&self) -> Vec<Published> {
        self.read(Location::caller())
    }

    /// Forgets what was published so far.
    pub fn clear(&self) {
        while self
            .tap
            .lock()
            .recv()
            .now_or_never()
            .is_some_and(|taken| !matches!(taken, Err(RecvError::Closed)))
        {}
        self.published.lock().clear();
    }

    /// Returns the changes of pages that were published, in order.
    ///
    /// # Panics
    ///
    /// As [`published`](Self::published).
    #[track_caller]
    pub fn changes(&self) -> Vec<DomChange> {
        self.read(Location::caller()).iter().flat_map(Published::changes).collect()
    }

    /// Fails the test unless an event with this text in its data was published for this topic.
    ///
    /// # Panics
    ///
    /// If there was none; the failure lists what was published.
    #[track_caller]
    pub fn assert_published(&self, topic: &str, text: &str) {
        let at = Location::caller();
        let published = self.read(at);
        let is_it = |one: &Published| one.is_for(topic) && one.message.data.contains(text);
        if !published.iter().any(is_it) {
            fail(
                at,
                format_args!(
                    "nothing with `{text}` was published for the topic `{topic}`, but:{}",
                    lines(&published)
                ),
            );
        }
    }

    /// Fails the test if anything was published.
    ///
    /// # Panics
    ///
    /// If something was; the failure lists it.
    #[track_caller]
    pub fn assert_nothing_published(&self) {
        let at = Location::caller();
        let published = self.read(at);
        if !published.is_empty() {
            fail(at, format_args!("nothing was to be published, but:{}", lines(&published)));
        }
    }

    /// Fails the test unless the newest change of the inside of `target` has exactly this text.
    ///
    /// # Panics
    ///
    /// If there was none, or the newest has another text; the failure lists the changes.
    #[track_caller]
    pub fn assert_fills(&self, target: &str, text: &str) {
        let is_fill =
            |change: &&DomChange| matches!(change.swap, Swap::InnerHtml | Swap::InnerMorph);
        self.assert_newest(Location::caller(), target, text, "fills", is_fill);
    }

    /// Fails the test unless the newest change that comes in place of `target` has exactly this text.
    ///
    /// # Panics
    ///
    /// As [`assert_fills`](Self::assert_fills).
    #[track_caller]
    pub fn assert_replaces(&self, target: &str, text: &str) {
        let is_it = |change: &&DomChange| {
            matches!(change.swap, Swap::OuterHtml | Swap::OuterMorph | Swap::OuterSync)
        };
        self.assert_newest(Location::caller(), target, text, "replaces", is_it);
    }

    /// Fails the test unless the newest change that inserts something in or beside `target` has exactly
    /// this text.
    ///
    /// # Panics
    ///
    /// As [`assert_fills`](Self::assert_fills).
    #[track_caller]
    pub fn assert_inserts(&self, target: &str, text: &str) {
        let is_it = |change: &&DomChange| {
            use Swap::{AfterBegin, AfterEnd, BeforeBegin, BeforeEnd};
            matches!(change.swap, BeforeBegin | AfterBegin | BeforeEnd | AfterEnd)
        };
        self.assert_newest(Location::caller(), target, text, "inserts at", is_it);
    }

    /// Fails the test unless `target` was deleted by the newest of its changes.
    ///
    /// # Panics
    ///
    /// As [`assert_fills`](Self::assert_fills).
    #[track_caller]
    pub fn assert_deletes(&self, target: &str) {
        let at = Location::caller();
        let changes = self.read(at).iter().flat_map(Published::changes).collect::<Vec<_>>();
        let newest = changes.iter().rev().find(|change| change.target == target);
        if newest.is_none_or(|change| change.swap != Swap::Delete) {
            fail(
                at,
                format_args!("nothing deletes `{target}`; what was published:{}", all(&changes)),
            );
        }
    }

    fn assert_newest(
        &self,
        at: At,
        target: &str,
        text: &str,
        verb: &str,
        is_it: impl Fn(&&DomChange) -> bool,
    ) {
        let changes = self.read(at).iter().flat_map(Published::changes).collect::<Vec<_>>();
        let newest = changes.iter().rev().filter(is_it).find(|change| change.target == target);
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        if newest.is_none_or(|change| words(&change.text) != words(text)) {
            fail(
                at,
                format_args!(
                    "nothing {verb} `{target}` with `{text}` in the end; what was published:{}",
                    all(&changes)
                ),
            );
        }
    }

    fn read(&self, at: At) -> Vec<Published> {
        let mut published = self.published.lock();
        let mut tap = self.tap.lock();
        while let Some(taken) = tap.recv().now_or_never() {
            match taken {
                Ok(entry) => published.push(Published {
                    id: entry.id(),
                    audience: entry.audience().clone(),
                    message: entry.message(),
                }),
                Err(RecvError::Lagged { missed }) => fail(
                    at,
                    format_args!(
                        "the record lacks {missed} events; look at it more often, or give the hub a \
                         longer `log_buffer`"
                    ),
                ),
                Err(_) => break,
            }
        }
        published.clone()
    }
}

fn lines(published: &[Published]) -> String {
    listed(published.iter().map(|one| {
        format!("{}: {}: {}", one.audience, one.message.name, shortened(&one.message.data))
    }))
}

fn all(changes: &[DomChange]) -> String {
    listed(changes.iter().map(|change| {
        format!("{} by {}: {}", change.target, change.swap, shortened(change.html.trim()))
    }))
}
