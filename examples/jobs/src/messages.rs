//! The events of a job, and the updates of open pages.
//!
//! A message replaces pieces of the page (the blocks of `templates/job.html`) whole, by their ids.
//! So it may come twice, or be skipped for a newer one of its kind, and the page ends up right all
//! the same. The same bytes serve htmx 2 and htmx 4.

use askama::Template;
use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;
use sse_kit::htmx::{ElementId, Html, HtmlBlock, HtmlTemplate, MessageFormat, TextError, Update};
use sse_kit::{BoxError, EventData, Hub, SseKit};

use crate::amounts::{Count, Time};
use crate::job::{Job, JobId, Stage, State};

/// Returns the topic of the pages.
pub(crate) fn topic() -> Topic {
    "jobs".parse().expect("a word is a topic")
}

/// Logs what happens to jobs, and shows it on the pages.
pub(crate) fn kit<S: Send + Sync + 'static>(hub: Hub, state: S) -> SseKit<S> {
    let kit = SseKit::with_state(hub, state).message_format(MessageFormat::Both).topic(|_| topic());
    kit.dispatcher().on_event(|Changed(job): Changed| {
        tracing::info!(job = %job.id, folder = %job.folder, state = job.state.name());
    });
    show(&kit);
    kit
}

fn show<S: Send + Sync + 'static>(kit: &SseKit<S>) {
    // Not "insert this job": that would insert it twice when it comes twice, as it may when a page
    // resumes from a moment before it was rendered. And each holds one job whole, which none that
    // is newer does.
    kit.on(|added: Added| -> Result<_, BoxError> {
        Ok(Update::replace("jobs".parse()?, &added)?.cumulative())
    });

    kit.on(|Changed(job)| -> Result<_, BoxError> {
        let pieces = Pieces { job: &job };
        let card = Update::replace(piece(job.id, "")?, &HtmlBlock(pieces.as_card()))?;
        Ok((card, pieces.unreadable()?))
    });

    // By itself, so that what changes the same pieces is always skipped for the newest.
    kit.on(|Ended(job)| -> Result<_, BoxError> {
        let end = Html::text(format!("Job {}: {}", job.id, job.state.label()));
        Ok(Update::fill("announcement".parse()?, &end)?)
    });

    // This comes many times a second, so it leaves alone what somebody may be pointing at or
    // reading.
    kit.on(|Progressed(job)| -> Result<_, BoxError> {
        Ok(Update::replace(piece(job.id, "-bar")?, &HtmlBlock(Pieces { job: &job }.as_bar()))?)
    });

    kit.on(|Unreadable(job)| Pieces { job: &job }.unreadable());
}

/// There is a new job, and there are no others than these.
#[derive(Debug, Serialize, Deserialize, Template)]
#[template(path = "added.html")]
pub(crate) struct Added {
    pub(crate) job: Job,
    /// The newest first.
    pub(crate) others: Vec<JobId>,
}

impl HtmlTemplate for Added {}

impl EventData for Added {
    const TYPE: &'static str = "job:added";
}

/// A job is in another state.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed(pub(crate) Job);

impl EventData for Changed {
    const TYPE: &'static str = "job:changed";
}

/// The end of a job, which a screen reader announces.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ended(pub(crate) Job);

impl EventData for Ended {
    const TYPE: &'static str = "job:ended";
}

/// A job has come further.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Progressed(pub(crate) Job);

impl EventData for Progressed {
    const TYPE: &'static str = "job:progressed";
}

/// More files of a job could not be read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Unreadable(pub(crate) Job);

impl EventData for Unreadable {
    const TYPE: &'static str = "job:unreadable";
}

/// A job, whose pieces can be rendered each by itself.
#[derive(Debug, Template)]
#[template(path = "job.html", blocks = ["card", "bar", "error_count", "error_list"])]
struct Pieces<'a> {
    job: &'a Job,
}

impl Pieces<'_> {
    /// Returns the updates of the list of unreadable files, which stands in two places.
    fn unreadable(&self) -> Result<[Update; 2], BoxError> {
        let id = self.job.id;
        Ok([
            Update::replace(piece(id, "-error-count")?, &HtmlBlock(self.as_error_count()))?,
            Update::replace(piece(id, "-error-list")?, &HtmlBlock(self.as_error_list()))?,
        ])
    }
}

fn piece(job: JobId, piece: &str) -> Result<ElementId, TextError> {
    format!("job-{job}{piece}").parse()
}
