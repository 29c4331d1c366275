//! `cargo xtask tidy` and `cargo xtask book`: the checks of the sources, and the pages made from them. A package
//! of its own, because it parses Rust and TOML, which no other verb needs.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod book;
mod rules;

use std::process::ExitCode;

use clap::Parser;
use xtask::{digits, workspace};

/// The verbs. Each one's file has its documentation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    Tidy(rules::Tidy),
    Book(book::Book),
}

fn main() -> ExitCode {
    let outcome = match Verb::parse() {
        Verb::Tidy(verb) => verb.run(),
        Verb::Book(verb) => verb.run(),
    };
    xtask::exit_code(outcome)
}
