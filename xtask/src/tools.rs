//! Programs that are not cargo's: where they are, and how they are had when they are not.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// A program that a verb needs.
#[derive(Debug)]
pub struct Tool {
    /// The name in messages.
    name: &'static str,
    /// The names it goes by in `PATH`; the first that is found is taken.
    programs: &'static [&'static str],
    /// The environment variable that names another one.
    variable: Option<&'static str>,
    /// The Debian package that is installed when it is missing, where we may.
    package: Option<&'static str>,
}

/// Node.js, which runs the tests of scripts and browsers.
pub const NODE: Tool =
    Tool { name: "Node.js 20.11 or newer", programs: &["node"], variable: None, package: None };
/// The package manager of Node.js.
pub const NPM: Tool =
    Tool { name: "npm (it comes with Node.js)", programs: &["npm"], variable: None, package: None };
/// Python 3, for the reference in the benchmarks.
pub const PYTHON: Tool =
    Tool { name: "Python 3", programs: &["python3"], variable: None, package: None };
/// The browser of some tests, and of the pictures.
pub const CHROMIUM: Tool = Tool {
    name: "Chromium",
    programs: &["chromium", "chromium-browser", "google-chrome"],
    variable: Some("SSE_KIT_CHROMIUM"),
    package: Some("chromium"),
};
/// The engine of Chromium without what people see around a page, in which most browser tests run.
pub const CHROMIUM_SHELL: Tool = Tool {
    name: "Chromium's headless shell",
    programs: &["chromium-headless-shell", "chrome-headless-shell"],
    variable: Some("SSE_KIT_CHROMIUM_SHELL"),
    package: Some("chromium-headless-shell"),
};
/// The second browser.
pub const FIREFOX: Tool = Tool {
    name: "Firefox",
    programs: &["firefox-esr", "firefox"],
    variable: Some("SSE_KIT_FIREFOX"),
    package: Some("firefox-esr"),
};
/// The Redis server that tests start.
pub const REDIS: Tool = Tool {
    name: "Redis 6.2 or newer",
    programs: &["redis-server"],
    variable: Some("SSE_KIT_REDIS_SERVER"),
    package: Some("redis-server"),
};
/// The first proxy that tests start.
pub const NGINX: Tool = Tool {
    name: "nginx",
    programs: &["nginx"],
    variable: Some("SSE_KIT_NGINX"),
    package: Some("nginx-light"),
};
/// The second proxy.
pub const CADDY: Tool = Tool {
    name: "Caddy",
    programs: &["caddy"],
    variable: Some("SSE_KIT_CADDY"),
    package: Some("caddy"),
};

/// Prometheus's tool that checks metrics, rules and alerts.
pub const PROMTOOL: Tool = Tool {
    name: "promtool",
    programs: &["promtool"],
    variable: Some("SSE_KIT_PROMTOOL"),
    package: Some("prometheus"),
};

/// The program that joins screenshots to an animation.
pub const IMG2WEBP: Tool =
    Tool { name: "img2webp", programs: &["img2webp"], variable: None, package: Some("webp") };

/// Valgrind, which counts instructions.
pub const VALGRIND: Tool =
    Tool { name: "valgrind", programs: &["valgrind"], variable: None, package: Some("valgrind") };

impl Tool {
    /// The program's path. What is missing is installed from Debian's packages when the tool
    /// has one, apt-get is there and we are root; else it is an error that says what to do.
    pub fn find_or_install(&self) -> Result<PathBuf> {
        if let Some(path) = self.find()? {
            return Ok(path);
        }
        if let Some(package) = self.package
            && may_install()
        {
            install_package(self.name, package)?;
            if let Some(path) = self.find()? {
                return Ok(path);
            }
        }
        bail!(self.missing())
    }

    /// The program's path: where the variable says, else the first that is in `PATH`.
    fn find(&self) -> Result<Option<PathBuf>> {
        if let Some(variable) = self.variable
            && let Some(path) = env::var_os(variable)
        {
            // Absolute, because the caller may run it from another folder.
            let path = std::path::absolute(path).with_context(|| format!("{variable} is empty"))?;
            ensure!(path.is_file(), "{variable} names {}, which is no file", path.display());
            return Ok(Some(path));
        }
        Ok(self.programs.iter().find_map(|program| in_path(program)))
    }

