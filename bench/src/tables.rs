//! Markdown tables of medians, with ratios to the peer that does nothing but the writes.

use std::fmt::Write as _;

use super::figures::{Figures, Row, Traffic};
use super::load::{Load, MessageFormat};
use super::peer::Peer;
use super::scenario::Scenario;
use super::{described, name};

/// A figure as it is shown.
struct Column {
    title: &'static str,
    decimals: usize,
    of_rows: Summary,
    figure: fn(&Figures) -> Option<f64>,
}

/// The way in which repetitions become one figure.
#[derive(Clone, Copy)]
enum Summary {
    /// The median, and its ratio to that of the raw loop.
    Compared,
    /// The median alone: the raw loop has next to nothing, and a ratio to that says nothing.
    Median,
    /// The greatest: one lost event is one too many.
    Greatest,
}

const COLUMNS: &[Column] = &[
    Column {
        title: "CPU µs per delivery",
        decimals: 2,
        of_rows: Summary::Compared,
        figure: |figures| Some(traffic(figures)?.cpu_micros_per_delivery),
    },
    Column {
        title: "deliveries/s",
        decimals: 0,
        of_rows: Summary::Compared,
        figure: |figures| Some(traffic(figures)?.deliveries_per_second),
    },
    Column {
        title: "p50 µs",
        decimals: 0,
        of_rows: Summary::Compared,
        figure: |figures| Some(traffic(figures)?.p50_micros.into()),
    },
    Column {
        title: "p99 µs",
        decimals: 0,
        of_rows: Summary::Compared,
        figure: |figures| Some(traffic(figures)?.p99_micros.into()),
    },
    Column {
        title: "bytes per delivery",
        decimals: 0,
        of_rows: Summary::Median,
        figure: |figures| Some(traffic(figures)?.bytes_per_delivery),
    },
    Column {
        title: "connections/s",
        decimals: 0,
        of_rows: Summary::Compared,
        figure: |figures| Some(figures.churn.as_ref()?.connections_per_second),
    },
    Column {
        title: "CPU µs per connection",
        decimals: 1,
        of_rows: Summary::Compared,
        figure: |figures| Some(figures.churn.as_ref()?.cpu_micros_per_connection),
    },
    Column {
        title: "MiB more after them",
        decimals: 1,
        of_rows: Summary::Median,
        figure: |figures| Some(figures.churn.as_ref()?.memory_growth_kib / 1024.0),
    },
    Column {
        title: "files left",
        decimals: 0,
        of_rows: Summary::Greatest,
        figure: |figures| Some(figures.churn.as_ref()?.descriptors_left.into()),
    },
    Column {
        title: "KiB per idle connection",
        decimals: 2,
        of_rows: Summary::Median,
        figure: |figures| figures.kib_per_idle_connection,
    },
    Column {
        title: "MiB more for slow clients",
        decimals: 1,
        of_rows: Summary::Median,
        figure: |figures| Some(figures.slow.as_ref()?.memory_growth_kib / 1024.0),
    },
    Column {
        title: "lost",
        decimals: 0,
        of_rows: Summary::Greatest,
        figure: |figures| Some(traffic(figures)?.lost.into()),
    },
    Column {
        title: "twice",
        decimals: 0,
        of_rows: Summary::Greatest,
        figure: |figures| Some(traffic(figures)?.twice.into()),
    },
    Column {
        title: "disturbed %",
        decimals: 1,
        of_rows: Summary::Greatest,
        figure: |figures| {
            let has_time = figures.traffic.is_some() || figures.churn.is_some();
            has_time.then(|| figures.disturbed_percent())
        },
    },
];

fn traffic(figures: &Figures) -> Option<&Traffic> {
    figures.traffic.as_ref()
}

/// Writes the table of one scenario. A missing peer is marked as missing; one that could not be
/// measured has an empty line.
pub(super) fn table(
    scenario: Scenario,
    load: &Load,
    peers: &[Peer],
    missing: impl Fn(Peer) -> bool,
    rows: &[Row],
) -> String {
    let of = |peer: Peer| -> Vec<&Figures> {
        let is_of = |row: &&Row| row.scenario == scenario && row.peer == peer;
        rows.iter().filter(is_of).map(|row| &row.figures).collect()
    };
    let all: Vec<&Figures> = peers.iter().flat_map(|&peer| of(peer)).collect();
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| column.summary(&all).is_some()).collect();

    let titles = columns.iter().map(|column| column.title.to_owned());
    let mut lines = vec![std::iter::once("peer".to_owned()).chain(titles).collect()];
    for &peer in peers {
        let (figures, raw) = (of(peer), of(Peer::Epoll));
        let cells = columns.iter().map(|column| column.cell(&figures, &raw));
        let name = name(&peer) + if missing(peer) { " (missing)" } else { "" };
        lines.push(std::iter::once(name).chain(cells).collect::<Vec<_>>());
    }
    format!("{}\n\n{}", heading(scenario, load), markdown(&lines))
}

