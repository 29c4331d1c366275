//! `cargo xtask new PATH`: a small app of one's own to begin with.

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;

use crate::workspace::Workspace;

/// The folder with an app for each framework.
const STARTERS: &str = "xtask/starters";

/// The files of each; the manifest is called `new.toml`, as it is none before its gaps are filled.
const SOURCES: &[&str] = &["src/main.rs", "src/counter.rs", "src/routes.rs", "src/tests.rs"];

/// The line of the sources that chooses the htmx of the pages.
const HTMX_4: &str = "const HTMX: Dialect = Dialect::V4;";
const HTMX_2: &str = "const HTMX: Dialect = Dialect::V2;";

/// Write a small app to begin with
///
/// A counter that every open page shows, with its tests, in a folder of its own outside of this checkout. It
/// depends on the crates by their paths, as they are not on crates.io yet.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask new ../counter
  cargo xtask new ../counter --hyper --htmx 2

Then, in the new folder:
  cargo run     and open http://127.0.0.1:8080 in two windows
  cargo test")]
pub(crate) struct New {
    /// The folder to make; its name becomes that of the app
    path: PathBuf,

    #[command(flatten)]
    framework: Flags,

    /// The htmx of the pages
    #[arg(long, value_enum, default_value = "4")]
    htmx: Htmx,
}

/// A flag for each framework.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Flags {
    /// An app on axum [default]
    #[arg(long)]
    axum: bool,

    /// An app on actix-web
    #[arg(long)]
    actix: bool,

    /// An app on hyper, by the server of sse-kit
    #[arg(long)]
    hyper: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Htmx {
    #[value(name = "2")]
    Two,
    #[value(name = "4")]
    Four,
}

/// A web framework, by the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Framework {
    Axum,
    Actix,
    Hyper,
}

impl Framework {
    pub(crate) const ALL: [Self; 3] = [Self::Axum, Self::Actix, Self::Hyper];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Hyper => "hyper",
        }
    }
}

impl New {
    pub(crate) fn run(&self) -> Result<()> {
        let workspace = Workspace::load().context("run this in a checkout of sse-kit")?;
        let path = resolve(&std::path::absolute(&self.path).context("PATH is no path")?)?;
        let framework = match &self.framework {
            Flags { actix: true, .. } => Framework::Actix,
            Flags { hyper: true, .. } => Framework::Hyper,
            Flags { .. } => Framework::Axum,
        };
        let root = resolve(workspace.root())?;
        write(&root, &path, framework, self.htmx == Htmx::Two)?;
        let shown = self.path.display();
        println!(
            "wrote an app to {shown}\n\n  cd {shown}\n  cargo run     then open http://127.0.0.1:8080 in two windows\n  cargo test"
        );
        Ok(())
    }
}

/// Writes the app of a framework, from the checkout at `root` to a folder that is new or empty.
pub(crate) fn write(root: &Path, path: &Path, framework: Framework, htmx_2: bool) -> Result<()> {
    let name = name_of(path)?;
    ensure!(
        root.join(STARTERS).is_dir(),
        "{} is no checkout of sse-kit; run this in one",
        root.display()
    );
    ensure!(
        !path.starts_with(root),
        "{} is in this checkout, whose workspace would claim it; choose a folder outside",
        path.display()
    );
    let is_empty = fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} has something in it; choose a new folder", path.display());
    let starter = root.join(STARTERS).join(framework.name());
    let read = |file: &str| {
        let file = starter.join(file);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let put = |file: &str, text: &str| -> Result<()> {
        let file = path.join(file);
        let folder = file.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&file, text))
            .with_context(|| format!("cannot write {}", file.display()))
    };
    put("Cargo.toml", &manifest(&read("new.toml")?, name, root))?;
    put(".gitignore", "/target\n")?;
    for file in SOURCES {
        let text = read(file)?;
        put(file, &if htmx_2 { text.replace(HTMX_4, HTMX_2) } else { text })?;
    }
    Ok(())
}

/// Resolves an absolute path, of which only the beginning need exist: without `..` and symbolic links it
/// shows in which folder it is.
fn resolve(path: &Path) -> Result<PathBuf> {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(resolved), ..) => Ok(resolved),
        (Err(error), Some(parent), Some(name)) if error.kind() == io::ErrorKind::NotFound => {
            Ok(resolve(parent)?.join(name))
        }
        (Err(error), ..) => Err(error).with_context(|| format!("cannot use {}", path.display())),
    }
}

/// Returns the name of the package: that of its folder.
fn name_of(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_part) {
        bail!("an app cannot be called `{name}`: use letters, digits and hyphens, a letter first");
    }
    Ok(name)
}