    fn missing(&self) -> String {
        let package = self.package.map_or_else(String::new, |package| {
            format!(", on Debian with `apt-get install {package}` as root")
        });
        let variable = self
            .variable
            .map_or_else(String::new, |variable| format!(", or set {variable} to its path"));
        format!(
            "{} is needed and was not found (looked for {} in PATH); install it{package}{variable}",
            self.name,
            self.programs.join(", ")
        )
    }
}

/// The folder with PostgreSQL's programs, which tests start: where `SSE_KIT_POSTGRES` says, else where
/// Debian has its newest, else in `PATH`. What is missing is installed, as by [`Tool::find_or_install`].
pub fn postgres() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("SSE_KIT_POSTGRES") {
        let folder = std::path::absolute(folder).context("SSE_KIT_POSTGRES is empty")?;
        let is_there = folder.join("initdb").is_file();
        ensure!(is_there, "SSE_KIT_POSTGRES names {}, which has no `initdb`", folder.display());
        return Ok(folder);
    }
    if let Some(folder) = newest_postgres() {
        return Ok(folder);
    }
    install_package("PostgreSQL 14 or newer", "postgresql").context(
        "PostgreSQL 14 or newer is needed and was not found; install it, or set SSE_KIT_POSTGRES to the \
         folder of its programs",
    )?;
    newest_postgres().context("Debian's package `postgresql` has no `initdb`")
}

fn newest_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|version| version.path()).max_by_key(number);
    let newest = newest.map(|version| version.join("bin"));
    newest
        .filter(|folder| is_executable(&folder.join("initdb")))
        .or_else(|| in_path("initdb")?.parent().map(Path::to_owned))
}

/// A Python that has psycopg 3, in which the guide publishes: where `SSE_KIT_PSYCOPG` says, else that of
/// `PATH` or of Debian. What is missing is installed, as by [`Tool::find_or_install`].
pub fn psycopg() -> Result<PathBuf> {
    let has_psycopg = |python: &PathBuf| {
        let mut command = Command::new(python);
        command.args(["-c", "import psycopg"]).output().is_ok_and(|output| output.status.success())
    };
    if let Some(python) = env::var_os("SSE_KIT_PSYCOPG") {
        let python = std::path::absolute(python).context("SSE_KIT_PSYCOPG is empty")?;
        ensure!(has_psycopg(&python), "SSE_KIT_PSYCOPG: {} has no psycopg", python.display());
        return Ok(python);
    }
    let debian = PathBuf::from("/usr/bin/python3");
    let mut known = in_path("python3").into_iter().chain([debian.clone()]);
    if let Some(python) = known.find(has_psycopg) {
        return Ok(python);
    }
    install_package("psycopg 3", "python3-psycopg").context(
        "psycopg 3 is needed and was not found; install it, or set SSE_KIT_PSYCOPG to a Python that has it",
    )?;
    ensure!(has_psycopg(&debian), "Debian's package `python3-psycopg` is of no use to its Python");
    Ok(debian)
}

fn in_path(program: &str) -> Option<PathBuf> {
    in_folders(program, &env::var_os("PATH")?)
}

fn in_folders(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &Path) -> bool {
    file.is_file()
}

/// Installs missing Debian packages; fails without root.
pub fn install_package(missing: &str, package: &str) -> Result<()> {
    ensure!(may_install(), "on Debian it comes with `apt-get install {package}` as root");
    eprintln!("{missing} is missing; installing Debian's package `{package}`");
    let apt_get = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        process::run(command.args(args).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt_get(&["update"])
        .and_then(|()| apt_get(&["install", "-y", package]))
        .with_context(|| format!("cannot install Debian's package `{package}`"))
}

fn may_install() -> bool {
    let is_root = process::first_line(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    is_root && in_path("apt-get").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGINARY: Tool = Tool {
        name: "Imaginary",
        programs: &["no-such-program", "nor-this-one"],
        variable: Some("SSE_KIT_IMAGINARY"),
        package: None,
    };

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        let error = IMAGINARY.find_or_install().expect_err("it does not exist").to_string();
        assert_eq!(
            error,
            "Imaginary is needed and was not found (looked for no-such-program, nor-this-one in \
             PATH); install it, or set SSE_KIT_IMAGINARY to its path"
        );
        assert!(CHROMIUM.missing().contains("apt-get install chromium"));
    }

    #[test]
    fn a_program_is_found_in_a_later_folder() {
        let path = env::join_paths(["/no/such/folder", "/usr/bin", "/bin"]).expect("no colons");
        let shell = in_folders("sh", &path).expect("every Unix has sh");
        assert!(shell.ends_with("sh"));
        assert_eq!(in_folders("no-such-program", &path), None);
    }
}
