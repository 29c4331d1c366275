//! The page.

use std::path::Path;
use std::time::Duration;

use askama::Template;
use sse_kit::event::EventId;
use sse_kit::htmx::{Attributes, Connect, Dialect, PageScripts};
use sse_kit::monitor::{MonitorConfig, Overlay};

use crate::amounts::{Count, Time};
use crate::job::{Job, Stage, State};

/// The page, as it is at one moment.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) scripts: PageScripts,
    pub(crate) connection: Attributes,
    pub(crate) monitor: MonitorConfig,
    /// The folder that the form proposes.
    pub(crate) folder: &'a Path,
    /// The reason why the last form was refused.
    pub(crate) refusal: &'a str,
    pub(crate) jobs: &'a [Job],
}

/// The answer of the form to htmx, which puts it into the page; the job itself comes by the stream.
#[derive(Debug, Template)]
#[template(path = "refusal.html")]
pub(crate) struct RefusalMessage<'a> {
    pub(crate) refusal: &'a str,
}

/// Returns the settings of the monitor of the stream: a page that loses it reconnects soon.
pub(crate) fn monitor(overlay: Overlay) -> MonitorConfig {
    MonitorConfig::new().reconnect_delay(Duration::from_secs(1)).overlay(overlay)
}

/// Returns the attributes by which the page follows everything that happens after `cursor`.
pub(crate) fn connection(dialect: Dialect, cursor: EventId) -> Attributes {
    let events = "/events".parse().expect("it is a path");
    let connect = Connect::new(events).out_of_band().resume_from(cursor);
    connect.attributes(dialect).expect("both can do this")
}
