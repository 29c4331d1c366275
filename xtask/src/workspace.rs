//! What cargo knows of the workspace: its root, its packages, its examples.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The workspace that the current directory is in.
#[derive(Debug)]
pub struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo for it.
    pub fn load() -> Result<Self> {
        let metadata =
            MetadataCommand::new().no_deps().exec().context("cannot read the workspace")?;
        Ok(Self { metadata })
    }

    /// The folder of the top-level `Cargo.toml`.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// The folder of what cargo builds.
    pub fn target_dir(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// The workspace's own packages; none of what they depend on.
    pub fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    /// The folder of a package, from the root and with `/` between its parts.
    pub fn folder(&self, package: &Package) -> String {
        let root = &self.metadata.workspace_root;
        let manifest = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        manifest.parent().map_or_else(String::new, |folder| folder.as_str().replace('\\', "/"))
    }

    /// The names of the packages under `examples/`, in alphabetical order.
    pub fn examples(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .packages()
            .iter()
            .filter(|package| self.folder(package).starts_with("examples/"))
            .map(|package| package.name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// The example of that name.
    pub fn example(&self, name: &str) -> Result<&str> {
        let examples = self.examples();
        match examples.iter().find(|example| **example == name) {
            Some(example) => Ok(example),
            None => bail!("no example is called `{name}`; there are: {}", examples.join(", ")),
        }
    }
}

/// The cargo that runs us, with a subcommand.
pub fn cargo(subcommand: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(PathBuf::from(program));
    command.arg(subcommand);
    command
}
