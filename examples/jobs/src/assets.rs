//! The files that the page loads: our own, and htmx's.
//!
//! All are read once, at the start, so no request ever names a file.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use sse_kit::htmx::{Dialect, PageScripts, Script, ScriptFolder};
use sse_kit::monitor;
use sse_kit::tabs::{Identity, TabsConfig};

#[derive(Debug)]
pub(crate) struct Assets {
    /// By their paths.
    files: BTreeMap<String, File>,
    /// htmx's files come from its CDN.
    by_cdn: bool,
}

/// A file that is served.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) content: Bytes,
    pub(crate) freshness: Freshness,
}

/// The time for which a browser may keep a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Without a limit: the name of the file has a hash of its content.
    Immutable,
    /// As long as it asks each time.
    AskAgain,
}

/// The paths of htmx's files, on the server and in `node_modules`, one or the other.
const LIBRARIES: [(&str, &[&str]); 4] = [
    ("/assets/htmx4/htmx.min.js", &["htmx.org/dist/htmx.min.js"]),
    ("/assets/htmx4/hx-sse.min.js", &["htmx.org/dist/ext/hx-sse.min.js"]),
    ("/assets/htmx2/htmx.min.js", &["htmx2/dist/htmx.min.js"]),
    ("/assets/htmx2/sse.min.js", &["htmx-ext-sse/dist/sse.min.js", "htmx-ext-sse/sse.min.js"]),
];

/// The folder of all other files.
const FOLDER: ScriptFolder = ScriptFolder::from_static("/assets");

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

impl Assets {
    /// Reads htmx's files from a folder `node_modules`; without one, pages take them from the CDN.
    pub(crate) fn load(node_modules: Option<&Path>) -> anyhow::Result<Self> {
        let mut assets = Self { files: BTreeMap::new(), by_cdn: node_modules.is_none() };
        let own = [
            ("/assets/style.css", "text/css; charset=utf-8", include_str!("../assets/style.css")),
            ("/assets/icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
        ];
        for (path, content_type, content) in own {
            assets.add(path, content_type, content.into(), Freshness::AskAgain);
        }
        for script in Dialect::ALL.map(|dialect| assets.scripts(dialect).files().to_vec()).concat()
        {
            let path = FOLDER.file(&script.file_name());
            let content = Bytes::copy_from_slice(script.source().as_bytes());
            assets.add(path, JAVASCRIPT, content, Freshness::Immutable);
        }
        for (path, candidates) in LIBRARIES {
            if let Some(folder) = node_modules {
                assets.add(path, JAVASCRIPT, read(folder, candidates)?, Freshness::AskAgain);
            }
        }
        Ok(assets)
    }

    /// Returns the scripts of a page.
    pub(crate) fn scripts(&self, dialect: Dialect) -> PageScripts {
        let sharing = Script::new("sharing", include_str!("../assets/sharing.js"));
        let scripts = PageScripts::new(dialect)
            .own_from(FOLDER)
            .script(tabs())
            .script(monitor::script())
            .script(sharing);
        if self.by_cdn {
            return scripts;
        }
        let folder = format!("/assets/htmx{dialect}");
        scripts.htmx_from(folder.parse().expect("it is a path"))
    }

    /// Returns the policy of a page: it may load everything from here, and scripts from the CDN if
    /// they come from there.
    pub(crate) fn content_security_policy(&self) -> &'static str {
        if self.by_cdn {
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
             script-src 'self' https://cdn.jsdelivr.net/npm/"
        } else {
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        }
    }

    pub(crate) fn file(&self, path: &str) -> Option<File> {
        self.files.get(path).cloned()
    }

    fn add(
        &mut self,
        path: impl Into<String>,
        content_type: &'static str,
        content: Bytes,
        freshness: Freshness,
    ) {
        self.files.insert(path.into(), File { content_type, content, freshness });
    }
}

/// Returns the script by which all tabs listen to one connection. There are no users: everybody
/// sees the same.
fn tabs() -> Script {
    let events = "/events".parse().expect("it is a path");
    TabsConfig::new([events], Identity::anyone()).script()
}

fn read(node_modules: &Path, candidates: &[&str]) -> anyhow::Result<Bytes> {
    let mut paths = candidates.iter().map(|file| node_modules.join(file));
    let path = paths.find(|path| path.exists()).with_context(|| {
        format!("there is no {} in {}", candidates.join(" or "), node_modules.display())
    })?;
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(content.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the scripts of a page of this htmx.
    fn sources(assets: &Assets, dialect: Dialect) -> Vec<String> {
        let tags = assets.scripts(dialect).to_string();
        let sources = tags.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
        sources.map(str::to_owned).collect()
    }

    #[test]
    fn without_files_htmx_comes_from_the_cdn_with_integrity() {
        let assets = Assets::load(None).unwrap();
        for dialect in Dialect::ALL {
            let (far, near): (Vec<_>, Vec<_>) =
                sources(&assets, dialect).into_iter().partition(|src| src.starts_with("https://"));
            assert_eq!(far.len(), 2);
            assert!(!near.is_empty());
            for src in near {
                let file = assets.file(&src).unwrap();
                assert_eq!(file.freshness, Freshness::Immutable, "{src}");
            }
        }
        assert!(assets.content_security_policy().contains("https://cdn.jsdelivr.net/"));
    }

    #[test]
    fn with_files_all_comes_from_here() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Assets::load(Some(folder.path())).unwrap_err();
        assert!(missing.to_string().contains("htmx.org/dist/htmx.min.js"), "{missing}");
        for (served, candidates) in LIBRARIES {
            let path = folder.path().join(candidates[0]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, served).unwrap();
        }
        let assets = Assets::load(Some(folder.path())).unwrap();
        for src in Dialect::ALL.iter().flat_map(|dialect| sources(&assets, *dialect)) {
            assert!(assets.file(&src).is_some(), "{src}");
        }
        let path = "/assets/htmx2/sse.min.js";
        assert_eq!(assets.file(path).unwrap().content, path);
        assert!(assets.file("/assets/../Cargo.toml").is_none());
        assert!(!assets.content_security_policy().contains("https:"));
    }
}
