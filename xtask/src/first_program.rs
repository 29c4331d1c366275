//! The README's first program, as a stranger makes it: in a crate of its own, by the README's lines.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::progress::heading;
use crate::workspace::Workspace;

/// The address in the program.
const ADDRESS: &str = "127.0.0.1:8080";

/// The time after which a program that does not answer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The commands and the program in the README.
#[derive(Debug)]
struct FirstProgram<'a> {
    commands: &'a str,
    program: &'a str,
}

impl<'a> FirstProgram<'a> {
    fn read(readme: &'a str) -> Result<Self> {
        let (_, section) =
            readme.split_once("\n## A first program\n").context("no first program")?;
        let commands = block(section, "```sh\n").context("no commands")?;
        let program = block(section, "```rust,no_run\n").context("no program")?;
        Ok(Self { commands, program })
    }
}

fn block<'a>(text: &'a str, fence: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(fence)?;
    rest.split_once("```\n").map(|(block, _)| block)
}

/// Makes the program beside a clone, word for word, builds it, and loads its page.
pub(crate) fn try_out(workspace: &Workspace) -> Result<()> {
    heading("the README's first program, in a crate of its own");
    let readme = fs::read_to_string(workspace.root().join("README.md"))?;
    let FirstProgram { commands, program } = FirstProgram::read(&readme)?;
    let folder = workspace.target_dir().join("first-program");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    // A workspace of its own, as the folder is below ours; and ours is beside it.
    fs::write(
        folder.join("Cargo.toml"),
        "[workspace]\nmembers = [\"counter\"]\nexclude = [\"sse-kit\"]\n",
    )?;
    std::os::unix::fs::symlink(workspace.root(), folder.join("sse-kit"))?;
    process::run(Command::new("sh").args(["-e", "-c", commands]).current_dir(&folder))?;
    let counter = folder.join("counter");
    fs::write(counter.join("src/main.rs"), program)?;
    let target = workspace.target_dir().join("first-program-target");
    let mut build = Command::new("cargo");
    process::run(build.arg("build").current_dir(&counter).env("CARGO_TARGET_DIR", &target))?;

    ensure!(TcpStream::connect(ADDRESS).is_err(), "something else listens on {ADDRESS}");
    let mut program = Command::new(target.join("debug/counter")).spawn()?;
    let page = load(&mut program);
    program.kill()?;
    program.wait()?;
    let page = page?;
    ensure!(page.contains("<b id=count>0</b>"), "the page shows no count: {page}");
    Ok(())
}

/// Loads the page, as soon as the program listens.
fn load(program: &mut Child) -> Result<String> {
    let began = Instant::now();
    loop {
        if let Ok(mut socket) = TcpStream::connect(ADDRESS) {
            socket.set_read_timeout(Some(PATIENCE))?;
            write!(socket, "GET / HTTP/1.1\r\nhost: {ADDRESS}\r\nconnection: close\r\n\r\n")?;
            let mut response = String::new();
            socket.read_to_string(&mut response)?;
            return Ok(response);
        }
        if let Some(status) = program.try_wait()? {
            bail!("the program has ended: {status}");
        }
        ensure!(began.elapsed() < PATIENCE, "the program does not listen on {ADDRESS}");
        sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const README: &str = include_str!("../../README.md");
    const GUIDE: &str = include_str!("../../docs/src/counter.md");
    const EXAMPLE: &str = include_str!("../../examples/counter/Cargo.toml");

    /// The features that a manifest names for each of its dependencies.
    fn features(manifest: &str) -> BTreeMap<String, Vec<String>> {
        let manifest: toml::Table = manifest.parse().unwrap();
        let features = |dependency: &toml::Value| -> Vec<String> {
            let named = dependency.get("features").and_then(toml::Value::as_array);
            named.into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()).collect()
        };
        let dependencies = manifest["dependencies"].as_table().unwrap();
        dependencies.iter().map(|(name, value)| (name.clone(), features(value))).collect()
    }

    /// A stranger copies the test from either page, with the module that it stands in.
    #[test]
    fn the_readme_and_the_guide_show_the_same_test() {
        let shown = |page| {
            let (_, rest) =
                str::split_once(page, "<!-- from examples/counter/src/tests/first.rs -->\n")?;
            let (_, rest) = rest.split_once('\n')?;
            rest.split_once("```\n").map(|(test, _)| test)
        };
        let test = shown(README).unwrap();
        assert!(test.starts_with("#[cfg(test)]\nmod tests {\n    use "));
        assert_eq!(Some(test), shown(GUIDE));
    }

    /// The example is compiled with what the README adds: no crate more, and of sse-kit no other feature.
    #[test]
    fn the_readmes_commands_add_what_the_example_has() {
        let commands = FirstProgram::read(README).unwrap().commands;
        let added: BTreeMap<_, Vec<_>> = commands
            .lines()
            .filter_map(|line| line.strip_prefix("cargo add "))
            .map(|line| {
                let (name, options) = line.split_once(' ').unwrap_or((line, ""));
                let features = options.split_once("--features ").map_or("", |(_, list)| list);
                (name, features.split(',').filter(|name| !name.is_empty()).collect())
            })
            .collect();
        let example = features(EXAMPLE);
        assert_eq!(added.keys().collect::<Vec<_>>(), example.keys().collect::<Vec<_>>());
        assert_eq!(added["sse-kit"], example["sse-kit"]);
        assert_eq!((&added["serde"], &added["tokio"]), (&vec!["derive"], &vec!["full"]));
    }
}
