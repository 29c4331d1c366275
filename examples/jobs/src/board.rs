//! All jobs, and telling every open page what happens to them.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Instant;

use serde::Serialize;
use sse_kit::broadcast::{SlowConsumer, SubscribeError, Subscription};
use sse_kit::event::{EventId, LastEventId};
use sse_kit::{Broadcaster, DomainEvent, SseKit};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::job::{Folder, Job, JobId, State};
use crate::messages::{self, ADDED, Added, CHANGED, ENDED, PROGRESSED, UNREADABLE};
use crate::progress::Progress;

/// How many jobs are kept; beyond that those that have ended drop off, the oldest first.
const KEPT: usize = 200;

/// How many jobs may be queued or running.
const UNFINISHED: usize = 32;

/// All jobs. Whatever is changed here is emitted, and so shows on every page.
#[derive(Debug)]
pub(crate) struct Board {
    kit: SseKit,
    /// Held while a change is emitted, so that messages come in the order of the changes, and so
    /// that what a page shows and its cursor belong to the same moment.
    jobs: Mutex<Jobs>,
}

#[derive(Debug)]
struct Jobs {
    newest_first: VecDeque<Entry>,
    next: JobId,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    started: Option<Instant>,
    cancel: CancellationToken,
}

/// What a page shows, and from where on the stream tells what it does not show yet.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) cursor: EventId,
    pub(crate) newest_first: Vec<Job>,
}

impl Board {
    pub(crate) fn new(hub: Broadcaster) -> Self {
        let jobs = Jobs { newest_first: VecDeque::new(), next: JobId::FIRST };
        Self { kit: messages::kit(hub), jobs: Mutex::new(jobs) }
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let jobs = self.jobs.lock().await;
        // The cursor first, then the state. Under this lock it makes no difference, but this is the
        // order that is right without one.
        let cursor = self.kit.broadcaster().cursor();
        let newest_first = jobs.newest_first.iter().map(Entry::now).collect();
        Snapshot { cursor, newest_first }
    }

    /// Everything that changes after what a page has seen. A page that cannot keep up skips what is
    /// out of date: of each part of a job it is told only the newest.
    pub(crate) fn watch(&self, seen: Option<LastEventId>) -> Result<Subscription, SubscribeError> {
        let subscribe = self.kit.broadcaster().subscribe(messages::topic());
        subscribe.resume(seen).slow_consumer(SlowConsumer::Conflate).open()
    }

    /// Adds a job, which is queued. The token is cancelled when the job is to stop.
    pub(crate) async fn add(&self, folder: Folder) -> Result<(JobId, CancellationToken), Full> {
        let mut jobs = self.jobs.lock().await;
        if jobs.unfinished() >= UNFINISHED {
            return Err(Full);
        }
        let (id, cancel) = jobs.add(folder);
        let mut all = jobs.newest_first.iter();
        if let Some(newest) = all.next() {
            let others = all.map(|entry| entry.job.id).collect();
            self.emit(ADDED, &Added { job: newest.now(), others }).await;
        }
        Ok((id, cancel))
    }

    /// Tells a job to stop. It is [`State::Cancelled`] once it has.
    pub(crate) async fn cancel(&self, id: JobId) -> Result<(), NoSuchJob> {
        let jobs = self.jobs.lock().await;
        jobs.newest_first.iter().find(|entry| entry.job.id == id).ok_or(NoSuchJob)?.cancel.cancel();
        Ok(())
    }

    pub(crate) async fn cancel_all(&self) {
        self.jobs.lock().await.newest_first.iter().for_each(|entry| entry.cancel.cancel());
    }

    pub(crate) async fn enter(&self, id: JobId, state: State, progress: Progress) {
        let mut jobs = self.jobs.lock().await;
        if let Some(entry) = jobs.entry(id) {
            entry.enter(state, progress);
            self.emit(CHANGED, &entry.job).await;
            if entry.has_ended() {
                self.emit(ENDED, &entry.job).await;
            }
        }
    }

    pub(crate) async fn progress(&self, id: JobId, progress: Progress) {
        let mut jobs = self.jobs.lock().await;
        if let Some(entry) = jobs.entry(id) {
            let more_errors = progress.errors != entry.job.progress.errors;
            entry.job.progress = progress;
            let job = entry.now();
            self.emit(PROGRESSED, &job).await;
            if more_errors {
                self.emit(UNREADABLE, &job).await;
            }
        }
    }

    /// How many jobs there are, and how many of them have not ended.
    pub(crate) async fn count(&self) -> (usize, usize) {
        let jobs = self.jobs.lock().await;
        (jobs.newest_first.len(), jobs.unfinished())
    }

    /// When it fails, the state is right all the same, and so is every page that is loaded later.
    async fn emit(&self, event_type: &str, data: &impl Serialize) {
        let event = match DomainEvent::new(event_type, data) {
            Ok(event) => event,
            Err(error) => return tracing::error!(error = &error as &dyn Error, "no event"),
        };
        match self.kit.emit(event).await {
            Ok(emitted) => {
                for error in emitted.errors() {
                    tracing::error!(error = error as &dyn Error, "open pages lack something");
                }
            }
            // The server is stopping, and the pages know.
            Err(_) if self.kit.broadcaster().is_shut_down() => {}
            Err(error) => tracing::warn!(error = &error as &dyn Error, "open pages were not told"),
        }
    }
}

impl Jobs {
    fn add(&mut self, folder: Folder) -> (JobId, CancellationToken) {
        let id = self.next;
        self.next = id.next();
        if self.newest_first.len() >= KEPT
            && let Some(oldest) = self.newest_first.iter().rposition(Entry::has_ended)
        {
            self.newest_first.remove(oldest);
        }
        let cancel = CancellationToken::new();
        let entry = Entry { job: Job::new(id, folder), started: None, cancel: cancel.clone() };
        self.newest_first.push_front(entry);
        (id, cancel)
    }

    fn entry(&mut self, id: JobId) -> Option<&mut Entry> {
        self.newest_first.iter_mut().find(|entry| entry.job.id == id)
    }

    fn unfinished(&self) -> usize {
        self.newest_first.iter().filter(|entry| !entry.has_ended()).count()
    }
}

impl Entry {
    fn enter(&mut self, state: State, progress: Progress) {
        if state == State::Running {
            self.started = Some(Instant::now());
        }
        self.job = Job { progress, ..self.now() };
        self.job.state = state;
    }

    /// The job as it is now.
    fn now(&self) -> Job {
        let mut job = self.job.clone();
        if let (State::Running, Some(started)) = (&job.state, self.started) {
            job.elapsed = started.elapsed();
        }
        job
    }

    fn has_ended(&self) -> bool {
        self.job.state.has_ended()
    }
}

/// The message is read on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{UNFINISHED} jobs are waiting or running. Wait for one to end, or cancel one.")]
pub(crate) struct Full;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("There is no such job any more.")]
pub(crate) struct NoSuchJob;

#[cfg(test)]
mod tests;
