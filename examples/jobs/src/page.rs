//! The page.

use std::path::Path;

use askama::Template;
use sse_kit::event::EventId;

use crate::amounts::{Count, Time};
use crate::assets::{Htmx, Script};
use crate::job::{Job, Stage, State};

/// The page, as it is at one moment.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    pub(crate) htmx: Htmx,
    pub(crate) scripts: Vec<Script>,
    /// What makes all tabs listen to one connection.
    pub(crate) tabs: &'a str,
    /// The stream goes on from here.
    pub(crate) cursor: EventId,
    /// What the form proposes.
    pub(crate) folder: &'a Path,
    /// Why what was posted last is not done.
    pub(crate) refusal: &'a str,
    pub(crate) jobs: &'a [Job],
}

/// What the form says to htmx, which puts it into the page; the job itself comes by the stream.
#[derive(Debug, Template)]
#[template(path = "refusal.html")]
pub(crate) struct RefusalMessage<'a> {
    pub(crate) refusal: &'a str,
}
