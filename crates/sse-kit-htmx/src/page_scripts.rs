//! The scripts of a page.

use std::fmt;

use crate::attributes::Attributes;
use crate::dialect::Dialect;
use crate::head::{Head, HeadError};
use crate::html::Html;
use crate::nonce::Nonce;
use crate::script::Script;
use crate::script_folder::ScriptFolder;

/// The scripts of a page: htmx, its extension for Server-Sent Events, and our own.
///
/// Displayed they are the tags for a `<head>`. A page that has htmx already gets the rest by
/// [`PageScripts::insert_into`].
///
/// ```
/// use sse_kit_htmx::{Dialect, PageScripts};
///
/// let scripts = PageScripts::hosted(Dialect::V4, "/assets".parse()?);
/// let tags = scripts.to_string();
/// assert!(tags.starts_with("<script src=\"/assets/htmx.min.js\"></script>\n"));
///
/// // The app serves these, besides what it has from npm.
/// for script in scripts.files() {
///     assert!(tags.contains(&format!("src=\"/assets/{}\"", script.file_name())));
/// }
/// # Ok::<(), sse_kit_htmx::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PageScripts {
    dialect: Dialect,
    /// The folder of htmx, if it is not on its CDN.
    folder: Option<ScriptFolder>,
    /// The folder of our own scripts, if they are not inline.
    files: Option<ScriptFolder>,
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
    /// Takes htmx from its CDN, in a version that is tested, with integrity hashes. The scripts of
    /// sse-kit stand inline.
    pub fn cdn(dialect: Dialect) -> Self {
        let own = match dialect {
            Dialect::V2 => vec![Script::connection()],
            Dialect::V4 => vec![Script::connection(), Script::swap()],
        };
        Self { dialect, folder: None, files: None, nonce: None, own }
    }

    /// Takes everything from a folder of the app: `htmx.min.js`, `sse.min.js` for htmx 2 or
    /// `hx-sse.min.js` for htmx 4, and [the scripts of sse-kit](Self::files).
    pub fn hosted(dialect: Dialect, folder: ScriptFolder) -> Self {
        Self { folder: Some(folder.clone()), files: Some(folder), ..Self::cdn(dialect) }
    }

    /// Takes the scripts of sse-kit and of the app from a folder, instead of inline.
    pub fn own_from(mut self, folder: ScriptFolder) -> Self {
        self.files = Some(folder);
        self
    }

    /// Writes the scripts of sse-kit and of the app inline, instead of from a folder.
    pub fn own_inline(mut self) -> Self {
        self.files = None;
        self
    }

    /// Sets the nonce of every tag.
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Adds a script after the others. This is the one way to a script on a page: those of the
    /// monitor and of the app go here too, and the app serves [all of them](Self::files).
    pub fn script(mut self, script: Script) -> Self {
        self.own.push(script);
        self
    }

    /// Returns the scripts of sse-kit and of the app, which the app serves if they are not inline.
    pub fn files(&self) -> &[Script] {
        &self.own
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
    /// [`HeadError`] when htmx is not there, is `async`, or is another version.
    pub fn insert_into(&self, head: &mut Vec<Html>) -> Result<(), HeadError> {
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
        let mut attributes = match &self.folder {
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
        match &self.files {
            Some(folder) => script.tag(folder, self.nonce.as_ref()),
            None => script.inline(self.nonce.as_ref()),
        }
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