/// Fills the gaps of a manifest.
fn manifest(text: &str, name: &str, root: &Path) -> String {
    let path = |package: &str| {
        let path = root.join("crates").join(package).display().to_string();
        // A string of JSON is one of TOML, with the same escapes.
        format!("path = {}", serde_json::Value::from(path))
    };
    text.replace("{{name}}", name)
        .replace("{{sse-kit}}", &path("sse-kit"))
        .replace("{{sse-kit-test}}", &path("sse-kit-test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use toml::{Table, Value};

    fn root() -> PathBuf {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        xtask.parent().expect("xtask is in the workspace").to_owned()
    }

    fn table(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    /// The names of dependencies in a section of a manifest.
    fn names(manifest: &Table, section: &str) -> Vec<String> {
        let section = manifest.get(section).and_then(Value::as_table);
        section.expect("dependencies").keys().cloned().collect()
    }

    #[test]
    fn every_combination_is_written_whole() {
        for framework in Framework::ALL {
            for htmx_2 in [false, true] {
                let folder = tempfile::tempdir().expect("a folder");
                let path = folder.path().join("my-app");
                write(&root(), &path, framework, htmx_2).expect("it can be written");
                let read = |file| fs::read_to_string(path.join(file)).expect("it was written");
                let manifest = read("Cargo.toml");
                assert!(!manifest.contains("{{"), "{manifest}");
                let manifest = table(&manifest);
                assert_eq!(manifest["package"]["name"].as_str(), Some("my-app"));
                for (section, package) in
                    [("dependencies", "sse-kit"), ("dev-dependencies", "sse-kit-test")]
                {
                    let path = manifest[section][package]["path"].as_str().expect("a path");
                    assert!(Path::new(path).join("Cargo.toml").is_file(), "{path}");
                }
                let counter = read("src/counter.rs");
                assert_eq!(counter.contains(HTMX_2), htmx_2);
                assert_eq!(counter.contains(HTMX_4), !htmx_2);
                for file in SOURCES {
                    assert!(read(file).starts_with("//! "), "{file}");
                }
            }
        }
    }

    /// Checks that the files that are built and tested here are those that an app gets.
    #[test]
    fn what_is_written_depends_on_what_it_is_tested_with() {
        for framework in Framework::ALL {
            let starter = root().join(STARTERS).join(framework.name());
            let read = |file| table(&fs::read_to_string(starter.join(file)).expect("a manifest"));
            let (tested, template) = (read("Cargo.toml"), starter.join("new.toml"));
            let template = fs::read_to_string(template).expect("a manifest");
            let written = table(&manifest(&template, "app", &root()));
            for section in ["dependencies", "dev-dependencies"] {
                assert_eq!(names(&written, section), names(&tested, section));
            }
            let features = |manifest: &Table| {
                manifest["dependencies"]["sse-kit"]["features"].as_array().cloned()
            };
            assert_eq!(features(&written), features(&tested), "{}", framework.name());
        }
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_goes_into_the_checkout() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("app");
        write(&root(), &path, Framework::Axum, false).expect("it can be written");
        let again = write(&root(), &path, Framework::Axum, false).expect_err("it is there");
        assert!(again.to_string().contains("has something in it"), "{again}");
        let inside = write(&root(), &root().join("app"), Framework::Axum, false);
        assert!(inside.expect_err("inside").to_string().contains("is in this checkout"));
    }

    #[test]
    fn a_path_may_lead_out_of_the_checkout_and_into_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = folder.path().canonicalize().expect("it exists").join("apps/counter");
        // As `../counter` does, up to the root of the file system.
        let up = "../".repeat(root().components().count());
        let winding = root().join(up).join(outside.strip_prefix("/").expect("absolute"));
        assert_eq!(resolve(&winding).expect("a path"), outside);
        let error = resolve(&root().join("new/../app")).expect_err("`new` does not exist");
        assert!(error.to_string().starts_with("cannot use "), "{error}");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(root(), &link).expect("a link");
        let resolved = resolve(&link.join("app")).expect("a path");
        assert_eq!(resolved, root().canonicalize().expect("it exists").join("app"));
    }

    #[test]
    fn another_workspace_is_no_checkout() {
        let other = tempfile::tempdir().expect("a folder");
        let path = other.path().join("app");
        let error = write(other.path(), &path, Framework::Axum, false).expect_err("not ours");
        assert!(error.to_string().contains("is no checkout of sse-kit"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn a_name_is_one_that_cargo_takes() {
        for name in ["app", "my-app", "app_2"] {
            assert_eq!(name_of(Path::new("/a").join(name).as_path()).expect("a name"), name);
        }
        for name in ["2app", "my app", "-app", "äpp", ".."] {
            assert!(name_of(Path::new("/a").join(name).as_path()).is_err(), "{name}");
        }
    }
}
