//! All jobs, and telling every open page what happens to them.

use std::collections::VecDeque;
use std::error::Error;

use askama::Template;
use sse_kit::broadcast::{PublishError, SlowConsumer, SubscribeError, Subscription};
use sse_kit::event::{EventId, LastEventId, Topic};
use sse_kit::{Broadcaster, Event};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::job::{Folder, Job, JobId, State};
use crate::messages::{Added, Changed, MoreErrors, Progressed};
use crate::progress::Progress;

/// How many jobs are kept; beyond that those that have ended drop off, the oldest first.
const KEPT: usize = 200;

/// How many jobs may be queued or running.
const UNFINISHED: usize = 32;

/// All jobs. Whatever is changed here is published, and so shows on every page.
#[derive(Debug)]
pub(crate) struct Board {
    hub: Broadcaster,
    topic: Topic,
    /// Held while a change is published, so that messages come in the order of the changes, and so
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
        let topic = "jobs".parse().expect("a word is a topic");
        let jobs = Jobs { newest_first: VecDeque::new(), next: JobId::FIRST };
        Self { hub, topic, jobs: Mutex::new(jobs) }
    }

    pub(crate) async fn snapshot(&self) -> Snapshot {
        let jobs = self.jobs.lock().await;
        // The cursor first, then the state. Under this lock it makes no difference, but this is the
        // order that is right without one.
        let cursor = self.hub.cursor();
        let newest_first = jobs.newest_first.iter().map(|entry| entry.job.clone()).collect();
        Snapshot { cursor, newest_first }
    }

    /// Everything that changes after what a page has seen. A page that cannot keep up skips what is
    /// out of date: of each part of a job it is told only the newest.
    pub(crate) fn watch(&self, seen: Option<LastEventId>) -> Result<Subscription, SubscribeError> {
        let subscribe = self.hub.subscribe(&self.topic);
        subscribe.resume(seen).slow_consumer(SlowConsumer::Conflate).open()
    }

    /// Adds a job, which is queued. The token is cancelled when the job is to stop.
    pub(crate) async fn add(&self, folder: Folder) -> Result<(JobId, CancellationToken), Full> {
        let mut jobs = self.jobs.lock().await;
        if jobs.unfinished() >= UNFINISHED {
            return Err(Full);
        }
        let (id, cancel) = jobs.add(folder);
        let all = jobs.newest_first.iter().map(|entry| &entry.job);
        // Without a key, so that it is never skipped for a newer one: each holds one job whole.
        self.publish(Added { jobs: all.collect() }, None).await;
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
        if let Some(job) = jobs.job(id) {
            job.progress = progress;
            job.enter(state);
            self.publish(Changed { job }, Some(format!("job-{id}"))).await;
        }
    }

    /// Each part of a job that is told by itself has a key of its own: for a page that lags the
    /// newest of each is enough, and each is whole.
    pub(crate) async fn progress(&self, id: JobId, progress: Progress) {
        let mut jobs = self.jobs.lock().await;
        if let Some(job) = jobs.job(id) {
            let more_errors = progress.errors != job.progress.errors;
            job.progress = progress;
            self.publish(Progressed { job }, Some(format!("job-{id}-bar"))).await;
            if more_errors {
                self.publish(MoreErrors { job }, Some(format!("job-{id}-errors"))).await;
            }
        }
    }

    /// How many jobs there are, and how many of them have not ended.
    pub(crate) async fn count(&self) -> (usize, usize) {
        let jobs = self.jobs.lock().await;
        (jobs.newest_first.len(), jobs.unfinished())
    }

    /// When it fails, the state is right all the same, and so is every page that is loaded later.
    async fn publish(&self, message: impl Template, key: Option<String>) {
        let event = match event(&message, key) {
            Ok(event) => event,
            Err(error) => return tracing::error!(error = &*error, "a message cannot be made"),
        };
        match self.hub.publish(&self.topic, event).await {
            // Closed: the server is stopping, and the pages know.
            Ok(_) | Err(PublishError::Closed) => {}
            Err(error) => tracing::warn!(%error, "open pages were not told of a change"),
        }
    }
}

fn event(message: &impl Template, key: Option<String>) -> Result<Event, Box<dyn Error>> {
    let event = Event::new(message.render()?);
    Ok(match key {
        Some(key) => event.keyed(key.parse()?),
        None => event,
    })
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
        let entry = Entry { job: Job::new(id, folder), cancel: cancel.clone() };
        self.newest_first.push_front(entry);
        (id, cancel)
    }

    fn job(&mut self, id: JobId) -> Option<&mut Job> {
        self.newest_first.iter_mut().map(|entry| &mut entry.job).find(|job| job.id == id)
    }

    fn unfinished(&self) -> usize {
        self.newest_first.iter().filter(|entry| !entry.has_ended()).count()
    }
}

impl Entry {
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
