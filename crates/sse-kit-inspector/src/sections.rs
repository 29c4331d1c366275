//! The parts of the page that are updated.

use std::sync::Arc;

use askama::Template;
use sse_kit_broadcast::{Hub, Stats};
use sse_kit_htmx::{ElementId, Fragment, Html, HtmlTemplate, RenderError, Update, Updates};

use crate::chart::Rates;
use crate::connections::ConnectionRows;
#[cfg(feature = "dispatch")]
use crate::dispatch::Traced;
use crate::filter::View;
use crate::links::Links;
use crate::recorder::{Recorder, SeenConnectionEvent};
use crate::renders::Renders;
use crate::seen_event::SeenEvent;
use crate::text::{number, size};
use crate::topics::TopicRows;

/// The maximum number of events, and of things that happened to connections, that a page shows.
const EVENTS: usize = 50;
const CONNECTION_EVENTS: usize = 20;
#[cfg(feature = "dispatch")]
const TRACES: usize = 20;

/// The number of records that are searched without a pause.
const BETWEEN_YIELDS: usize = 16;

/// The maximum number of bytes of an event's data in the list of events.
const PREVIEW: usize = 160;

/// The id of the part that a page may skip: it stands still while the pointer or the focus is at an action.
pub(crate) const CONNECTIONS: &str = "connections";

/// The source of all pages.
#[derive(Debug)]
pub(crate) struct PageSource {
    pub(crate) hub: Hub,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) links: Links,
    pub(crate) is_read_only: bool,
    /// The renders at one time, so that they leave room for the app.
    pub(crate) renders: Renders,
}

/// The parts of the page, as they are at one moment: the id of each, and its HTML.
#[derive(Debug, Default)]
pub(crate) struct Sections(Vec<(&'static str, Html)>);

impl Sections {
    pub(crate) async fn render(source: &PageSource, view: &View) -> Result<Self, RenderError> {
        let PageSource { hub, recorder, links, is_read_only, renders } = source;
        let _turn = renders.turn().await;
        view.begin_render();
        let topics = TopicRows::read(hub, view).await;
        let connections = ConnectionRows::read(hub, recorder, view).await;
        let stats = hub.stats();
        let is_read_only = *is_read_only;
        // Copies of pointers: a search under the lock would keep the task that records waiting.
        let (numbers, events, skipped, connection_events, missed) = {
            let recorded = recorder.recorded.lock();
            let (events, connection_events) = (&recorded.events, &recorded.connection_events);
            let numbers = NumbersPart::new(&stats, &recorded.rates);
            let all = (events.newest_first(), connection_events.newest_first());
            (numbers, all.0, events.skipped, all.1, connection_events.skipped)
        };
        let recorded = events.len();
        let events = found(events, EVENTS, |event| view.shows(event)).await;
        let events = EventsPart { events, view, links, recorded, skipped };
        let connection_events =
            found(connection_events, CONNECTION_EVENTS, |one| view.shows_connection_event(one))
                .await;
        let connection_events = ConnectionEventsPart { connection_events, missed };
        #[cfg(feature = "dispatch")]
        let traces = {
            let trace = |(_, trace): (u64, &Arc<Traced>)| Arc::clone(trace);
            let traces: Vec<_> = recorder.traces.lock().numbered().rev().map(trace).collect();
            TracesPart { traces: found(traces, TRACES, |trace| view.shows_trace(trace)).await }
        };
        Ok(Self(vec![
            ("numbers", numbers.to_html()?),
            ("events", events.to_html()?),
            ("topics", TopicsPart { topics, view, links }.to_html()?),
            (CONNECTIONS, ConnectionsPart { connections, view, links, is_read_only }.to_html()?),
            ("connection-events", connection_events.to_html()?),
            #[cfg(feature = "dispatch")]
            ("traces", traces.to_html()?),
        ]))
    }

    pub(crate) fn html(&self, id: &str) -> &Html {
        self.part(id).expect("the template names the parts that there are")
    }

    fn part(&self, id: &str) -> Option<&Html> {
        self.0.iter().find(|(known, _)| *known == id).map(|(_, html)| html)
    }

    /// Returns the updates of a page that shows `before`, with the connections if they are to be `repeated`.
    pub(crate) fn changes(&self, before: &Self, repeated: bool) -> Result<Updates, RenderError> {
        let news = self
            .0
            .iter()
            .filter(|(id, _)| (repeated && *id == CONNECTIONS) || self.changed(before, id));
        let morph = |(id, html): &(&'static str, Html)| {
            let id = ElementId::new(id).expect("the ids of parts are plain");
            Update::morph(id, html)
        };
        news.map(morph).collect()
    }

    /// Returns `true` if a part is another one than before.
    pub(crate) fn changed(&self, before: &Self, id: &str) -> bool {
        self.part(id) != before.part(id)
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
    fn new(stats: &Stats, rates: &Rates) -> Self {
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
    view: &'a View,
    links: &'a Links,
    is_read_only: bool,
}

impl HtmlTemplate for ConnectionsPart<'_> {}

impl ConnectionsPart<'_> {
    fn count(&self) -> String {
        shown(self.connections.rows.len(), self.connections.matching)
    }

    /// Returns the URL of the action, which leads back to this view.
    fn disconnect(&self) -> String {
        self.view.at(&self.links.disconnect(), self.view.is_paused)
    }
}

#[derive(Debug, Template)]
#[template(path = "events.html")]
struct EventsPart<'a> {
    events: Vec<Arc<SeenEvent>>,
    view: &'a View,
    links: &'a Links,
    recorded: usize,
    skipped: u64,
}

impl HtmlTemplate for EventsPart<'_> {}

impl EventsPart<'_> {
    /// Returns the page of an event, which leads back to this view.
    fn link(&self, number: u64) -> String {
        self.view.at(&self.links.event(number), self.view.is_paused)
    }
}

#[derive(Debug, Template)]
#[template(path = "connection-events.html")]
struct ConnectionEventsPart {
    connection_events: Vec<Arc<SeenConnectionEvent>>,
    missed: u64,
}

impl HtmlTemplate for ConnectionEventsPart {}

#[cfg(feature = "dispatch")]
#[derive(Debug, Template)]
#[template(path = "traces.html")]
struct TracesPart {
    traces: Vec<Arc<Traced>>,
}

#[cfg(feature = "dispatch")]
impl HtmlTemplate for TracesPart {}

/// Returns the first of these that are wanted. It yields now and then, as a search may be long.
async fn found<T>(all: Vec<Arc<T>>, limit: usize, wants: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
    let mut found = Vec::new();
    for (number, one) in all.into_iter().enumerate() {
        if number % BETWEEN_YIELDS == BETWEEN_YIELDS - 1 {
            tokio::task::yield_now().await;
        }
        if wants(&one) {
            found.push(one);
            if found.len() == limit {
                break;
            }
        }
    }
    found
}

fn shown(shown: usize, matching: usize) -> String {
    if shown == matching {
        number(shown)
    } else {
        format!("{} of {}", number(shown), number(matching))
    }
}
