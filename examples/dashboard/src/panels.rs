//! The events, and the updates of open pages. The same bytes serve htmx 2 and htmx 4.

use std::fmt::Display;

use askama::Template;
use serde::{Deserialize, Serialize};
use sse_kit::event::{StaticTopic, Topic};
use sse_kit::htmx::{ElementId, Html, HtmlBlock, HtmlTemplate, MessageFormat, RenderError, Update};
use sse_kit::{EventData, Hub, SseKit};

use crate::amounts::{Decimal, Percent, Rate};
use crate::figures::{Dashboard, Disk, Figures};
use crate::series::Series;
use crate::sparkline;

/// The topic of all pages.
pub(crate) const PAGES: StaticTopic = StaticTopic::new("dashboard");

/// A second has passed; these are the figures. They always change the same places, so a page that is slow skips all
/// but the newest.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sampled(pub(crate) Figures);

impl EventData for Sampled {
    const TYPE: &'static str = "figures:sampled";
}

/// The disks look different, which is rare.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DisksChanged(pub(crate) Vec<Disk>);

impl EventData for DisksChanged {
    const TYPE: &'static str = "disks:changed";
}

/// The kit, which knows what an event changes on the pages.
pub(crate) fn kit(hub: Hub) -> SseKit<Dashboard> {
    let kit = SseKit::with_state(hub, Dashboard::default())
        .message_format(MessageFormat::Both)
        .topic(|_event| Topic::from(PAGES));
    kit.on(|Sampled(figures)| sampled(&figures));
    kit.on(|DisksChanged(disks)| {
        Update::fill(ElementId::from_static("disks"), &DiskList { disks: &disks })
    });
    kit
}

/// Fills each panel; its heading stays.
fn sampled(figures: &Figures) -> Result<[Update; 5], RenderError> {
    let panels = Panels { figures };
    Ok([
        Update::fill(ElementId::from_static("cpu"), &HtmlBlock(panels.as_cpu()))?,
        Update::fill(ElementId::from_static("memory"), &HtmlBlock(panels.as_memory()))?,
        Update::fill(ElementId::from_static("load"), &HtmlBlock(panels.as_load()))?,
        Update::fill(ElementId::from_static("received"), &HtmlBlock(panels.as_received()))?,
        Update::fill(ElementId::from_static("sent"), &HtmlBlock(panels.as_sent()))?,
    ])
}

/// The panels whose figures change every second. Each block is what fills one of them.
#[derive(Debug, Template)]
#[template(path = "panels.html", blocks = ["cpu", "memory", "load", "received", "sent"])]
pub(crate) struct Panels<'a> {
    pub(crate) figures: &'a Figures,
}

impl HtmlTemplate for Panels<'_> {}

/// The list of disks.
#[derive(Debug, Template)]
#[template(path = "disks.html")]
pub(crate) struct DiskList<'a> {
    pub(crate) disks: &'a [Disk],
}

impl HtmlTemplate for DiskList<'_> {}

/// The most cores whose figures are written out.
const WRITTEN_OUT: usize = 8;

impl Panels<'_> {
    /// Says how busy each core is, or the busiest of many.
    fn cores(&self) -> String {
        let cores = &self.figures.cores;
        match cores.len() {
            0 => "no cores are known".to_owned(),
            1 => "1 core".to_owned(),
            count @ ..=WRITTEN_OUT => format!("{count} cores: {}", self.each_core()),
            count => {
                let busiest = cores.iter().copied().flatten().reduce(f64::max);
                format!("{count} cores, the busiest {}", Percent(busiest))
            }
        }
    }

    fn core_bars(&self) -> Html {
        let cores = &self.figures.cores;
        if cores.is_empty() {
            return Html::default();
        }
        sparkline::bars(cores, format_args!("Each core: {}", self.each_core()))
    }

    fn each_core(&self) -> String {
        let cores = self.figures.cores.iter();
        cores.map(|core| Percent(*core).to_string()).collect::<Vec<_>>().join(", ")
    }

    fn longer_loads(&self) -> String {
        let [five, fifteen] = self.figures.longer_loads.map(Decimal);
        format!("{five} in 5 min, {fifteen} in 15 min")
    }

    fn cpu_line(&self) -> Html {
        sparkline::line(&self.figures.cpu, 100.0, label("Processor", &self.figures.cpu, Percent))
    }

    fn memory_line(&self) -> Html {
        sparkline::line(&self.figures.memory, 100.0, label("Memory", &self.figures.memory, Percent))
    }

    /// The top of the line is a load that keeps all cores busy, or the next whole number above what there was.
    fn load_line(&self) -> Html {
        let load = &self.figures.load;
        let cores = u32::try_from(self.figures.cores.len()).map_or(1.0, f64::from);
        let top = load.highest().unwrap_or(1.0).ceil().max(cores).max(1.0);
        sparkline::line(load, top, label("Load", load, Decimal))
    }

    fn received_line(&self) -> Html {
        let received = &self.figures.received;
        sparkline::line(received, self.top_rate(), label("Received", received, Rate))
    }

    fn sent_line(&self) -> Html {
        let sent = &self.figures.sent;
        sparkline::line(sent, self.top_rate(), label("Sent", sent, Rate))
    }

    /// The top of both lines of the network: a power of two, so that they seldom change their scale.
    fn top_rate(&self) -> f64 {
        let rates = [&self.figures.received, &self.figures.sent];
        let highest = rates.into_iter().filter_map(Series::highest).fold(1024.0, f64::max);
        highest.log2().ceil().exp2()
    }
}

/// Says what a line shows.
fn label<U: Display>(name: &str, series: &Series, unit: impl Fn(Option<f64>) -> U) -> String {
    let Some((low, high)) = series.range() else {
        return format!("{name}: nothing is known of the last two minutes");
    };
    let [now, low, high] = [series.newest(), Some(low), Some(high)].map(unit);
    format!("{name}: {now} now, {low} to {high} in the last two minutes")
}
