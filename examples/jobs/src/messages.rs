//! What happens to a job, and what that changes on every open page.
//!
//! A message replaces pieces of the page (the blocks of `templates/job.html`) whole, by their ids.
//! So it may come twice, or be skipped for a newer one of its kind, and the page ends up right all
//! the same. The same bytes serve htmx 2 and htmx 4.

use askama::Template;
use serde::{Deserialize, Serialize};
use sse_kit::event::Topic;
use sse_kit::htmx::{ElementId, Html, HtmlBlock, HtmlTemplate, MessageFormat, TextError, Update};
use sse_kit::update::{BoxError, ElementUpdater};
use sse_kit::{Hub, SseKit};

use crate::amounts::{Count, Time};
use crate::job::{Job, JobId, Stage, State};

/// There is a new job: [`Added`].
pub(crate) const ADDED: &str = "job:added";
/// A [`Job`] is in another state.
pub(crate) const CHANGED: &str = "job:changed";
/// A [`Job`] has ended, which is read out to those who do not see it.
pub(crate) const ENDED: &str = "job:ended";
/// A [`Job`] has come further.
pub(crate) const PROGRESSED: &str = "job:progressed";
/// More files of a [`Job`] could not be read.
pub(crate) const UNREADABLE: &str = "job:unreadable";

/// Where pages subscribe.
pub(crate) fn topic() -> Topic {
    "jobs".parse().expect("a word is a topic")
}

/// Logs what happens to jobs, and shows it on the pages.
pub(crate) fn kit(hub: Hub) -> SseKit {
    let kit = SseKit::new(hub).message_format(MessageFormat::Both).topic(|_| Ok(topic()));
    let log =
        |job: Job| tracing::info!(job = %job.id, folder = %job.folder, state = job.state.name());
    kit.dispatcher().on_typed(CHANGED, log).expect("it is a pattern");
    show(kit.updater());
    kit
}

fn show(updater: &ElementUpdater) {
    // Not "insert this job": that would insert it twice when it comes twice, as it may when a page
    // resumes from a moment before it was rendered. And each holds one job whole, which none that
    // is newer does.
    updater.on(ADDED, |added: Added| Ok(Update::replace("jobs".parse()?, &added)?.cumulative()));

    updater.on(CHANGED, |job: Job| {
        let pieces = Pieces { job: &job };
        let mut updates = vec![Update::replace(piece(job.id, "")?, &HtmlBlock(pieces.as_card()))?];
        updates.extend(pieces.unreadable()?);
        Ok(updates)
    });

    // By itself, so that what changes the same pieces is always skipped for the newest.
    updater.on(ENDED, |job: Job| {
        let end = Html::text(format!("Job {}: {}", job.id, job.state.label()));
        Ok(Update::fill("announcement".parse()?, &end)?)
    });

    // This comes many times a second, so it leaves alone what somebody may be pointing at or
    // reading.
    updater.on(PROGRESSED, |job: Job| {
        Ok(Update::replace(piece(job.id, "-bar")?, &HtmlBlock(Pieces { job: &job }.as_bar()))?)
    });

    updater.on(UNREADABLE, |job: Job| Pieces { job: &job }.unreadable());
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

/// A job, whose pieces can be rendered each by itself.
#[derive(Debug, Template)]
#[template(path = "job.html", blocks = ["card", "bar", "error_count", "error_list"])]
struct Pieces<'a> {
    job: &'a Job,
}

impl Pieces<'_> {
    /// What could not be read stands in two places.
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
