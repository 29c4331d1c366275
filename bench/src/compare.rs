//! All peers in all scenarios, in turn.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::figures::Row;
use super::load::Load;
use super::machine::Machine;
use super::peer::Peer;
use super::rig::Rig;
use super::scenario::Scenario;
use super::{name, tables};

#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) peers: Vec<Peer>,
    pub(super) scenarios: Vec<Scenario>,
    pub(super) repetitions: u32,
    pub(super) quick: bool,
}

impl Comparison {
    pub(super) fn run(&self, json: Option<&Path>) -> Result<()> {
        let mut json = json.map(create).transpose()?;
        let rig = Rig::new(&self.peers, self.most_connections(), self.quick)?;
        // After the build, which is the usual neighbour.
        let machine = Machine::look();
        for fault in machine.faults() {
            eprintln!("note: the machine is not fit for measuring: {fault}");
        }
        let mut rows = Vec::new();
        let mut failures = Vec::new();
        for (scenario, repetition, peer) in self.schedule() {
            if !rig.has(peer) {
                continue;
            }
            let title = format!("{} {repetition} {}", scenario.name(), name(&peer));
            match rig.measure(peer, &self.load(scenario)) {
                Ok(figures) => {
                    eprintln!("{title}: {}", figures.summary());
                    let row = Row { scenario, peer, repetition, figures };
                    if let Some(file) = &mut json {
                        write_row(file, &row).context("cannot write the JSON file")?;
                    }
                    if let Some(faults) = row.figures.faults() {
                        eprintln!("{title}: {faults}");
                        if peer.is_ours() {
                            failures.push(format!("{title}: {faults}"));
                        }
                    }
                    rows.push(row);
                }
                Err(error) => {
                    eprintln!("{title}: FAILED");
                    failures.push(format!("{title}: {error:#}"));
                }
            }
        }
        println!("{}\n\n{}\n", machine.summary(), tables::LEGEND);
        for &scenario in &self.scenarios {
            let suits = |peer: &&Peer| scenario.suits(**peer);
            let peers: Vec<Peer> = self.peers.iter().filter(suits).copied().collect();
            let missing = |peer: Peer| !rig.has(peer);
            println!("{}", tables::table(scenario, &self.load(scenario), &peers, missing, &rows));
        }
        if failures.is_empty() {
            return Ok(());
        }
        bail!("the benchmark found faults\n{}", failures.join("\n"))
    }

    pub(super) fn schedule(&self) -> impl Iterator<Item = (Scenario, u32, Peer)> {
        self.scenarios.iter().flat_map(move |&scenario| {
            (1..=self.repetitions).flat_map(move |repetition| {
                let peers = self.peers.iter().filter(move |peer| scenario.suits(**peer));
                peers.map(move |&peer| (scenario, repetition, peer))
            })
        })
    }

    pub(super) fn most_connections(&self) -> u32 {
        let connections = |&scenario| self.load(scenario).connections;
        self.scenarios.iter().map(connections).max().unwrap_or(0)
    }

    fn load(&self, scenario: Scenario) -> Load {
        let load = scenario.load();
        if self.quick { load.quickly() } else { load }
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

fn write_row(file: &mut File, row: &Row) -> Result<()> {
    let Row { scenario, peer, repetition, figures } = row;
    let (scenario, peer) = (scenario.name(), name(peer));
    let line = json!({
        "scenario": scenario, "peer": peer, "repetition": repetition, "figures": figures,
    });
    Ok(writeln!(file, "{line}")?)
}
