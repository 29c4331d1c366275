//! The workspace as cargo knows it: its root, its packages, its programs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::semver::Version;
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

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

    /// Returns the folder of the top-level `Cargo.toml`.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Returns the folder of cargo's output.
    pub fn target_dir(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// Returns the workspace's own packages, without their dependencies.
    pub fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    /// Returns all packages of the lock file, for every platform: ours and their dependencies.
    pub fn locked_packages(&self) -> Result<Vec<Package>> {
        let mut command = MetadataCommand::new();
        command.manifest_path(self.root().join("Cargo.toml"));
        command.features(CargoOpt::AllFeatures).other_options(["--locked".to_owned()]);
        Ok(command.exec().context("cannot read what the lock file names")?.packages)
    }

    /// Returns the oldest Rust that we promise to work with.
    pub fn rust_version(&self) -> Result<Version> {
        let versions = self.packages().iter().filter_map(|package| package.rust_version.clone());
        versions.max().context("the workspace has no `rust-version`")
    }

    /// Returns the folder of a package, from the root and with `/` between its parts.
    pub fn folder(&self, package: &Package) -> String {
        let root = &self.metadata.workspace_root;
        let manifest = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        manifest.parent().map_or_else(String::new, |folder| folder.as_str().replace('\\', "/"))
    }

    /// Returns the programs under `examples/` and `crates/`, in alphabetical order.
    pub fn programs(&self) -> Vec<Program<'_>> {
        let mut programs = Vec::new();
        for package in self.packages() {
            let folder = self.folder(package);
            if folder.starts_with("examples/") || folder.starts_with("crates/") {
                let description = package.description.as_deref().unwrap_or_default();
                let binaries = package.targets.iter().filter(|target| target.is_bin());
                programs.extend(binaries.map(|bin| Program {
                    package: &package.name,
                    name: &bin.name,
                    description,
                }));
            }
        }
        programs.sort_unstable_by_key(|program| program.name);
        programs
    }

    /// Returns the program of that name.
    pub fn program(&self, name: &str) -> Result<Program<'_>> {
        let programs = self.programs();
        let names = programs.iter().map(|program| program.name).collect::<Vec<_>>();
        match programs.iter().find(|program| program.name == name) {
            Some(program) => Ok(*program),
            None => bail!("no program is called `{name}`; there are: {}", names.join(", ")),
        }
    }
}

/// A program that people run: an example, or a crate that is one.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    /// The package that it is in.
    pub package: &'a str,
    /// The name of the program.
    pub name: &'a str,
    /// The description of the package.
    pub description: &'a str,
}

/// Returns whether `cargo publish --workspace` would take a package.
pub fn is_published(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}

/// Returns the cargo that runs us, with a subcommand.
pub fn cargo(subcommand: &str) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(PathBuf::from(program));
    command.arg(subcommand);
    command
}