fn heading(scenario: Scenario, load: &Load) -> String {
    let described = described(&scenario);
    let help = described.get_help().map(ToString::to_string).unwrap_or_default();
    let of = match load.shape {
        MessageFormat::Churn => format!("{} connections", number(load.cycles.into(), 0)),
        MessageFormat::Idle => format!("{} connections", number(load.connections.into(), 0)),
        MessageFormat::FanOut | MessageFormat::Slow => {
            format!("{} connections, {} B", number(load.connections.into(), 0), load.payload)
        }
    };
    format!("### {}\n\n{help}. {of}.", name(&scenario))
}

impl Column {
    fn summary(&self, figures: &[&Figures]) -> Option<f64> {
        let mut values: Vec<f64> = figures.iter().copied().filter_map(self.figure).collect();
        values.sort_by(f64::total_cmp);
        match self.of_rows {
            Summary::Compared | Summary::Median => median(&values),
            Summary::Greatest => values.last().copied(),
        }
    }

    fn cell(&self, figures: &[&Figures], raw: &[&Figures]) -> String {
        let Some(value) = self.summary(figures) else { return "–".to_owned() };
        let shown = number(value, self.decimals);
        match (self.of_rows, self.summary(raw)) {
            (Summary::Compared, Some(raw)) if raw > 0.0 => format!("{shown} ({:.2})", value / raw),
            _ => shown,
        }
    }
}

pub(super) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Writes a number with commas between thousands.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// Writes a table whose first column has names, and the others figures. Cells are padded, so that
/// the source can be read too.
pub(super) fn markdown(lines: &[Vec<String>]) -> String {
    let widths: Vec<usize> = (0..lines[0].len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let cell =
                if column == 0 { format!("{cell:width$}") } else { format!("{cell:>width$}") };
            write!(text, "| {cell} ").expect("a string takes all");
        }
        text.push_str("|\n");
        if index == 0 {
            for (column, width) in widths.iter().enumerate() {
                let end = if column == 0 { '-' } else { ':' };
                write!(text, "|{}{end}", "-".repeat(width + 1)).expect("a string takes all");
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    #[test]
    fn medians_are_compared_with_the_raw_loop() {
        let scenario = Scenario::Broadcast1k;
        let row = |peer, cpu, lost| Row { scenario, peer, figures: figures(cpu, 0.5, lost) };
        let rows = [
            row(Peer::Hub, 4.0, 0),
            row(Peer::Hub, 9.0, 1),
            row(Peer::Hub, 5.0, 0),
            row(Peer::Epoll, 4.0, 0),
        ];
        let peers = [Peer::Hub, Peer::Epoll, Peer::Axum];
        let missing = |peer| peer == Peer::Axum;
        let table = table(scenario, &scenario.load(), &peers, missing, &rows);
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines: Vec<String> = table.lines().map(squeezed).collect();
        assert!(lines.remove(5).starts_with("|--"), "{table}");
        let expected = [
            "### broadcast-1k",
            "",
            "One topic for all, one message at a time. 1,000 connections, 128 B.",
            "",
            "| peer | CPU µs per delivery | deliveries/s | p50 µs | p99 µs | bytes per delivery \
             | KiB per idle connection | lost | twice | disturbed % |",
            "| hub | 5.00 (1.25) | 1,234,568 (1.00) | 900 (1.00) | 1,900 (1.00) | 170 | 11.00 | 1 \
             | 0 | 0.5 |",
            "| epoll | 4.00 (1.00) | 1,234,568 (1.00) | 900 (1.00) | 1,900 (1.00) | 170 | 11.00 | 0 \
             | 0 | 0.5 |",
            "| axum (missing) | – | – | – | – | – | – | – | – | – |",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(number(0.5, 2), "0.50");
        assert_eq!(number(999.6, 0), "1,000");
        assert_eq!(number(-1_234_567.25, 1), "-1,234,567.2");
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert_eq!(median(&[]), None);
    }
}
