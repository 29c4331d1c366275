//! The scripts of the crates and the tests: their form, their types, their logic, their bundles and their size.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Tally, heading, node};
use crate::workspace::Workspace;
use crate::{npm, process};

/// The folders of scripts, relative to the folder with the tools' lock file and settings.
const FOLDERS: &[&str] = &[".", "../../crates", "../../examples", "../../xtask"];

/// The checks of all scripts, as commands that fail if they find something.
const CHECKS: &[(&str, &[&str])] = &[
    (
        "format and lint",
        &[
            "node_modules/@biomejs/biome/bin/biome",
            "ci",
            "--colors=off",
            "--error-on-warnings",
            "--config-path=.",
        ],
    ),
    ("types of the tests", &["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"]),
    ("types of the scripts", &["node_modules/typescript/bin/tsc", "-p", "tsconfig.scripts.json"]),
    ("bundles", &["bundle.js", "--check"]),
];

pub(super) fn run(workspace: &Workspace, args: &[OsString]) -> Result<Tally> {
    heading("scripts: biome, tsc, node --test");
    let folder = workspace.root().join("tests/browser");
    let node = node::find()?;
    npm::install(&folder)?;

    let tests = unit_tests(&workspace.root().join("crates"))?;
    let mut tally = if tests.is_empty() {
        Tally::default()
    } else {
        let mut runner = node::test_runner(&node);
        runner.current_dir(&folder).args(args);
        node::run_counted(workspace, "scripts", &mut runner, tests)?
    };
    for (name, line) in CHECKS {
        println!("\n-- {name}");
        let mut command = Command::new(&node);
        command.args(*line).current_dir(&folder);
        if line.contains(&"ci") {
            command.args(FOLDERS);
        }
        if process::status(&mut command)?.success() {
            tally.passed += 1;
        } else {
            tally.fail(format!("{name}: see above"));
        }
    }
    Ok(tally)
}

/// Finds the tests that stand beside the Rust tests of each crate, as `tests/cursor.test.js`.
fn unit_tests(crates: &Path) -> Result<Vec<PathBuf>> {
    let mut tests = Vec::new();
    for package in files_of(crates)? {
        let folder = package.join("tests");
        if folder.is_dir() {
            let is_test = |file: &PathBuf| file.to_string_lossy().ends_with(".test.js");
            tests.extend(files_of(&folder)?.into_iter().filter(is_test));
        }
    }
    tests.sort();
    Ok(tests)
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("cannot read {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_scripts_are_found_in_each_crate() {
        let root = tempfile::tempdir().expect("a folder");
        for (package, file) in [("a", "x.test.js"), ("b", "y.test.js"), ("b", "z.rs")] {
            let folder = root.path().join(package).join("tests");
            fs::create_dir_all(&folder).expect("a folder in it");
            fs::write(folder.join(file), "").expect("a file in that");
        }
        fs::create_dir(root.path().join("c")).expect("a crate without tests");
        let found = unit_tests(root.path()).expect("all can be read");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names, ["x.test.js", "y.test.js"]);
    }
}
