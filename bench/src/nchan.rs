//! nginx with nchan: its module, and its configuration.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::tools;

/// The path of the module in Debian's package.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
const PACKAGE: &str = "libnginx-mod-nchan";

#[derive(Debug)]
pub(super) struct Config {
    /// The configuration, with `@MODULE@`, `@FOLDER@` and `@ADDRESS@` in it.
    template: String,
    /// For what nginx writes.
    folder: PathBuf,
}

impl Config {
    /// Installs the module when it is missing and may be installed.
    pub(super) fn find(template: &Path, folder: PathBuf) -> Result<Self> {
        if !Path::new(MODULE).is_file() {
            tools::install_package("nchan", PACKAGE)?;
            ensure!(Path::new(MODULE).is_file(), "the package {PACKAGE} brought no {MODULE}");
        }
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let read = fs::read_to_string(template);
        let template = read.with_context(|| format!("cannot read {}", template.display()))?;
        Ok(Self { template, folder })
    }

    /// Writes the file for a server at this port of the machine, and returns where it is.
    pub(super) fn write(&self, port: u16) -> Result<PathBuf> {
        let folder = self.folder.to_str().context("the target folder's name is no text")?;
        let text = self
            .template
            .replace("@MODULE@", MODULE)
            .replace("@FOLDER@", folder)
            .replace("@ADDRESS@", &format!("127.0.0.1:{port}"));
        let path = self.folder.join("nginx.conf");
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}
