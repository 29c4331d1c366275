//! The messages that keep open pages up to date.
//!
//! A message replaces pieces of the page (`templates/job.html`) whole, by their ids, out of band. So
//! it may come twice, or be skipped for a newer one of its kind, and the page ends up right all the
//! same. Messages are unnamed, and the same bytes serve htmx 2 and htmx 4.

use askama::Template;

use crate::amounts::{Count, Time};
use crate::job::{Job, Stage, State};

/// Makes a piece a message.
const OOB: &str = " hx-swap-oob=\"true\"";

/// There is a new job, and there are no others than these.
///
/// Not "insert this job": that would insert it twice when it comes twice, as it may when a page
/// resumes from a moment before it was rendered. The message holds the new job whole and the others
/// by id alone; `hx-preserve` puts those in their places that the page has already, with their
/// focus and all. That also removes the jobs that are not kept any longer.
#[derive(Debug, Template)]
#[template(path = "added.html")]
pub(crate) struct Added<'a> {
    /// The newest first.
    pub(crate) jobs: Vec<&'a Job>,
}

/// A job is in another state.
#[derive(Debug, Template)]
#[template(path = "changed.html")]
pub(crate) struct Changed<'a> {
    pub(crate) job: &'a Job,
}

/// A job has come further. This comes many times a second, so it leaves alone what somebody may be
/// pointing at or reading.
#[derive(Debug, Template)]
#[template(path = "progressed.html")]
pub(crate) struct Progressed<'a> {
    pub(crate) job: &'a Job,
}

/// More files of a job could not be read.
#[derive(Debug, Template)]
#[template(path = "errors.html")]
pub(crate) struct MoreErrors<'a> {
    pub(crate) job: &'a Job,
}
