//! The scripts of a page.

use std::fmt;

use crate::attributes::Attributes;
use crate::dialect::Dialect;
use crate::error::MarkupError;
use crate::head::Head;
use crate::html::Html;
use crate::nonce::Nonce;
use crate::script::Script;
use crate::script_folder::ScriptFolder;

/// The scripts of a page: htmx, its extension for Server-Sent Events, and our own.
///
/// Displayed they are the tags for a `<head>`. A page that has htmx already gets the rest by
/// [`PageScripts::insert_into`].
///
/// | scripts | by default | otherwise |
/// |---|---|---|
/// | htmx and its extension | from their CDN, with integrity hashes | [`htmx_from`](Self::htmx_from) a folder |
/// | those of sse-kit and of the app | from the folder [`FOLDER`](Self::FOLDER) | [`own_from`](Self::own_from) another folder |
///
/// ```
/// use sse_kit_htmx::{Dialect, PageScripts};
///
/// let scripts = PageScripts::new(Dialect::V4);
/// let tags = scripts.to_string();
/// assert!(tags.starts_with("<script src=\"https://cdn.jsdelivr.net/npm/htmx.org@4"));
///
/// // The app serves these; with axum, `sse_kit::axum::assets` does.
/// for script in scripts.files() {
///     let path = format!("/sse-kit/{}", script.file_name());
///     assert!(tags.contains(&format!("src=\"{path}\"")));
///     assert_eq!(scripts.file(&path), Some(script));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PageScripts {
    dialect: Dialect,
    /// The folder of htmx, if it is not on its CDN.
    htmx: Option<ScriptFolder>,
    /// The folder of the other scripts.
    folder: ScriptFolder,
    nonce: Option<Nonce>,
    own: Vec<Script>,
}

/// A file of others, as it is on its CDN.
struct Published {
    url: &'static str,
    integrity: &'static str,
}

// The hashes are those of the files in npm's packages.

const HTMX_2: Published = Published {
    url: "https://cdn.jsdelivr.net/npm/htmx.org@2.0.11/dist/htmx.min.js",
    integrity: "sha384-2OatzQy1H+Zd/IIrjr1TcuDGqLXeHhbooAyJY1KdQMKnr4LZ22k31GBLdYKHmVjg",
};
const SSE_2: Published = Published {
    url: "https://cdn.jsdelivr.net/npm/htmx-ext-sse@2.2.4/dist/sse.min.js",
    integrity: "sha384-A986SAtodyH8eg8x8irJnYUk7i9inVQqYigD6qZ9evobksGNIXfeFvDwLSHcp31N",
};
const HTMX_4: Published = Published {
    url: "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js",
    integrity: "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
};
const SSE_4: Published = Published {
    url: "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/ext/hx-sse.min.js",
    integrity: "sha384-v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV",
};

impl PageScripts {
    /// The folder from which pages load the scripts of sse-kit and of the app, unless it is
    /// [another](Self::own_from): `/sse-kit`.
    pub const FOLDER: ScriptFolder = ScriptFolder::from_static("/sse-kit");

    /// Makes the scripts of a page: htmx, in a version that is tested, its extension, and those that the
    /// markup needs.
    pub fn new(dialect: Dialect) -> Self {
        let own = match dialect {
            Dialect::V2 => vec![Script::connection()],
            Dialect::V4 => vec![Script::connection(), Script::swap()],
        };
        Self { dialect, htmx: None, folder: Self::FOLDER, nonce: None, own }
    }

    /// Takes htmx from a folder of the app, which has the files `htmx.min.js`, and `sse.min.js` for htmx 2
    /// or `hx-sse.min.js` for htmx 4.
    pub fn htmx_from(mut self, folder: ScriptFolder) -> Self {
        self.htmx = Some(folder);
        self
    }

    /// Takes the scripts of sse-kit and of the app from this folder. The app serves
    /// [all of them](Self::files) there.
    pub fn own_from(mut self, folder: ScriptFolder) -> Self {
        self.folder = folder;
        self
    }

    /// Sets the nonce of every tag.
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Adds a script after the others. This is the one way to a script on a page: those of the
    /// monitor, of the tabs and of the app go here. A script takes the place of one with the same name.
    pub fn script(mut self, script: Script) -> Self {
        self.own.retain(|known| known.name() != script.name());
        self.own.push(script);
        self
    }

    /// Returns the version of htmx.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the scripts of sse-kit and of the app, which the app serves.
    pub fn files(&self) -> &[Script] {
        &self.own
    }

    /// Returns the script that the page loads from this path, if it is one of [`files`](Self::files).
    pub fn file(&self, path: &str) -> Option<&Script> {
        self.own.iter().find(|script| self.folder.file(&script.file_name()) == path)
    }

    /// Returns the tags, in order: htmx, its extension, the other scripts.
    pub fn tags(&self) -> Vec<Html> {
        let mut tags = vec![self.htmx_tag(), self.extension_tag(false)];
        tags.extend(self.own.iter().map(|script| self.own_tag(script)));
        tags
    }

    /// Inserts the extension right behind the script of htmx among the entries of a head, and our
    /// own right behind that. A script that is there already is not inserted again.
    ///
    /// # Errors
    ///
    /// [`MarkupError`] when htmx is not there, is `async`, or is another version.
    pub fn insert_into(&self, head: &mut Vec<Html>) -> Result<(), MarkupError> {
        let found = Head::read(head);
        let mut place = found.find_htmx(self.dialect)?;
        if !found.has_extension() {
            let tag = self.extension_tag(place.is_deferred);
            place.insert(head, tag);
        }
        for script in &self.own {
            if !found.has_own(script) {
                place.insert(head, self.own_tag(script));
            }
        }
        Ok(())
    }

    fn htmx_tag(&self) -> Html {
        let published = match self.dialect {
            Dialect::V2 => HTMX_2,
            Dialect::V4 => HTMX_4,
        };
        self.tag_of(&published, "htmx.min.js", false)
    }

    fn extension_tag(&self, is_deferred: bool) -> Html {
        match self.dialect {
            Dialect::V2 => self.tag_of(&SSE_2, "sse.min.js", is_deferred),
            Dialect::V4 => self.tag_of(&SSE_4, "hx-sse.min.js", is_deferred),
        }
    }

    fn tag_of(&self, published: &Published, file: &str, is_deferred: bool) -> Html {
        let mut attributes = match &self.htmx {
            Some(folder) => Attributes::new().known("src", folder.file(file)),
            None => Attributes::new()
                .known("src", published.url)
                .known("integrity", published.integrity)
                .known("crossorigin", "anonymous"),
        };
        if let Some(nonce) = &self.nonce {
            attributes = attributes.known("nonce", nonce.as_str());
        }
        let defer = if is_deferred { " defer" } else { "" };
        Html::trusted(format!("<script{attributes}{defer}></script>"))
    }

    fn own_tag(&self, script: &Script) -> Html {
        script.tag(&self.folder, self.nonce.as_ref())
    }
}

impl fmt::Display for PageScripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tags().iter().try_for_each(|tag| writeln!(f, "{tag}"))
    }
}

impl From<&PageScripts> for Html {
    fn from(scripts: &PageScripts) -> Self {
        Self::trusted(scripts.to_string())
    }
}
