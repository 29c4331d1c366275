//! The parts of the page that are updated.

use std::sync::Arc;

use askama::Template;
use sse_kit_broadcast::{Hub, Stats};
use sse_kit_htmx::{ElementId, Fragment, Html, HtmlTemplate, RenderError, Update, Updates};

use crate::connections::ConnectionRows;
#[cfg(feature = "dispatch")]
use crate::dispatch::Traced;
use crate::filter::View;
use crate::links::Links;
use crate::recorder::{Happening, Recorded, Recorder};
#[cfg(feature = "dispatch")]
use crate::ring::Ring;
use crate::seen_event::SeenEvent;
use crate::text::{number, size};
use crate::topics::TopicRows;

/// The maximum number of events, and of things that happened to connections, that a page shows.
const EVENTS: usize = 50;
const HAPPENINGS: usize = 20;
#[cfg(feature = "dispatch")]
const TRACES: usize = 20;

/// The maximum number of bytes of an event's data in the list of events.
const GLIMPSE: usize = 160;

/// The source of all pages.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) hub: Hub,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) links: Links,
    pub(crate) is_read_only: bool,
}

/// The parts of the page, as they are at one moment: the id of each, and its HTML.
#[derive(Debug, Default)]
pub(crate) struct Sections(Vec<(&'static str, Html)>);

impl Sections {
    pub(crate) async fn render(subject: &Subject, view: &View) -> Result<Self, RenderError> {
        let Subject { hub, recorder, links, is_read_only } = subject;
        let topics = TopicRows::read(hub, view).await;
        let connections = ConnectionRows::read(hub, recorder, view).await;
        let stats = hub.stats();
        let is_read_only = *is_read_only;
        let (numbers, events, happenings) = {
            let recorded = recorder.recorded.lock();
            let numbers = NumbersPart::new(&stats, &recorded);
            (numbers, EventsPart::new(&recorded, view, links), HappeningsPart::new(&recorded, view))
        };
        #[cfg(feature = "dispatch")]
        let traces = TracesPart::new(&recorder.traces.lock(), view);
        Ok(Self(vec![
            ("numbers", numbers.to_html()?),
            ("events", events.to_html()?),
            ("topics", TopicsPart { topics, view, links }.to_html()?),
            ("connections", ConnectionsPart { connections, links, is_read_only }.to_html()?),
            ("happenings", happenings.to_html()?),
            #[cfg(feature = "dispatch")]
            ("traces", traces.to_html()?),
        ]))
    }

    pub(crate) fn html(&self, id: &str) -> &Html {
        let found = self.0.iter().find(|(known, _)| *known == id);
        &found.expect("the template names the parts that there are").1
    }

    /// Returns the updates of a page that shows `before`.
    pub(crate) fn changes(&self, before: &Self) -> Result<Updates, RenderError> {
        let news = self.0.iter().filter(|(id, html)| {
            !before.0.iter().any(|(known, shown)| known == id && shown == html)
        });
        let morph = |(id, html): &(&'static str, Html)| {
            let id = ElementId::new(id).expect("the ids of parts are plain");
            Update::morph(id, html)
        };
        news.map(morph).collect()
    }
}

/// The counters and the chart.
#[derive(Debug, Template)]
#[template(path = "numbers.html")]
struct NumbersPart {
    figures: Vec<(&'static str, String, bool)>,
    line: String,
    now: String,
    highest: String,
}

impl HtmlTemplate for NumbersPart {}

impl NumbersPart {
    fn new(stats: &Stats, recorded: &Recorded) -> Self {
        let rates = &recorded.rates;
        let calm = |label, value: u64| (label, number(value), false);
        let alarm = |label, value: u64| (label, number(value), value > 0);
        Self {
            figures: vec![
                ("Connections", number(stats.connections), false),
                ("Topics", number(stats.topics), false),
                calm("Published / s", rates.published()),
                calm("Delivered / s", rates.delivered()),
                ("In history", size(stats.history_bytes), false),
                calm("Opened", stats.opened),
                calm("Closed", stats.closed),
                alarm("Gaps", stats.gaps),
                alarm("Evicted", stats.evicted),
                alarm("Fell behind", stats.lagged),
            ],
            line: rates.line(),
            now: number(rates.published()),
            highest: number(rates.highest()),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "topics.html")]
struct TopicsPart<'a> {
    topics: TopicRows,
    view: &'a View,
    links: &'a Links,
}

impl HtmlTemplate for TopicsPart<'_> {}

impl TopicsPart<'_> {
    fn count(&self) -> String {
        let more = if self.topics.are_more { " or more" } else { "" };
        shown(self.topics.rows.len(), self.topics.matching) + more
    }

    /// Returns the page that shows a topic alone.
    fn link(&self, topic: &str) -> String {
        self.view.of_topic(topic).at(self.links.page(), self.view.is_paused)
    }
}

#[derive(Debug, Template)]
#[template(path = "connections.html")]
struct ConnectionsPart<'a> {
    connections: ConnectionRows,
    links: &'a Links,
    is_read_only: bool,
}

impl HtmlTemplate for ConnectionsPart<'_> {}

impl ConnectionsPart<'_> {
    fn count(&self) -> String {
        shown(self.connections.rows.len(), self.connections.matching)
    }
}

#[derive(Debug, Template)]
#[template(path = "events.html")]
struct EventsPart<'a> {
    events: Vec<Arc<SeenEvent>>,
    links: &'a Links,
    recorded: usize,
    skipped: u64,
}

impl HtmlTemplate for EventsPart<'_> {}

impl<'a> EventsPart<'a> {
    fn new(recorded: &Recorded, view: &View, links: &'a Links) -> Self {
        Self {
            events: recorded.events.shown(view, EVENTS),
            links,
            recorded: recorded.events.len(),
            skipped: recorded.events.skipped,
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "happenings.html")]
struct HappeningsPart {
    happenings: Vec<Arc<Happening>>,
    missed: u64,
}

impl HtmlTemplate for HappeningsPart {}

impl HappeningsPart {
    fn new(recorded: &Recorded, view: &View) -> Self {
        let wanted = recorded.happenings.newest_first().filter(|happening| {
            view.finds_client(&happening.connection, &happening.described)
                || view.finds([&*happening.detail, happening.kind.as_str()])
        });
        Self {
            happenings: wanted.take(HAPPENINGS).cloned().collect(),
            missed: recorded.missed_happenings,
        }
    }
}

#[cfg(feature = "dispatch")]
#[derive(Debug, Template)]
#[template(path = "traces.html")]
struct TracesPart {
    traces: Vec<Arc<Traced>>,
}

#[cfg(feature = "dispatch")]
impl HtmlTemplate for TracesPart {}

#[cfg(feature = "dispatch")]
impl TracesPart {
    fn new(traces: &Ring<Traced>, view: &View) -> Self {
        let wanted = traces
            .newest_first()
            .filter(|trace| view.finds([&*trace.event_type, &*trace.data, &*trace.outcome]));
        Self { traces: wanted.take(TRACES).cloned().collect() }
    }
}

fn shown(shown: usize, matching: usize) -> String {
    if shown == matching {
        number(shown)
    } else {
        format!("{} of {}", number(shown), number(matching))
    }
}
