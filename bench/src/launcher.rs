//! The ways to find or install the servers, and to start them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use port::Port;

use super::cpus::Cpus;
use super::peer::Peer;
use super::server::{Address, Server};
use super::{nchan, reference};
use crate::workspace::Workspace;
use crate::{npm, tools};

/// A server that is there, and can be started.
#[derive(Debug)]
pub(super) enum Launcher {
    /// A program that cargo has built, with options of its own.
    Built {
        program: PathBuf,
        options: &'static [&'static str],
    },
    /// A program that an interpreter runs.
    Script {
        interpreter: PathBuf,
        script: PathBuf,
        /// The folder that it runs in.
        folder: PathBuf,
    },
    Nchan {
        nginx: PathBuf,
        config: nchan::Config,
    },
}

impl Launcher {
    /// Installs the software that the server needs, where this is possible; otherwise the error
    /// names it.
    pub(super) fn find(peer: Peer, workspace: &Workspace) -> Result<Self> {
        let peers = workspace.root().join("bench/fanbench/peers");
        Ok(match peer {
            Peer::Hub | Peer::HubHyper | Peer::Epoll | Peer::Axum => {
                let (name, options) = peer.built().context("cargo builds no such peer")?;
                Self::Built { program: workspace.target_dir().join("release").join(name), options }
            }
            Peer::BetterSse => {
                let folder = peers.join("better-sse");
                let interpreter = tools::NODE.find_or_install()?;
                npm::install(&folder)?;
                Self::Script { interpreter, script: folder.join("server.js"), folder }
            }
            Peer::Reference => Self::Script {
                interpreter: reference::install(workspace)?,
                script: peers.join("reference/server.py"),
                // It leaves a file with its session key where it runs.
                folder: reference::folder(workspace),
            },
            Peer::Nchan => Self::Nchan {
                nginx: tools::NGINX.find_or_install()?,
                config: nchan::Config::find(
                    &peers.join("nchan/nginx.conf"),
                    workspace.target_dir().join("nchan"),
                )?,
            },
        })
    }

    /// Starts it with these options more.
    pub(super) fn start(&self, cpus: Cpus, more: &[String]) -> Result<Server> {
        let listen = ["--listen", "127.0.0.1:0"];
        match self {
            Self::Built { program, options } => {
                let mut command = cpus.server(program);
                command.args(listen).args(*options).args(more);
                Server::start(&mut command, Address::InItsFirstLine)
            }
            Self::Script { interpreter, script, folder } => {
                let mut command = cpus.server(interpreter);
                command.current_dir(folder).arg(script).args(listen).args(more);
                Server::start(&mut command, Address::InItsFirstLine)
            }
            Self::Nchan { nginx, config } => {
                let port = Port::claim()?;
                let mut command = cpus.server(nginx);
                command.arg("-c").arg(config.write(port.number())?);
                Server::start(&mut command, Address::AtPort(port))
            }
        }
    }
}
