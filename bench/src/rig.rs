//! The rig: the servers, the load generator, and the CPUs that they run on.

use anyhow::{Context, Result, ensure};

use super::cpus::Cpus;
use super::figures::Figures;
use super::launcher::Launcher;
use super::load::Load;
use super::peer::Peer;
use super::{name, system};
use crate::process;
use crate::workspace::{Workspace, cargo};

/// Above this share of stolen or foreign CPU time a measurement is made again, once.
const TOLERATED_PERCENT: f64 = 3.0;

/// Files that are open besides the subscribers' connections, and some to spare.
const OTHER_FILES: u64 = 100;

#[derive(Debug)]
pub(super) struct Rig {
    launchers: Vec<(Peer, Result<Launcher>)>,
    generator: std::path::PathBuf,
    cpus: Cpus,
    /// `true` in a smoke run, where a single tick of the clock exceeds every tolerance.
    tolerant: bool,
}

impl Rig {
    /// Builds and installs what these servers need, and makes room for so many connections. A server that
    /// cannot be had is named, and is [missing](Self::has).
    pub(super) fn new(peers: &[Peer], connections: u32, tolerant: bool) -> Result<Self> {
        ensure!(cfg!(target_os = "linux"), "the benchmark reads /proc and needs Linux");
        system::allow_open_files(OTHER_FILES + u64::from(connections))?;
        let workspace = Workspace::load()?;
        let mut build = cargo("build");
        process::run(build.args(["--release", "--package", "fanbench", "--package", "sse-hub"]))?;
        let find = |&peer| (peer, Launcher::find(peer, &workspace));
        let launchers: Vec<_> = peers.iter().map(find).collect();
        for (peer, launcher) in &launchers {
            if let Err(error) = launcher {
                eprintln!("note: {} is missing: {error:#}", name(peer));
            }
        }
        let cpus = Cpus::find();
        if let Some(caveat) = cpus.caveat() {
            eprintln!("note: {caveat}");
        }
        let generator = workspace.target_dir().join("release/fanbench");
        Ok(Self { launchers, generator, cpus, tolerant })
    }

    /// Returns `true` if there is such a server.
    pub(super) fn has(&self, peer: Peer) -> bool {
        self.launchers.iter().any(|(other, launcher)| *other == peer && launcher.is_ok())
    }

    /// Measures once, or twice when the first time was disturbed.
    pub(super) fn measure(&self, peer: Peer, load: &Load) -> Result<Figures> {
        let figures = self.measure_once(peer, load)?;
        if self.tolerant || figures.disturbed_percent() <= TOLERATED_PERCENT {
            return Ok(figures);
        }
        eprintln!("disturbed, once more: {}", figures.summary());
        Ok(figures.or_better(self.measure_once(peer, load)?))
    }

    fn measure_once(&self, peer: Peer, load: &Load) -> Result<Figures> {
        let launcher = self.launchers.iter().find(|(other, _)| *other == peer);
        let (_, Ok(launcher)) = launcher.context("it was not asked for")? else {
            anyhow::bail!("it is missing");
        };
        let cpus = if load.shares_cpus() { Cpus::Shared } else { self.cpus };
        let mut server = launcher.start(cpus, &load.server_options(peer))?;
        Figures::measure(cpus.generator(&self.generator), load, peer, &mut server)
    }
}
