//! The instructions of a whole server per delivery, counted by valgrind while the load generator publishes.
//!
//! The microbenchmarks end where the hub's crates do; here the requests, the sockets and the runtime count
//! too. Of two runs that differ in the number of messages only, the difference is what the messages take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::callgrind::Callgrind;
use super::cpus::Cpus;
use super::figures::Figures;
use super::load::{Gzip, Load};
use super::name;
use super::peer::Peer;
use super::server::{Address, Server};
use super::tables::{markdown, number};
use crate::process;
use crate::workspace::cargo;

/// The most that a count may grow, as a ratio.
const LIMIT: f64 = 1.05;

/// Counts of a load that seems to have grown, of which the least stands: whether a request comes in one read or in two
/// is chance, and made a difference of 7 % on a busy machine.
const TRIES: usize = 3;

/// Messages of the shorter run, and of the longer one.
const MESSAGES: [u32; 2] = [200, 1_200];

/// 100 connections with one topic to a server with one thread, one message at a time.
const SMALL: Load =
    Load { connections: 100, warm_up: 20, settle_ms: 100, threads: Some(1), ..Load::BROADCAST };

/// The loads, with their names.
const LOADS: [(&str, Load); 4] = [
    ("a message to one connection of 100", Load { topics: 100, ..SMALL }),
    ("a delivery of a message to 100", SMALL),
    ("the same, 1 KiB, compressed", Load { payload: 1_024, gzip: Gzip::Event, ..SMALL }),
    ("the same, with those before it", Load { payload: 1_024, gzip: Gzip::Window, ..SMALL }),
];

/// The servers that cargo builds.
const PEERS: [Peer; 4] = [Peer::Hub, Peer::HubHyper, Peer::Epoll, Peer::Axum];

/// Counts, and prints a table.
pub(super) fn run() -> Result<()> {
    let callgrind = Callgrind::install()?;
    let folder = Build::of(&callgrind, callgrind.workspace().root())?;
    let peers = PEERS.iter().map(|&peer| name(&peer));
    let mut lines =
        vec![std::iter::once("instructions per delivery".to_owned()).chain(peers).collect()];
    for (title, load) in &LOADS {
        let mut line = vec![(*title).to_owned()];
        for peer in PEERS {
            let count = load.gzip.suits(peer).then(|| folder.count(peer, load));
            line.push(count.transpose()?.map_or("–".to_owned(), |count| number(count, 0)));
        }
        lines.push(line);
    }
    println!("{}", markdown(&lines));
    Ok(())
}

/// Counts with the hub of another checkout and with ours; fails when one takes more here.
pub(super) fn check(callgrind: &Callgrind, before: &Path) -> Result<()> {
    let builds =
        [Build::of(callgrind, before)?, Build::of(callgrind, callgrind.workspace().root())?];
    let mut faults = Vec::new();
    let titles = ["instructions per delivery", "peer", "before", "here"].map(str::to_owned);
    let mut lines = vec![titles.to_vec()];
    for (title, load) in &LOADS {
        for peer in [Peer::Hub, Peer::HubHyper] {
            let mut counts = [f64::INFINITY; 2];
            for _ in 0..TRIES {
                for (least, build) in counts.iter_mut().zip(&builds) {
                    *least = least.min(build.count(peer, load)?);
                }
                if !has_grown(counts) {
                    break;
                }
            }
            let [then, now] = counts;
            let [then_shown, now_shown] = [then, now].map(|count| number(count, 0));
            let peer = name(&peer);
            if has_grown(counts) {
                faults.push(format!("{title}, {peer}: {now_shown} instead of {then_shown}"));
            }
            lines.push(vec![(*title).to_owned(), peer, then_shown, now_shown]);
        }
    }
    println!("{}", markdown(&lines));
    ensure!(faults.is_empty(), "the hub takes more instructions\n{}", faults.join("\n"));
    Ok(())
}

fn has_grown([then, now]: [f64; 2]) -> bool {
    now > then * LIMIT
}

/// The servers of a checkout, and what loads them.
struct Build {
    servers: PathBuf,
    generator: PathBuf,
    /// Valgrind's file.
    counts: PathBuf,
    /// The text by which the hub explains its options.
    help: String,
}

