//! `cargo xtask bench --report`: how costs grow, as a page of the docs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::figures::Figures;
use super::peer::Peer;
use super::plot::{self, Series};
use super::rig::Rig;
use super::sweep::{Line, SWEEPS, Sweep};
use super::tables::{markdown, median, number};
use crate::workspace::Workspace;

/// The folder for the page and its pictures.
const FOLDER: &str = "docs/src/performance";

const HEAD: &str = "\
# How costs grow

<!-- Written by `cargo xtask bench --report`; the next run overwrites it. -->

The server has one CPU and the load generator the other, unless stated otherwise. The epoll loop only writes,
so it shows the kernel's part of the cost, on loopback.
";

/// Measures all sweeps, and writes the page; in a smoke run nothing is written.
pub(super) fn run(repetitions: u32, quick: bool) -> Result<()> {
    let folder = Workspace::load()?.root().join(FOLDER);
    let peers: Vec<Peer> = Peer::ALL.into_iter().filter(|peer| is_drawn(*peer)).collect();
    let most = SWEEPS
        .iter()
        .flat_map(|sweep| sweep.values.iter().map(|&v| (sweep.load)(v).connections))
        .max();
    let rig = Rig::new(&peers, most.unwrap_or(0), quick)?;
    let mut page = HEAD.to_owned();
    for sweep in SWEEPS {
        let measured = measure(sweep, &rig, repetitions, quick)?;
        let series = measured.iter().map(|one| &one.series);
        let svg = plot::svg(sweep.title, sweep.axis, sweep.values, series)?;
        page.push_str(&section(sweep, &measured));
        if !quick {
            write(&folder.join(format!("{}.svg", sweep.name)), &svg)?;
        }
    }
    println!("{page}");
    if !quick {
        write(&folder.join("scaling.md"), &page)?;
    }
    Ok(())
}

fn is_drawn(peer: Peer) -> bool {
    SWEEPS.iter().flat_map(|sweep| sweep.lines).any(|line| line.peer == peer)
}

/// The results of one line.
struct Measured {
    series: Series,
    /// In milliseconds.
    latencies: Vec<Option<f64>>,
}

impl Measured {
    fn of(line: &Line) -> Self {
        Self { series: Series { label: line.label, values: Vec::new() }, latencies: Vec::new() }
    }
}

/// Measures all lines; they take turns at each value.
fn measure(sweep: &Sweep, rig: &Rig, repetitions: u32, quick: bool) -> Result<Vec<Measured>> {
    let has = |line: &&Line| rig.has(line.peer);
    let lines: Vec<&Line> = sweep.lines.iter().filter(has).collect();
    let mut measured: Vec<Measured> = lines.iter().map(|line| Measured::of(line)).collect();
    for &value in sweep.values {
        let mut figures_of = vec![Vec::new(); lines.len()];
        for _ in 0..repetitions {
            for (line, all) in lines.iter().zip(&mut figures_of) {
                let mut load = (sweep.load)(value);
                load.by_pattern = line.by_pattern;
                if quick {
                    load = load.quickly();
                }
                let title = format!("{}, {}: {}", sweep.axis, number(value.into(), 0), line.label);
                let figures = rig.measure(line.peer, &load).with_context(|| title.clone())?;
                eprintln!("{title}: {}", figures.summary());
                if let Some(faults) = figures.faults() {
                    if line.peer.is_ours() {
                        bail!("{title}: {faults}");
                    }
                    eprintln!("{title}: {faults}");
                }
                all.push(figures);
            }
        }
        for ((line, measured), all) in lines.iter().zip(&mut measured).zip(&figures_of) {
            measured.series.values.push(median_of(all, |figures| line.figure.of(figures)));
            measured.latencies.push(median_of(all, |figures| {
                Some(f64::from(figures.traffic.as_ref()?.p50_micros) / 1_000.0)
            }));
        }
    }
    Ok(measured)
}

fn median_of(all: &[Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let mut values: Vec<f64> = all.iter().filter_map(figure).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

/// Writes a heading, the picture, and the figures.
fn section(sweep: &Sweep, measured: &[Measured]) -> String {
    let Sweep { name, title, about, axis, values, .. } = sweep;
    let (heading, about) = about.split_once(": ").unwrap_or((about, ""));
    let about = about[..1].to_uppercase() + &about[1..];
    let columns = values.iter().map(|value| number((*value).into(), 0));
    let head: Vec<String> = std::iter::once((*axis).to_owned()).chain(columns).collect();
    let table = |values: fn(&Measured) -> &[Option<f64>]| {
        let row = |one: &Measured| {
            let cell =
                |value: &Option<f64>| value.map_or("–".to_owned(), |value| number(value, 2));
            let cells = values(one).iter().map(cell);
            std::iter::once(one.series.label.to_owned()).chain(cells).collect()
        };
        let rows = std::iter::once(head.clone()).chain(measured.iter().map(row));
        markdown(&rows.collect::<Vec<_>>())
    };
    let (figures, latencies) = (table(|one| &one.series.values), table(|one| &one.latencies));
    format!(
        "\n## {heading}\n\n{about}\n\n![{title}, by {axis}]({name}.svg)\n\n\
         {title}:\n\n{figures}\nMedian latency, ms:\n\n{latencies}"
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_has_the_picture_and_the_figures() {
        let series = Series { label: "hub", values: vec![Some(4.0), Some(5.25), None, Some(6.0)] };
        let latencies = vec![Some(0.5); 4];
        let text = section(&SWEEPS[2], &[Measured { series, latencies }]);
        assert!(text.starts_with("\n## Patterns\n\n1,000 connections"), "{text}");
        assert!(text.contains("![CPU per delivery, µs, by patterns](patterns.svg)"), "{text}");
        let squeezed =
            text.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        assert!(squeezed.contains("\n| hub | 4.00 | 5.25 | – | 6.00 |\n"), "{squeezed}");
        assert!(squeezed.ends_with("\n| hub | 0.50 | 0.50 | 0.50 | 0.50 |\n"), "{squeezed}");
    }
}
