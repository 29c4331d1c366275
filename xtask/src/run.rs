//! `cargo xtask run`: a program by its name.

use std::ffi::OsString;

use anyhow::Result;

use crate::workspace::{Program, Workspace, cargo};
use crate::{assets, process};

/// Run the hub or an example by its name, or list them
///
/// The programs are those of the packages under `crates/` and `examples/`. Each stops politely on Ctrl-C. All
/// but the counter and those of the guides take `--listen ADDR`, print the address they listen on, and log to stderr;
/// `-- --help` lists the rest. Programs with pages are given the browser files from npm.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask run                             what there is to run
  cargo xtask run hub
  cargo xtask run hub -- --listen 127.0.0.1:9000 --history 1000
  cargo xtask run --release hub               as fast as it gets
  cargo xtask run jobs -- --help              the program's own options")]
pub(crate) struct Run {
    /// The program; all are listed without it
    program: Option<String>,

    /// Build it optimised
    #[arg(long)]
    release: bool,

    /// Options for the program
    #[arg(last = true)]
    args: Vec<OsString>,
}

impl Run {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load()?;
        let Some(program) = &self.program else {
            print!("{}", listed(&workspace.programs()));
            return Ok(());
        };
        let program = workspace.program(program)?;
        let profile = if self.release { Profile::Release } else { Profile::Debug };
        launch(&workspace, program, profile, &self.args)
    }
}

/// Returns a line for each program, with its description.
fn listed(programs: &[Program<'_>]) -> String {
    let width = programs.iter().map(|program| program.name.len()).max().unwrap_or(0);
    let line =
        |program: &Program<'_>| format!("{:width$}  {}\n", program.name, program.description);
    programs.iter().map(line).collect()
}

/// The build profile of a program.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Builds a program and becomes it, so that a signal sent to us is sent to the program.
pub(crate) fn launch(
    workspace: &Workspace,
    program: Program<'_>,
    profile: Profile,
    args: &[OsString],
) -> Result<()> {
    let mut command = cargo("run");
    command.args(["--package", program.package, "--bin", program.name]);
    if let Profile::Release = profile {
        command.arg("--release");
    }
    command.arg("--");
    if !args.iter().any(|arg| arg == "--assets") {
        assets::offer(workspace, program.name, &mut command);
    }
    command.args(args);
    process::become_program(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_run_is_listed_in_columns() {
        let program = |name, description| Program { package: name, name, description };
        let programs = [program("hub", "A hub"), program("chat-axum", "Chat rooms")];
        assert_eq!(listed(&programs), "hub        A hub\nchat-axum  Chat rooms\n");
    }

    /// The index names each example, with a picture that is there.
    #[test]
    fn the_index_of_examples_is_complete() {
        let workspace = Workspace::load().expect("the tests run in the workspace");
        let index = workspace.root().join("examples/README.md");
        let index = std::fs::read_to_string(index).expect("there is an index");
        let has_no_picture = ["guides", "sse-hub"];
        for program in workspace.programs() {
            if has_no_picture.contains(&program.package) {
                continue;
            }
            let picture = format!("docs/src/examples/{}.png", program.name);
            assert!(index.contains(&format!("(../{picture})")), "the index has no {picture}");
            assert!(workspace.root().join(&picture).is_file(), "{picture} is missing");
            let command = format!("cargo xtask run {}", program.name);
            assert!(index.contains(&command), "the index has no `{command}`");
        }
    }

    /// The index names the programs of the guides, too.
    #[test]
    fn the_index_of_examples_names_the_guides() {
        let workspace = Workspace::load().expect("the tests run in the workspace");
        let index = workspace.root().join("examples/README.md");
        let index = std::fs::read_to_string(index).expect("there is an index");
        let (_, guides) = index.split_once("\n## Guides\n").expect("a section");
        for program in workspace.programs().iter().filter(|it| it.package == "guides") {
            let name = format!("`{}`", program.name);
            assert!(guides.contains(&name), "the index has no {name}");
        }
    }
}
