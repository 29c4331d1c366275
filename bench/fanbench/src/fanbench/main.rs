//! Loads a server of Server-Sent Events from one thread and measures the server.
//!
//! Every payload ends in a [`marker`]: its number and when it was sent. Whatever frames the
//! payload (chunks, `id:` lines, JSON) is skipped in search of the marker, so the same check
//! works for every server, and to find a marker proves that all before it arrived. Events
//! without a marker, such as greetings and heartbeats, go unnoticed.
//!
//! How to read the figures:
//!
//! - The CPU time is that of the server's process tree. On loopback the sender pays for the
//!   receiver's half of TCP too, so even a bare loop of writes costs microseconds.
//! - The generator spins while it measures, on a CPU that it should have to itself. When the
//!   reader sleeps, each write of the server pays for waking it by an inter-processor
//!   interrupt; on a virtual machine that was 39 % of a bare loop's time, and says nothing
//!   about the server.
//! - With a window of 1, a message is sent when everybody has the one before: every delivery
//!   is a write of its own. With a window of 16 servers may write several messages at once.
#![expect(clippy::print_stdout, reason = "the figures are printed on stdout")]

mod body;
mod connect;
mod cpu_sample;
mod filling;
mod generator;
mod latencies;
mod ledger;
mod marker;
mod measure;
mod options;
mod process_tree;
mod publisher;
mod report;
mod subscriber;

use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;

fn main() -> ExitCode {
    // Not returned from here: who runs this shows the error, and a backtrace would hide it.
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    options.check()?;
    linux::raise_open_files()?;
    let report = measure::measure(options)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
