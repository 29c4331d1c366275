//! The files that the page loads: our own, and htmx's.
//!
//! htmx's are read once, at the start, so no request ever names a file.

use std::fs;
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use sse_kit::tabs::TabsConfig;

/// Which htmx drives the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Htmx {
    V2,
    V4,
}

/// A file that is served.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) content_type: &'static str,
    pub(crate) content: Bytes,
    pub(crate) freshness: Freshness,
}

/// For how long a browser may use a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// When it has asked whether there is a newer one.
    Ask,
    /// Its name has a hash of what is in it.
    ForEver,
}

/// A script that the page loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) src: &'static str,
    /// The hash without which a browser does not run it; for scripts that come from elsewhere.
    pub(crate) integrity: Option<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Assets {
    /// The files of [`LIBRARIES`], or none when they come from the CDN.
    libraries: Option<Vec<Bytes>>,
    tabs: String,
}

const STYLE: &str = include_str!("../assets/style.css");
const STATUS: &str = include_str!("../assets/status.js");
const SHARING: &str = include_str!("../assets/sharing.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// A file of htmx.
struct Library {
    htmx: Htmx,
    /// What we call it.
    src: &'static str,
    /// Where it may be in `node_modules`.
    files: &'static [&'static str],
    cdn: &'static str,
    integrity: &'static str,
}

/// In the order in which a page loads them. The hashes are of the files in the npm packages.
const LIBRARIES: [Library; 4] = [
    Library {
        htmx: Htmx::V4,
        src: "/assets/htmx4.js",
        files: &["htmx.org/dist/htmx.min.js"],
        cdn: "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js",
        integrity: "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
    },
    Library {
        htmx: Htmx::V4,
        src: "/assets/htmx4-sse.js",
        files: &["htmx.org/dist/ext/hx-sse.min.js"],
        cdn: "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/ext/hx-sse.min.js",
        integrity: "sha384-v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV",
    },
    Library {
        htmx: Htmx::V2,
        src: "/assets/htmx2.js",
        files: &["htmx2/dist/htmx.min.js"],
        cdn: "https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js",
        integrity: "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
    },
    Library {
        htmx: Htmx::V2,
        src: "/assets/htmx2-sse.js",
        files: &["htmx-ext-sse/dist/sse.min.js", "htmx-ext-sse/sse.min.js"],
        cdn: "https://cdn.jsdelivr.net/npm/htmx-ext-sse@2.2.4/dist/sse.min.js",
        integrity: "sha384-A986SAtodyH8eg8x8irJnYUk7i9inVQqYigD6qZ9evobksGNIXfeFvDwLSHcp31N",
    },
];

impl Assets {
    /// Reads htmx's files from a folder `node_modules`; without one, pages take them from the CDN.
    pub(crate) fn load(node_modules: Option<&Path>) -> anyhow::Result<Self> {
        let read = |folder| LIBRARIES.iter().map(|library| library.read(folder)).collect();
        // There are no users, so there is no identity: whoever is here sees the same.
        let tabs = TabsConfig::new(["/events".parse()?]).tags(&"/assets".parse()?, None).to_string();
        Ok(Self { libraries: node_modules.map(read).transpose()?, tabs })
    }

    /// The tags by which all tabs listen to one connection.
    pub(crate) fn tabs(&self) -> &str {
        &self.tabs
    }

    /// The scripts of a page, in order.
    pub(crate) fn scripts(&self, htmx: Htmx) -> impl Iterator<Item = Script> {
        let script = match self.libraries {
            Some(_) => Library::local,
            None => Library::remote,
        };
        let libraries = LIBRARIES.iter().filter(move |library| library.htmx == htmx);
        let own = ["/assets/status.js", "/assets/sharing.js"];
        libraries.map(script).chain(own.map(|src| Script { src, integrity: None }))
    }

    /// What a page may load: all from here, and scripts from the CDN when they are taken from there.
    pub(crate) fn content_security_policy(&self) -> &'static str {
        match self.libraries {
            Some(_) => {
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            }
            None => {
                "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                 script-src 'self' https://cdn.jsdelivr.net/npm/"
            }
        }
    }

    pub(crate) fn file(&self, path: &str) -> Option<File> {
        const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
        let tabs = TabsConfig::script();
        if path.strip_prefix("/assets/") == Some(&tabs.file_name()) {
            let content = tabs.source().to_owned().into();
            let freshness = Freshness::ForEver;
            return Some(File { content_type: JAVASCRIPT, content, freshness });
        }
        let (content_type, content) = match path {
            "/assets/style.css" => ("text/css; charset=utf-8", STYLE.into()),
            "/assets/status.js" => (JAVASCRIPT, STATUS.into()),
            "/assets/sharing.js" => (JAVASCRIPT, SHARING.into()),
            "/assets/icon.svg" => ("image/svg+xml", ICON.into()),
            path => {
                let mut libraries = LIBRARIES.iter().zip(self.libraries.as_ref()?);
                let (_, content) = libraries.find(|(library, _)| library.src == path)?;
                (JAVASCRIPT, content.clone())
            }
        };
        Some(File { content_type, content, freshness: Freshness::Ask })
    }
}

impl Library {
    fn local(&self) -> Script {
        Script { src: self.src, integrity: None }
    }

    fn remote(&self) -> Script {
        Script { src: self.cdn, integrity: Some(self.integrity) }
    }

    fn read(&self, node_modules: &Path) -> anyhow::Result<Bytes> {
        let mut paths = self.files.iter().map(|file| node_modules.join(file));
        let path = paths.find(|path| path.exists()).with_context(|| {
            format!("there is no {} in {}", self.files.join(" or "), node_modules.display())
        })?;
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(content.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_files_scripts_come_from_the_cdn_with_integrity() {
        let assets = Assets::load(None).unwrap();
        for htmx in [Htmx::V2, Htmx::V4] {
            let scripts: Vec<_> = assets.scripts(htmx).collect();
            assert_eq!(scripts.len(), 4);
            assert!(scripts[..2].iter().all(|script| {
                script.src.starts_with("https://") && script.integrity.is_some()
            }));
            assert!(scripts[2..].iter().all(|script| assets.file(script.src).is_some()));
        }
        assert!(assets.content_security_policy().contains("https://cdn.jsdelivr.net/"));
    }

    #[test]
    fn with_files_all_comes_from_here() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Assets::load(Some(folder.path())).unwrap_err();
        assert!(missing.to_string().contains("htmx.org/dist/htmx.min.js"), "{missing}");
        for library in &LIBRARIES {
            let path = folder.path().join(library.files[0]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, library.src).unwrap();
        }
        let assets = Assets::load(Some(folder.path())).unwrap();
        for script in assets.scripts(Htmx::V2).chain(assets.scripts(Htmx::V4)) {
            assert!(assets.file(script.src).is_some(), "{}", script.src);
        }
        assert_eq!(assets.file("/assets/htmx2-sse.js").unwrap().content, "/assets/htmx2-sse.js");
        assert!(assets.file("/assets/../Cargo.toml").is_none());
        assert!(!assets.content_security_policy().contains("https:"));
    }
}
