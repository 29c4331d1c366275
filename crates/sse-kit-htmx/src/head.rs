//! The places of scripts among the entries of a head.

use crate::dialect::Dialect;
use crate::error::{MarkupError, Reason};
use crate::html::Html;
use crate::script::Script;
use crate::script_url::{Version, version_of};
use crate::tree::{ScriptElement, Scripting, Tree};

/// The scripts of a head, entry by entry, as a browser finds them.
pub(crate) struct Head(Vec<Tree>);

/// A place among the entries of a head: behind the script of htmx, and what belongs to it.
pub(crate) struct Place {
    next: usize,
    /// `true` if htmx itself runs only when the page has been parsed. A script that needs it must
    /// wait too.
    pub(crate) is_deferred: bool,
}

impl Head {
    pub(crate) fn read(head: &[Html]) -> Self {
        Self(head.iter().map(|entry| Tree::parse(entry.as_str(), Scripting::On)).collect())
    }

    /// Finds the first script of htmx that runs.
    pub(crate) fn find_htmx(&self, dialect: Dialect) -> Result<Place, MarkupError> {
        for (at, script) in self.scripts() {
            match url(script).and_then(|url| version_of(&url, "htmx")) {
                None => continue,
                Some(Version::Major(found)) if found.to_string() != dialect.to_string() => {
                    return Err(Reason::OtherHtmx { found, dialect }.into());
                }
                Some(Version::Major(_) | Version::Unknown) => {}
            }
            if script.has("async") {
                return Err(Reason::AsyncHtmx.into());
            }
            let is_deferred = script.has("defer") || is_module(script);
            return Ok(Place { next: at + 1, is_deferred });
        }
        Err(Reason::NoHtmx.into())
    }

    /// Returns `true` if the extension for Server-Sent Events is there, that of either version.
    pub(crate) fn has_extension(&self) -> bool {
        let is_extension = |url: String| {
            ["sse", "hx-sse", "htmx-ext-sse"].iter().any(|name| version_of(&url, name).is_some())
        };
        self.scripts().any(|(_, script)| url(script).is_some_and(is_extension))
    }

    /// Returns `true` if this script of our own is there, in any version of it.
    pub(crate) fn has_own(&self, own: &Script) -> bool {
        self.scripts().any(|(_, script)| script.get(Script::MARK) == Some(own.name()))
    }

    /// The scripts that run, each with the number of its entry.
    fn scripts(&self) -> impl Iterator<Item = (usize, ScriptElement<'_>)> {
        self.0
            .iter()
            .enumerate()
            .flat_map(|(at, tree)| tree.scripts().map(move |script| (at, script)))
            .filter(|&(_, script)| runs(script))
    }
}

impl Place {
    pub(crate) fn insert(&mut self, head: &mut Vec<Html>, tag: Html) {
        head.insert(self.next, tag);
        self.next += 1;
    }
}

/// Returns the URL of a script. A browser drops the whitespace that it does not expect there.
fn url(script: ScriptElement<'_>) -> Option<String> {
    let trimmed = script.get("src")?.trim_matches(|c: char| c <= ' ');
    Some(trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect())
}

fn is_module(script: ScriptElement<'_>) -> bool {
    kind(script).eq_ignore_ascii_case("module")
}

/// Returns `false` for data blocks, templates, and what only old browsers run.
fn runs(script: ScriptElement<'_>) -> bool {
    let kind = kind(script);
    let is_classic = [
        "",
        "text/javascript",
        "application/javascript",
        "text/ecmascript",
        "application/ecmascript",
        "application/x-javascript",
        "text/jscript",
        "text/livescript",
    ]
    .iter()
    .any(|known| kind.eq_ignore_ascii_case(known));
    is_module(script) || (is_classic && !script.has("nomodule"))
}

fn kind(script: ScriptElement<'_>) -> &str {
    script.get("type").unwrap_or_default().trim_matches(|c: char| c.is_ascii_whitespace())
}