impl Build {
    fn of(callgrind: &Callgrind, folder: &Path) -> Result<Self> {
        let workspace = callgrind.workspace();
        let ours = workspace.target_dir();
        let is_ours = folder == workspace.root();
        let target = if is_ours { ours.to_owned() } else { folder.join("target") };
        let mut build = cargo("build");
        build.args(["--release", "--package", "sse-hub"]).env("CARGO_TARGET_DIR", &target);
        if is_ours {
            build.args(["--package", "fanbench"]);
        }
        process::run(build.current_dir(folder))?;
        let servers = target.join("release");
        let help = process::output(Command::new(servers.join("hub")).arg("--help"))?;
        Ok(Self {
            servers,
            generator: ours.join("release/fanbench"),
            counts: ours.join("callgrind.out"),
            help,
        })
    }

    /// Returns the instructions of one delivery.
    fn count(&self, peer: Peer, load: &Load) -> Result<f64> {
        let run = |messages| self.run(peer, &Load { messages, ..load.clone() });
        let [fewer, more] = MESSAGES.map(run);
        let instructions = more?.checked_sub(fewer?).context("more messages took less")?;
        let deliveries = (MESSAGES[1] - MESSAGES[0]) * (load.connections / load.topics);
        #[expect(clippy::cast_precision_loss, reason = "far fewer instructions than that")]
        Ok(instructions as f64 / f64::from(deliveries))
    }

    /// Returns the instructions of a server from its start to its end.
    fn run(&self, peer: Peer, load: &Load) -> Result<u64> {
        let (program, options) = peer.built().context("cargo builds no such peer")?;
        let options = options_by(&self.help, peer).unwrap_or(options);
        if self.counts.exists() {
            // Otherwise those of the run before would stand for a run that wrote none.
            fs::remove_file(&self.counts)?;
        }
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=callgrind"]);
        valgrind.arg(format!("--callgrind-out-file={}", self.counts.display()));
        valgrind.arg(self.servers.join(program)).args(["--listen", "127.0.0.1:0"]).args(options);
        valgrind.args(load.server_options(peer));
        let mut server = Server::start(&mut valgrind, Address::InItsFirstLine)?;
        let generator = Cpus::Shared.generator(&self.generator);
        let figures = Figures::measure(generator, load, peer, &mut server)?;
        if let Some(faults) = figures.faults() {
            bail!("there is no count of a delivery: {faults}");
        }
        server.stop()?;
        let counts = fs::read_to_string(&self.counts).context("valgrind has counted nothing")?;
        total(&counts).context("valgrind's file has no total")
    }
}

/// Returns the options for a peer of a hub that had the fast path as an option, and streams by hyper without it.
fn options_by(help: &str, peer: Peer) -> Option<&'static [&'static str]> {
    match peer {
        Peer::Hub if help.contains("--fast-path") => Some(&["--fast-path"]),
        Peer::HubHyper if help.contains("--fast-path") => Some(&[]),
        _ => None,
    }
}

fn total(counts: &str) -> Option<u64> {
    counts.lines().rev().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_at_the_end() {
        let file = "version: 1\nevents: Ir\nsummary: 17\n\nfn=(1) main\n3 17\n\ntotals: 1234\n";
        assert_eq!(total(file), Some(1_234));
        assert_eq!(total("events: Ir\n"), None);
    }

    #[test]
    fn an_older_hub_is_compared_by_its_own_options() {
        let lanes = |help| [Peer::Hub, Peer::HubHyper].map(|peer| options_by(help, peer));
        assert_eq!(lanes("      --hyper-streams\n"), [None, None]);
        assert_eq!(lanes("      --fast-path\n"), [Some(&["--fast-path"][..]), Some(&[])]);
        assert_eq!(options_by("      --fast-path\n", Peer::Epoll), None);
    }

    #[test]
    fn every_load_can_be_had() {
        for (title, load) in LOADS {
            assert!(load.connections.is_multiple_of(load.topics), "{title}");
        }
    }
}
