//! The state of an app, and the changes that take turns at it.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use sse_kit_broadcast::{ConnectionId, Hub, Reach, Receipt};
use sse_kit_event::EventId;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use super::change::{Change, IntoChange};
use super::emitted::{ChangeError, EmitError, EmitErrorKind, Emitted};
use super::pipeline::{Outgoing, Pipeline};
use super::run_to_end::RunToEnd;

/// The maximum number of handlers' changes that may join one change. Without it, handlers whose
/// events lead back to themselves would hold the lock forever.
const MAX_JOINED: usize = 1_000;

tokio::task_local! {
    /// The turns that this code is in, of one kit or of several. It does not keep their locks: events
    /// of a change that was dropped may go on longer than the turn that the change was made in.
    static TURNS: Vec<Weak<dyn Any + Send + Sync>>;
}

/// The state of an app, under the lock of its kit.
#[derive(Debug)]
pub(super) struct Shared<S> {
    state: S,
    /// The newest event of a change. A log that several nodes share may take it before this node has
    /// read it.
    newest: Option<EventId>,
}

impl<S> Shared<S> {
    pub(super) fn new(state: S) -> Self {
        Self { state, newest: None }
    }

    /// Notes an event of a change. One that was published before, under the same key, may be older
    /// than the newest.
    fn note(&mut self, receipt: Receipt) {
        let is_older = self.newest.is_some_and(|newest| {
            if newest.epoch() == receipt.id.epoch() {
                receipt.id.offset() <= newest.offset()
            } else {
                receipt.repeated
            }
        });
        if !is_older {
            self.newest = Some(receipt.id);
        }
    }

    /// Returns the position from which a page that shows this state resumes.
    fn cursor(&self, hub: &Hub) -> EventId {
        let cursor = hub.cursor();
        let is_ahead = |it: &EventId| it.epoch() == cursor.epoch() && it.offset() > cursor.offset();
        self.newest.filter(is_ahead).unwrap_or(cursor)
    }
}

/// One change that holds the lock, until all of its events are published.
pub(super) struct Turn<S> {
    /// Identifies the kit.
    lock: Arc<RwLock<Shared<S>>>,
    guard: Mutex<OwnedRwLockWriteGuard<Shared<S>>>,
    queue: Mutex<Queue>,
}

/// The events that are not emitted yet.
#[derive(Default)]
struct Queue {
    outgoing: VecDeque<Outgoing>,
    joined: usize,
    /// `true` when all events are emitted. The turn is over then, and takes no more of them.
    finished: bool,
}

impl<S: Send + Sync + 'static> Turn<S> {
    /// Changes the state when the lock is free, or at once within a handler of a change.
    pub(super) async fn take<C, K>(
        lock: &Arc<RwLock<Shared<S>>>,
        pipeline: &Pipeline,
        except: Vec<ConnectionId>,
        change: impl FnOnce(&mut S) -> C,
    ) -> Result<C::Value, ChangeError<C::Value>>
    where
        C: IntoChange<K>,
    {
        if let Some(turn) = Self::current(lock)
            && let Some(queue) = turn.unfinished()
        {
            return turn.join(queue, &except, change);
        }
        let mut guard = Arc::clone(lock).write_owned().await;
        let Change { value, outgoing } = change(&mut guard.state).into_change();
        if outgoing.is_empty() {
            return Ok(value);
        }
        let outgoing = outgoing.into_iter().map(|event| event.except(&except)).collect();
        let turn = Arc::new(Self {
            lock: Arc::clone(lock),
            guard: Mutex::new(guard),
            queue: Mutex::new(Queue { outgoing, ..Queue::default() }),
        });
        match RunToEnd::new(turn.emit(pipeline.clone())).await {
            Ok(()) => Ok(value),
            Err(error) => Err(ChangeError::new(value, error)),
        }
    }

    /// Finds the turn at this lock that the running code is called by.
    fn current(lock: &Arc<RwLock<Shared<S>>>) -> Option<Arc<Self>> {
        let turns = TURNS.try_with(Vec::clone).ok()?;
        let turns = turns.into_iter().filter_map(|turn| turn.upgrade());
        let mut turns = turns.filter_map(|turn| turn.downcast::<Self>().ok());
        turns.find(|turn| Arc::ptr_eq(&turn.lock, lock))
    }

    /// Returns the queue, unless the turn is over.
    fn unfinished(&self) -> Option<MutexGuard<'_, Queue>> {
        Some(self.queue.lock()).filter(|queue| !queue.finished)
    }

    fn join<C, K>(
        &self,
        mut queue: MutexGuard<'_, Queue>,
        except: &[ConnectionId],
        change: impl FnOnce(&mut S) -> C,
    ) -> Result<C::Value, ChangeError<C::Value>>
    where
        C: IntoChange<K>,
    {
        let Change { value, outgoing } = change(&mut self.guard.lock().state).into_change();
        queue.joined += 1;
        if queue.joined > MAX_JOINED && !outgoing.is_empty() {
            drop(queue);
            let error = EmitError::new(None, EmitErrorKind::TooManyChanges);
            error.log();
            return Err(ChangeError::new(value, error));
        }
        queue.outgoing.extend(outgoing.into_iter().map(|event| event.except(except)));
        Ok(value)
    }

    /// Emits all events in order, and returns the first error.
    async fn emit(self: Arc<Self>, pipeline: Pipeline) -> Result<(), EmitError> {
        let mut turns = TURNS.try_with(Vec::clone).unwrap_or_default();
        let this: Weak<Self> = Arc::downgrade(&self);
        turns.push(this);
        let emitting = async move {
            let mut outcome = Ok(());
            while let Some(event) = self.next() {
                let emitted = pipeline.emit(event).await;
                self.note(emitted.as_ref().map_or_else(EmitError::emitted, Some));
                outcome = outcome.and(emitted.map(drop));
            }
            outcome
        };
        TURNS.scope(turns, emitting).await
    }

    /// Takes the next event. The turn is over if there is none.
    fn next(&self) -> Option<Outgoing> {
        let mut queue = self.queue.lock();
        let next = queue.outgoing.pop_front();
        queue.finished = next.is_none();
        next
    }

    fn note(&self, emitted: Option<&Emitted>) {
        let receipt = emitted.and_then(|emitted| emitted.receipt);
        if let Some(receipt) = receipt.filter(|receipt| receipt.reach == Reach::Everywhere) {
            self.guard.lock().note(receipt);
        }
    }
}

/// Reads the state and the cursor of the same moment.
pub(super) async fn read<S: Send + Sync + 'static, R>(
    lock: &Arc<RwLock<Shared<S>>>,
    hub: &Hub,
    read: impl FnOnce(&S) -> R,
) -> (R, EventId) {
    if let Some(turn) = Turn::current(lock) {
        let shared = turn.guard.lock();
        return (read(&shared.state), shared.cursor(hub));
    }
    let shared = lock.read().await;
    (read(&shared.state), shared.cursor(hub))
}
