//! The page.

use askama::Template;
use sse_kit_htmx::{
    Attributes, Connect, Dialect, Endpoint, Html, HtmlTemplate, PageScripts, RenderError,
};
use sse_kit_monitor::{MonitorConfig, OnGap};

use crate::files::Files;
use crate::filter::View;
use crate::links::Links;
use crate::sections::{PageSource, Sections};

/// The page, as it is at one moment.
#[derive(Debug, Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'a> {
    links: &'a Links,
    view: &'a View,
    /// The URL of the page without a filter.
    clear: String,
    /// The URL of the page paused, or live again.
    toggle: String,
    style: String,
    scripts: PageScripts,
    connection: Attributes,
    monitor: MonitorConfig,
    sections: Sections,
    /// The outcome of what the viewer did last.
    notice: Html,
    /// The event that the viewer looks at.
    detail: Html,
    is_read_only: bool,
    has_traces: bool,
}

impl HtmlTemplate for Page<'_> {}

impl<'a> Page<'a> {
    pub(crate) async fn new(source: &'a PageSource, view: &'a View) -> Result<Self, RenderError> {
        let links = &source.links;
        Ok(Self {
            links,
            view,
            clear: view.unfiltered().at(links.page(), view.is_paused),
            toggle: view.at(links.page(), !view.is_paused),
            style: Files::style(links),
            scripts: Files::scripts(links),
            connection: connection(links, view),
            // Each stream begins with all of the page.
            monitor: MonitorConfig::new().on_gap(OnGap::Report),
            sections: Sections::render(source, view).await?,
            notice: Html::default(),
            detail: Html::default(),
            is_read_only: source.is_read_only,
            has_traces: cfg!(feature = "dispatch"),
        })
    }

    /// Returns the URL of the action, which leads back to this view.
    fn publish(&self) -> String {
        self.view.at(&self.links.publish(), self.view.is_paused)
    }

    pub(crate) fn with_notice(self, notice: Html) -> Self {
        Self { notice, ..self }
    }

    pub(crate) fn with_detail(self, detail: Html) -> Self {
        Self { detail, ..self }
    }
}

/// Returns the attributes that make the page follow its stream.
fn connection(links: &Links, view: &View) -> Attributes {
    let endpoint = Endpoint::new(&view.at(&links.live(), false)).expect("a URL of the inspector");
    let connect = Connect::new(endpoint).out_of_band();
    connect.attributes(Dialect::V4).expect("htmx 4 can do this")
}
