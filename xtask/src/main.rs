//! The project's tasks, run as `cargo xtask VERB`: one file per verb. Parts that verbs share have files named
//! after them; parts that the benchmarks use too are in the library.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on stdout")]

mod bench;
mod book;
mod browser;
mod bundle;
mod ci;
mod demo;
mod examples;
mod new;
mod pictures;
mod release;
mod run;
mod soak;
mod test;
mod tidy;

mod assets;
mod first_program;
mod venv;
mod wheels;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::progress::Reported;
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
    Examples(examples::Examples),
    Test(test::Test),
    Soak(soak::Soak),
    Bench(bench::Bench),
    Bundle(bundle::Bundle),
    Pictures(pictures::Pictures),
    Book(book::Book),
    Tidy(tidy::Tidy),
    Ci(ci::Ci),
    Release(release::Release),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().verb {
        Verb::Demo(verb) => verb.run(),
        Verb::New(verb) => verb.run(),
        Verb::Run(verb) => verb.run(),
        Verb::Examples(verb) => verb.run(),
        Verb::Test(verb) => verb.run(),
        Verb::Soak(verb) => verb.run(),
        Verb::Bench(verb) => verb.run(),
        Verb::Bundle(verb) => verb.run(),
        Verb::Pictures(verb) => verb.run(),
        Verb::Book(verb) => verb.run(),
        Verb::Tidy(verb) => verb.run(),
        Verb::Ci(verb) => verb.run(),
        Verb::Release(verb) => verb.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.is::<Reported>() {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
