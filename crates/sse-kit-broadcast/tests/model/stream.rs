//! The receiving end of a client: a subscription, or one that is still read for.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use sse_kit_broadcast::{
    BoxFuture, CloseReason, Connection, ConnectionState, PendingSubscription, SubscribeError,
    Subscription,
};
use sse_kit_event::EventId;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

/// The time for which a stream waits for its turn to be read for, at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The end of a connection from which a client takes.
pub(crate) enum Stream {
    Open(Box<Subscription>),
    Backfilling(Backfilling),
}

/// A subscription that has joined, and for which the log is read.
pub(crate) struct Backfilling {
    pub(crate) connection: Arc<Connection>,
    filling: BoxFuture<'static, Result<Subscription, SubscribeError>>,
    pub(crate) cursor: EventId,
    /// The number of the newest event when it joined. Later ones wait in its queue.
    pub(crate) joined_at: u64,
    began: Instant,
    /// The end that the story has brought about.
    pub(crate) ended: Option<CloseReason>,
    /// Something came between that may be the reason of a gap, though the log has all.
    pub(crate) is_hindered: bool,
}

impl Stream {
    /// Returns a stream that is read for when it is polled.
    pub(crate) fn backfilling(
        pending: PendingSubscription,
        cursor: EventId,
        joined_at: u64,
    ) -> Self {
        let connection = Arc::clone(pending.connection());
        let filling = Box::pin(unconstrained(pending.backfill()));
        let (began, ended) = (Instant::now(), None);
        Self::Backfilling(Backfilling {
            connection,
            filling,
            cursor,
            joined_at,
            began,
            ended,
            is_hindered: false,
        })
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        match self {
            Self::Open(subscription) => subscription.connection(),
            Self::Backfilling(backfilling) => &backfilling.connection,
        }
    }

    pub(crate) fn ending(&self) -> Option<CloseReason> {
        match self {
            Self::Open(subscription) => subscription.ending(),
            Self::Backfilling(Backfilling { connection, ended, .. }) => {
                // Nothing but the story ends it otherwise: nobody is slow before it reads.
                let is_ending = connection.state() == ConnectionState::Ending;
                ended.or(is_ending.then_some(CloseReason::Shutdown))
            }
        }
    }

    pub(crate) fn delivered_through(&self) -> Option<EventId> {
        match self {
            Self::Open(subscription) => subscription.delivered_through(),
            Self::Backfilling(_) => None,
        }
    }

    pub(crate) fn is_backfilling(&self) -> bool {
        matches!(self, Self::Backfilling(_))
    }

    /// Notes something that may be the reason of a gap.
    pub(crate) fn hinder(&mut self) {
        if let Self::Backfilling(backfilling) = self {
            backfilling.is_hindered = true;
        }
    }

    /// Notes that the story ends it, if it is not open yet.
    pub(crate) fn note_end(&mut self, why: CloseReason) {
        if let Self::Backfilling(backfilling) = self {
            backfilling.ended.get_or_insert(why);
        }
    }
}

impl Backfilling {
    /// Returns `true` if it may be told to wait no longer.
    pub(crate) fn has_waited_long(&self) -> bool {
        self.began.elapsed() >= PATIENCE
    }

    /// Polls until there is nothing to do.
    pub(crate) fn poll(&mut self) -> Poll<Result<Subscription, SubscribeError>> {
        loop {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            match self.filling.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Pending if flag.is_woken() => {}
                polled => return polled,
            }
        }
    }
}

/// Prints a stream, and not the whole hub with it.
impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_backfilling() { "Backfilling" } else { "Open" };
        f.debug_tuple(name).field(&self.connection().stats()).finish()
    }
}

/// A poll that found nothing.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) flag: Arc<Flag>,
    /// The number of the newest event at that time.
    pub(crate) since: u64,
}

/// A waker that only notes that it was woken.
#[derive(Debug, Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn is_woken(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
