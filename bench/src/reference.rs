//! The reference in Python, in an environment of its own.

use std::path::PathBuf;
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{process, tools};

/// Installs the reference into the target folder, unless it is there, and returns the Python that has it.
pub(super) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let folder = folder(workspace);
    let (environment, python) = (folder.join("venv"), folder.join("venv/bin/python"));
    let wanted = workspace.root().join("bench/fanbench/peers/reference/requirements.txt");
    // Written last, so an install that was broken off has none.
    let installed = folder.join("installed.txt");
    let requirements =
        fs::read(&wanted).context("the requirements of the reference are missing")?;
    if fs::read(&installed).is_ok_and(|there| there == requirements) {
        return Ok(python);
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    eprintln!("installing the reference in Python into {}", folder.display());
    let system_python = tools::PYTHON.find_or_install()?;
    process::run_quietly(Command::new(system_python).args(["-m", "venv"]).arg(environment))?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "--no-deps", "-r"]).arg(wanted);
    process::run_quietly(&mut install)?;
    fs::write(installed, requirements)?;
    Ok(python)
}

/// Returns the folder that it is installed in, and runs in.
pub(super) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target_dir().join("reference")
}
