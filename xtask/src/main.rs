//! The project's tasks, run as `cargo xtask VERB`: one file per verb. Parts that verbs share have files named
//! after them; parts that the benchmarks use too are in the library.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod browser;
mod bundle;
mod ci;
mod demo;
mod forward;
mod new;
mod pictures;
mod release;
mod run;
mod soak;
mod test;

mod assets;
mod first_program;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{npm, process, progress, tools, workspace};

/// Everything one does with sse-kit's sources
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true,
    after_help = "\
To begin with:
  cargo xtask demo            see it work: the job board on http://127.0.0.1:8080
  cargo xtask new ../counter  begin an app of your own
  cargo xtask test            run every test, in Rust and in a browser
  cargo xtask ci              check all else that a change must pass

`cargo xtask VERB --help` explains a verb and shows how it is used."
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs. Each one's file has its documentation.
#[derive(Debug, Subcommand)]
enum Verb {
    Demo(demo::Demo),
    New(new::New),
    Run(run::Run),
    Test(test::Test),
    Soak(soak::Soak),
    /// Measure the fan-out, the dispatcher and instruction counts
    Bench(forward::Options),
    Bundle(bundle::Bundle),
    Pictures(pictures::Pictures),
    /// Write the parts of the book that are made from the code
    Book(forward::Options),
    /// Check the house rules that no compiler knows
    Tidy(forward::Options),
    Ci(ci::Ci),
    Release(release::Release),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Demo(verb) => verb.run(),
        Verb::New(verb) => verb.run(),
        Verb::Run(verb) => verb.run(),
        Verb::Test(verb) => verb.run(),
        Verb::Soak(verb) => verb.run(),
        Verb::Bench(options) => options.run("bench", None),
        Verb::Bundle(verb) => verb.run(),
        Verb::Pictures(verb) => verb.run(),
        Verb::Book(options) => options.run("tidy", Some("book")),
        Verb::Tidy(options) => options.run("tidy", Some("tidy")),
        Verb::Ci(verb) => verb.run(),
        Verb::Release(verb) => verb.run(),
    };
    xtask::exit_code(outcome)
}
