//! Markdown tables of medians, with ratios to the peer that does nothing but the writes.

use std::fmt::Write as _;

use super::figures::{Churn, Figures, Row, Traffic};
use super::load::{Load, Shape};
use super::name;
use super::peer::Peer;
use super::scenario::Scenario;
use super::spread::{Measured, Spread};
use crate::digits::grouped;

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
    /// The median with its spread, and the ratio to the raw loop in the same repetition.
    Compared,
    /// The median with its spread: the raw loop has next to nothing, and a ratio to that says nothing.
    Median,
    /// The greatest: one lost event is one too many.
    Greatest,
}

const COLUMNS: &[Column] = &[
    Column { title: "CPU µs per delivery", decimals: 2, of_rows: Summary::Compared, figure: cpu },
    Column {
        title: "deliveries/s",
        decimals: 0,
        of_rows: Summary::Compared,
        figure: deliveries_per_second,
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
        figure: |figures| Some(churn(figures)?.connections_per_second),
    },
    Column {
        title: "CPU µs per connection",
        decimals: 1,
        of_rows: Summary::Compared,
        figure: |figures| Some(churn(figures)?.cpu_micros_per_connection),
    },
    Column {
        title: "MiB more after them",
        decimals: 1,
        of_rows: Summary::Median,
        figure: |figures| Some(churn(figures)?.memory_growth_kib / 1024.0),
    },
    Column {
        title: "files left",
        decimals: 0,
        of_rows: Summary::Greatest,
        figure: |figures| Some(churn(figures)?.descriptors_left.into()),
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

pub(super) fn churn(figures: &Figures) -> Option<&Churn> {
    figures.churn.as_ref()
}

pub(super) fn cpu(figures: &Figures) -> Option<f64> {
    Some(traffic(figures)?.cpu_micros_per_delivery)
}

pub(super) fn deliveries_per_second(figures: &Figures) -> Option<f64> {
    Some(traffic(figures)?.deliveries_per_second)
}

pub(super) fn p99_millis(figures: &Figures) -> Option<f64> {
    Some(f64::from(traffic(figures)?.p99_micros) / 1_000.0)
}

/// The explanation of the tables.
pub(super) const LEGEND: &str = "\
Medians, in brackets the quartiles of the repetitions (of fewer than five, the extremes). `1.25×` is the \
median ratio to `epoll` in the same repetition; `=` stands where such ratios differ from each other by as \
much as from 1, so that no difference is shown, and for a single repetition, which shows none.";

/// Writes the table of one scenario, and its aims. A missing peer is marked as missing; one that could not be
/// measured has an empty line.
pub(super) fn table(
    scenario: Scenario,
    load: &Load,
    peers: &[Peer],
    missing: impl Fn(Peer) -> bool,
    rows: &[Row],
) -> String {
    let of = |peer: Peer| -> Vec<&Row> {
        rows.iter().filter(|row| row.scenario == scenario && row.peer == peer).collect()
    };
    let all: Vec<&Row> = peers.iter().flat_map(|&peer| of(peer)).collect();
    let columns: Vec<&Column> =
        COLUMNS.iter().filter(|column| !column.measured(&all).is_empty()).collect();

    let titles = columns.iter().map(|column| column.title.to_owned());
    let mut lines = vec![std::iter::once("peer".to_owned()).chain(titles).collect()];
    for &peer in peers {
        let (own, raw) = (of(peer), of(Peer::Epoll));
        let cells = columns.iter().map(|column| match peer {
            Peer::Epoll => column.cell(&own, &[]),
            _ => column.cell(&own, &raw),
        });
        let name = name(&peer) + if missing(peer) { " (missing)" } else { "" };
        lines.push(std::iter::once(name).chain(cells).collect::<Vec<_>>());
    }
    let figures = |peer| of(peer).iter().map(|row| (row.repetition, row.figures.clone())).collect();
    let aims: Vec<String> = scenario.aims().iter().filter_map(|aim| aim.line(figures)).collect();
    let mut text = format!("{}\n\n{}", heading(scenario, load), markdown(&lines));
    if !aims.is_empty() {
        write!(text, "\n{}\n", aims.join("\n")).expect("a string takes all");
    }
    text
}

fn heading(scenario: Scenario, load: &Load) -> String {
    let of = match load.shape {
        Shape::Churn => format!("{} connections", number(load.cycles.into(), 0)),
        Shape::Idle => format!("{} connections", number(load.connections.into(), 0)),
        Shape::FanOut | Shape::Slow => {
            format!("{} connections, {} B", number(load.connections.into(), 0), load.payload)
        }
    };
    format!("### {}\n\n{}. {of}.", scenario.name(), scenario.about())
}

impl Column {
    fn measured(&self, rows: &[&Row]) -> Vec<Measured> {
        let measured = |row: &&Row| {
            let value = (self.figure)(&row.figures)?;
            Some(Measured { repetition: row.repetition, value })
        };
        rows.iter().filter_map(measured).collect()
    }

    fn cell(&self, rows: &[&Row], raw: &[&Row]) -> String {
        let measured = self.measured(rows);
        let Some(spread) = Spread::of(measured.iter().map(|measured| measured.value)) else {
            return "–".to_owned();
        };
        let shown = |value| number(value, self.decimals);
        if let Summary::Greatest = self.of_rows {
            return shown(measured.iter().map(|measured| measured.value).fold(0.0, f64::max));
        }
        let [median, low, high] = [spread.median, spread.low, spread.high].map(shown);
        let mut cell = if low == high { median } else { format!("{median} [{low}–{high}]") };
        if let Summary::Compared = self.of_rows
            && let Some(ratios) = Spread::of_ratios(&measured, &self.measured(raw))
        {
            if ratios.shows_difference() {
                write!(cell, " {:.2}×", ratios.median).expect("a string takes all");
            } else {
                cell += " =";
            }
        }
        cell
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
    format!("{sign}{}{fraction}", grouped(digits))
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

    fn row(repetition: u32, peer: Peer, cpu: f64, lost: u32) -> Row {
        let figures = figures(cpu, 0.5, lost);
        Row { scenario: Scenario::Broadcast1k, peer, repetition, figures }
    }

    /// The lines of a table, each blank as one.
    fn lines(peers: &[Peer], rows: &[Row]) -> Vec<String> {
        let scenario = Scenario::Broadcast1k;
        let missing = |peer| peer == Peer::Axum;
        let table = table(scenario, &scenario.load(), peers, missing, rows);
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        table.lines().map(squeezed).collect()
    }

    #[test]
    fn medians_are_compared_with_the_raw_loop() {
        let rows = [
            row(1, Peer::Hub, 4.9, 0),
            row(2, Peer::Hub, 5.2, 1),
            row(3, Peer::Hub, 5.0, 0),
            row(1, Peer::Epoll, 4.0, 0),
            row(2, Peer::Epoll, 4.0, 0),
            row(3, Peer::Epoll, 4.0, 0),
        ];
        let mut lines = lines(&[Peer::Hub, Peer::Epoll, Peer::Axum], &rows);
        assert!(lines.remove(5).starts_with("|--"), "{lines:?}");
        let expected = [
            "### broadcast-1k",
            "",
            "One topic for all, one message at a time. 1,000 connections, 128 B.",
            "",
            "| peer | CPU µs per delivery | deliveries/s | p50 µs | p99 µs | bytes per delivery \
             | KiB per idle connection | lost | twice | disturbed % |",
            "| hub | 5.00 [4.90–5.20] 1.25× | 1,234,568 = | 900 = | 1,900 = | 170 | 11.00 | 1 | 0 \
             | 0.5 |",
            "| epoll | 4.00 | 1,234,568 | 900 | 1,900 | 170 | 11.00 | 0 | 0 | 0.5 |",
            "| axum (missing) | – | – | – | – | – | – | – | – | – |",
            "",
            "- `hub`: CPU per delivery at most 1.10 × `epoll`: 1.25 [1.23–1.30], **missed**",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_ratio_within_its_spread_is_not_printed() {
        let rows = [
            row(1, Peer::Hub, 4.0, 0),
            row(2, Peer::Hub, 5.0, 0),
            row(1, Peer::Epoll, 4.0, 0),
            row(2, Peer::Epoll, 4.0, 0),
        ];
        let peers = [Peer::Hub, Peer::Epoll];
        assert!(lines(&peers, &rows)[6].starts_with("| hub | 4.50 [4.00–5.00] = |"));
        assert!(
            lines(&peers, &rows[1..3])[6].starts_with("| hub | 5.00 | "),
            "of other repetitions"
        );
        let one = [row(1, Peer::Hub, 8.0, 0), row(1, Peer::Epoll, 4.0, 0)];
        assert!(lines(&peers, &one)[6].starts_with("| hub | 8.00 = |"));
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
